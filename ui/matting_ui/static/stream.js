// Gradio's stream of answers ends when no call is open any more. A call that is made in the moment when the end is on its
// way would wait for ever: its answer comes on a stream that nobody has opened. So the end is kept back, and the stream
// continued with a new one, as long as a call is open.
// A request that does not arrive is the end for Gradio: it takes no click any more, and loads the page again with all that
// is on it. So it hears of none: a call waits for the connection, and one whose answer is lost is answered here.
(() => {
  const fetched = window.fetch.bind(window);
  const BUSY = [429, 503];
  const PATIENCE = 30_000; // milliseconds that a call waits for the connection
  const PAUSE = 500;
  const MOST_SENT = 5; // times that it is sent in all: a server that is there may break off what it does not want
  const open = new Map(); // calls whose last word has not come, by the number that the server gave them
  let joining = 0; // calls that have no number yet
  let isDoubtful = false; // whether the server may be another one by now
  let server = null;

  const pause = (time) => new Promise((done) => setTimeout(done, time));
  const address = (request) => new URL(request instanceof Request ? request.url : request, location.href).pathname;
  const sentence = (code) => window.matting.word(code);

  // A call that is over. If badly, its title is the error's code; an answer without one is a fault of ours.
  const note = (call, { success, output }) => {
    if (success) return window.matting.succeeded(call);
    const known = output?.error && output.title in window.mattingWords.en;
    window.matting.failed(known ? output.title : "internal_error", known ? output.error : "", call);
  };

  // Gradio is told that a call was not taken; the visitor is told why.
  const refuse = (call, code) => {
    window.matting.refused(code, "", call);
    return Response.json({ detail: sentence(code) }, { status: 500 });
  };

  // A server that was started anew has nothing of what the page shows; whether it was noticed just now.
  const look = async () => {
    const answer = await fetched("gradio_api/app_id");
    if (!answer.ok) return false;
    const { app_id } = await answer.json();
    const isAnother = app_id !== (server ?? window.gradio_config.app_id);
    if (isAnother) window.matting.outlived();
    server = app_id;
    isDoubtful = false;
    return isAnother;
  };

  // The answer to a call, once it gets through; nothing where the server has nothing to answer it with. An upload takes the
  // place of what the server has no more.
  const reach = async (call, request, init) => {
    const end = performance.now() + PATIENCE;
    let sent = 0;
    for (;;) {
      try {
        const isAnother = (isDoubtful || !window.mattingHeart.beats) && (await look());
        if (isAnother && call.isUpload) window.matting.replaced(call.tab);
        if (!call.isUpload && window.matting.isOutlived(call.tab)) return null;
        sent++;
        return await fetched(request, init);
      } catch (error) {
        isDoubtful = true;
        if (performance.now() > end || sent >= MOST_SENT) throw error;
        window.matting.failed("unreachable", "", { ...call, waits: true });
        await pause(PAUSE);
      }
    }
  };

  const join = async (request, init) => {
    const call = window.mattingCall(JSON.parse(init.body));
    joining++;
    try {
      const answer = await reach(call, request, init);
      if (!answer) return refuse(call, "restarted");
      window.matting.reached();
      const { event_id, detail } = await answer.clone().json().catch(() => ({}));
      call.at = performance.now();
      if (answer.ok) open.set(event_id, call);
      else window.matting.refused(BUSY.includes(answer.status) ? "server_busy" : "internal_error", detail, call);
      return answer;
    } catch {
      return refuse(call, "unreachable");
    } finally {
      joining--;
    }
  };

  const written = (event) => `data: ${JSON.stringify(event)}\n\n`;

  // Answers to the calls whose own cannot come any more.
  const lost = () => {
    isDoubtful = true;
    const output = { error: sentence("unreachable"), title: "unreachable", visible: false };
    const events = [...open].map(([event_id, call]) => {
      window.matting.refused("unreachable", "", call);
      return written({ msg: "process_completed", event_id, output, success: false });
    });
    open.clear();
    return events.join("");
  };

  // Takes note of an event before Gradio does.
  const hear = async (event) => {
    const said = JSON.parse(event.slice(event.indexOf("{")));
    if (said.session_not_found) throw new Error(said.message); // the server was started anew, or has forgotten the session
    if (said.msg !== "process_completed") return said.msg;
    while (joining && !open.has(said.event_id)) await pause(10); // the answer was faster than its number
    const call = open.get(said.event_id);
    open.delete(said.event_id);
    if (call) note(call, said);
    return said.msg;
  };

  // Passes events on from one stream after another; an event ends with an empty line.
  const stitched = (request, init) => {
    const encoder = new TextEncoder();
    let reader = null;
    let text = "";
    let decoder = null;

    const start = async () => {
      const answer = await fetched(request instanceof Request ? request.clone() : request, init);
      if (!answer.ok || !answer.body) throw new Error(answer.statusText);
      reader = answer.body.getReader();
      decoder = new TextDecoder();
      text = "";
    };

    const next = async () => {
      if (!reader) await start();
      for (;;) {
        const end = text.indexOf("\n\n");
        if (end >= 0) {
          const event = text.slice(0, end + 2);
          text = text.slice(end + 2);
          return event;
        }
        const { done, value } = await reader.read();
        if (done) throw new Error("the stream has ended");
        text += decoder.decode(value, { stream: true });
      }
    };

    // Events to pass on, none where the stream goes on with a new one, and whether they are the last ones.
    const heard = async () => {
      try {
        const event = await next();
        if ((await hear(event)) !== "close_stream") return [event, false];
        if (open.size + joining === 0) return [event, true];
        reader = null;
        return ["", false];
      } catch {
        const events = lost();
        while (joining) await pause(10);
        reader = null;
        return open.size ? [events, false] : [events + written({ msg: "close_stream" }), true];
      }
    };

    const body = new ReadableStream({
      async pull(controller) {
        let [events, isOver] = await heard();
        while (!events) [events, isOver] = await heard();
        controller.enqueue(encoder.encode(events));
        if (isOver) controller.close();
      },
      cancel: (reason) => reader?.cancel(reason),
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  };

  // An upload that is refused is answered in JSON; the page shows the text of such an answer as it is, and has one of ours
  // where none came.
  const told = async (request, init) => {
    const place = { tab: window.matting.openTab() };
    let answer;
    try {
      answer = await reach({ ...place, isUpload: true, outputs: [] }, request, init);
      window.matting.reached();
    } catch {
      window.matting.failed("unreachable", "", place);
      return new Response(sentence("unreachable"), { status: 503 });
    }
    if (answer.ok || !answer.headers.get("content-type")?.includes("json")) return answer;
    const { code, detail } = (await answer.json()).errors?.[0] ?? {};
    window.matting.failed(code ?? "internal_error", detail, place);
    return new Response(detail ?? answer.statusText, { status: answer.status });
  };

  window.fetch = (request, init) => {
    const path = address(request);
    if (path.endsWith("/gradio_api/upload")) return told(request, init);
    if (path.endsWith("/queue/join")) return join(request, init);
    if (path.endsWith("/queue/data")) return Promise.resolve(stitched(request, init));
    return fetched(request, init);
  };
})();
