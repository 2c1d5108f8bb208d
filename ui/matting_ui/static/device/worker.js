// Cuts photos out beside the page, which stays at hand meanwhile. It is given all it needs, and its policy
// (matting_ui/site.py) lets it fetch nothing and send nothing.
import { inWhiteLight } from "./light.js";
import { openNetwork } from "./network.js";
import { cutout, letterbox, refine, solidify } from "./pixels.js";

const MOST_PIXELS = 40e6; // what stays well below a browser's memory and the largest canvas
const GREY = 127; // behind what is transparent in the photo, for the network
let network = null;
let made = null; // the last cutout

class Refused extends Error {
  constructor(code, size) {
    super(code);
    Object.assign(this, { code, size });
  }
}

// Of which only the first frame is used, as far as this browser can tell.
async function isAnimated(file) {
  let decoder;
  try {
    decoder = new ImageDecoder({ data: await file.arrayBuffer(), type: file.type });
    (await decoder.decode({ frameIndex: 1 })).image.close();
    return true;
  } catch {
    return false;
  } finally {
    decoder?.close();
  }
}

async function pixelsOf(file) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Refused("invalid_image");
  }
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) throw new Refused("file_too_large", { width, height, most: MOST_PIXELS / 1e6 });
  const canvas = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  canvas.drawImage(bitmap, 0, 0);
  bitmap.close();
  return { data: canvas.getImageData(0, 0, width, height).data, width, height, channels: 4 };
}

// A photo with transparency stands on grey for the network, and keeps its own alpha as an upper bound.
function onGrey(photo) {
  const seen = { ...photo, data: photo.data.slice() };
  for (let place = 0; place < seen.data.length; place += 4) {
    const own = seen.data[place + 3];
    if (own === 255) continue;
    for (let channel = place; channel < place + 3; channel++) {
      seen.data[channel] = Math.round((seen.data[channel] * own + GREY * (255 - own)) / 255);
    }
  }
  return seen;
}

async function cut(file) {
  made = null; // two large photos at once would not fit
  const photo = await pixelsOf(file);
  const seen = onGrey(photo);
  const { square, box } = letterbox(seen, network.size);
  const answer = await network.run(inWhiteLight(square, box));
  const alpha = refine(seen, square, solidify(answer, box), box);
  for (let place = 0; place < alpha.length; place++) alpha[place] = Math.min(alpha[place], photo.data[place * 4 + 3]);
  made = cutout(photo, alpha);
  const isEmpty = alpha.every((value) => value === 0);
  return { width: made.width, height: made.height, isEmpty, isAnimated: await isAnimated(file) };
}

async function fileOf({ background, format }) {
  const canvas = new OffscreenCanvas(made.width, made.height);
  const context = canvas.getContext("2d");
  context.putImageData(new ImageData(made.data, made.width, made.height), 0, 0);
  context.globalCompositeOperation = "destination-over";
  const colour = background ?? (format === "jpeg" ? "#ffffff" : null);
  if (colour) {
    context.fillStyle = colour;
    context.fillRect(0, 0, made.width, made.height);
  }
  return { blob: await canvas.convertToBlob({ type: `image/${format}`, quality: 0.92 }) };
}

const DOES = {
  load: async ({ runtime, model }) => {
    network = await openNetwork(runtime, model);
    return {};
  },
  cut: ({ file }) => cut(file),
  file: fileOf,
};

// One at a time, in the order they came.
let line = Promise.resolve();
self.addEventListener("message", ({ data: { call, kind, ...values } }) => {
  line = line.then(async () => {
    try {
      postMessage({ call, answer: await DOES[kind](values) });
    } catch (error) {
      const code = error.code?.length ? error.code : "model_unavailable";
      postMessage({ call, code, detail: String(error.message ?? error), size: error.size });
    }
  });
});
