// Gradio opens its heartbeat before any of our other scripts is there, and once alone: it ends with the connection, or with
// the server. From then on the server may be another one.
window.mattingHeart = (() => {
  const fetched = window.fetch.bind(window);
  const heart = { beats: true };
  const stop = () => (heart.beats = false);

  window.fetch = async (request, init) => {
    const address = String(request instanceof Request ? request.url : request);
    if (!address.includes("/gradio_api/heartbeat/")) return fetched(request, init);
    try {
      const answer = await fetched(request, init);
      if (!answer.body) return answer;
      const [one, other] = answer.body.tee();
      other.pipeTo(new WritableStream()).catch(() => {}).then(stop);
      return new Response(one, { status: answer.status, headers: answer.headers });
    } catch (error) {
      stop();
      throw error;
    }
  };
  return heart;
})();
