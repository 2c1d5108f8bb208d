// The network: the server's own ONNX file in ONNX Runtime Web, on one thread, as more would want a page cut off from others.
import * as ort from "./onnxruntime/ort.wasm.bundle.min.mjs";

/** What runs the network: a square's RGB bytes in, its alpha's bytes out; `size` is the square's side in pixels. */
export async function openNetwork(runtime, model) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = runtime;
  const session = await ort.InferenceSession.create(new Uint8Array(model), { executionProviders: ["wasm"] });
  const size = session.inputMetadata[0].shape[1];
  const run = async (square) => {
    const image = new ort.Tensor("uint8", square, [1, size, size, 3]);
    return (await session.run({ image })).alpha.data;
  };
  return { size, run };
}
