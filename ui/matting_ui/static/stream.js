// Gradio's stream of answers ends when no call is open any more. A call that is made in the moment when the end is on its
// way would wait for ever: its answer comes on a stream that nobody has opened. So the end is kept back, and the stream
// continued with a new one, as long as a call is open.
(() => {
  const fetched = window.fetch.bind(window);
  const BUSY = [429, 503];
  let open = 0; // calls whose last word has not come

  // A call that ended badly: its title is the error's code. An answer without one is a fault of ours.
  const note = (event) => {
    const { msg, success, output } = JSON.parse(event.slice(event.indexOf("{")));
    if (msg !== "process_completed" || success) return;
    const known = output?.error && output.title in window.mattingWords.en;
    window.matting.failed(known ? output.title : "internal_error", known ? output.error : "");
  };

  const address = (request) => new URL(request instanceof Request ? request.url : request, location.href).pathname;

  const join = async (request, init) => {
    open++;
    try {
      const answer = await fetched(request, init);
      if (!answer.ok) {
        open--;
        const { detail } = await answer.clone().json().catch(() => ({}));
        window.matting.refused(BUSY.includes(answer.status) ? "server_busy" : "internal_error", detail);
      }
      return answer;
    } catch (error) {
      open--;
      window.matting.refused("unreachable");
      throw error;
    }
  };

  // Passes events on from one stream after another; an event ends with an empty line.
  const stitched = async (request, init) => {
    const again = request instanceof Request ? () => request.clone() : () => request;
    const first = await fetched(again(), init);
    if (!first.ok || !first.body) return first;
    let reader = first.body.getReader();
    let text = "";
    let decoder = new TextDecoder();
    const encoder = new TextEncoder();

    const next = async () => {
      for (;;) {
        const end = text.indexOf("\n\n");
        if (end >= 0) {
          const event = text.slice(0, end + 2);
          text = text.slice(end + 2);
          return event;
        }
        const { done, value } = await reader.read();
        if (done) return null;
        text += decoder.decode(value, { stream: true });
      }
    };

    const body = new ReadableStream({
      async pull(controller) {
        try {
          for (;;) {
            const event = await next();
            if (event === null) return controller.close();
            if (event.includes('"process_completed"')) {
              open = Math.max(0, open - 1);
              note(event);
            }
            if (!event.includes('"close_stream"') || open === 0) return controller.enqueue(encoder.encode(event));
            const more = await fetched(again(), init);
            if (!more.ok || !more.body) return controller.enqueue(encoder.encode(event));
            reader = more.body.getReader();
            decoder = new TextDecoder();
            text = "";
          }
        } catch (error) {
          controller.error(error);
        }
      },
      cancel: (reason) => reader.cancel(reason),
    });
    return new Response(body, { status: first.status, headers: first.headers });
  };

  // An upload that is refused is answered in JSON; the page shows the text of such an answer as it is.
  const told = async (request, init) => {
    let answer;
    try {
      answer = await fetched(request, init);
    } catch (error) {
      window.matting.failed("unreachable");
      throw error;
    }
    if (answer.ok || !answer.headers.get("content-type")?.includes("json")) return answer;
    const { code, detail } = (await answer.json()).errors?.[0] ?? {};
    window.matting.failed(code ?? "internal_error", detail);
    return new Response(detail ?? answer.statusText, { status: answer.status });
  };

  window.fetch = (request, init) => {
    const path = address(request);
    if (path.endsWith("/gradio_api/upload")) return told(request, init);
    if (path.endsWith("/queue/join")) return join(request, init);
    if (path.endsWith("/queue/data")) return stitched(request, init);
    return fetched(request, init);
  };
})();
