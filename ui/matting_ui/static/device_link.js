// Asks the worker that cuts photos out on this device; it is made when it is first wanted.
window.mattingDevice = (path, bytes, progress) => {
  const FILES = ["onnxruntime/ort-wasm-simd-threaded.wasm", "model.onnx"];
  let started = null;
  let calls = 0;
  const waiting = new Map();

  const ask = (worker, kind, values, handed = []) =>
    new Promise((answer, refuse) => {
      waiting.set(++calls, { answer, refuse });
      worker.postMessage({ call: calls, kind, ...values }, handed);
    });

  const fetched = async (file, both, told) => {
    try {
      const response = await fetch(`${path}/${file}`, { signal: both.signal });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const pieces = [];
      const reader = response.body.getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) {
        pieces.push(next.value);
        told(next.value.length);
      }
      return await new Blob(pieces).arrayBuffer();
    } catch (error) {
      both.abort(); // or the other would go on telling how far it is
      throw { code: "unreachable", detail: String(error.message ?? error) };
    }
  };

  const start = async () => {
    const both = new AbortController();
    let loaded = 0;
    const told = (length) => {
      loaded += length;
      if (!both.signal.aborted) progress(Math.min(1, loaded / bytes));
    };
    const [runtime, model] = await Promise.all(FILES.map((file) => fetched(file, both, told)));
    const worker = new Worker(new URL(`${path}/worker.js`, document.baseURI), { type: "module" });
    worker.addEventListener("message", ({ data }) => {
      const { answer, refuse } = waiting.get(data.call);
      waiting.delete(data.call);
      if (data.code) refuse(data);
      else answer(data.answer);
    });
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      for (const { refuse } of waiting.values()) refuse({ code: "model_unavailable", detail: event.message ?? "" });
      waiting.clear();
    });
    await ask(worker, "load", { runtime, model }, [runtime, model]);
    return worker;
  };

  // A photo that the worker refuses leaves it as it is; after anything else a new one begins afresh.
  return async (kind, values) => {
    const used = (started ??= start());
    try {
      return await ask(await used, kind, values);
    } catch (error) {
      if (!["invalid_image", "file_too_large"].includes(error.code) && started === used) {
        started = null;
        used.then((worker) => worker.terminate(), () => {});
      }
      throw error;
    }
  };
};
