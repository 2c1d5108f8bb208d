// The steps of a cutout as matting_client/processing has them, for a photo that stays in the browser: the same rules, and
// mostly the same bytes (tests/ui/test_device.py says how close). Photos are RGBA, alphas one channel.
import { clamp, rint, sampler, scaleTo, shrink, windowMean } from "./resize.js";

const PAD = 127; // around the photo in the model's square; zero once the model has normalised it
const RADIUS = 2; // of the guided filter's windows
const EPSILON = 5e-4 * 255 ** 2; // its regulariser
const BAND = 2; // how far from a change of alpha the photo's own edges count
const [FULL, SOLID, STEEP, REACH] = [252, 210, 3, 256]; // of the inside, as in processing/solid.py
const SIDE = 256; // long side of the fields of colour
const RADII = [12, 5, 2]; // of the passes over them
const POWER = 4; // of the weights of a field
const TINY = 1e-5; // weight of the colour that a pixel had before

/** An RGBA photo in the model's square of `size` pixels: the RGB bytes of that, and where the photo lies in it. */
export function letterbox(photo, size) {
  const scale = size / Math.max(photo.width, photo.height);
  const width = Math.max(1, rint(photo.width * scale));
  const height = Math.max(1, rint(photo.height * scale));
  const box = { size, width, height, left: (size - width) >> 1, top: (size - height) >> 1 };
  const inner = scaleTo(photo, width, height, "linear");
  const square = new Uint8Array(size * size * 3).fill(PAD);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = (y * width + x) * 4;
      square.set(inner.data.subarray(from, from + 3), ((y + box.top) * size + x + box.left) * 3);
    }
  }
  return { square, box };
}

// The photo's part of a square, without the padding.
function inner(square, box, channels) {
  const data = new Uint8Array(box.width * box.height * channels);
  for (let y = 0; y < box.height; y++) {
    const from = ((y + box.top) * box.size + box.left) * channels;
    data.set(square.subarray(from, from + box.width * channels), y * box.width * channels);
  }
  return { data, width: box.width, height: box.height, channels };
}

// The least value within a square around each place.
function least({ data, width, height }, reach) {
  const lowest = (from, at, length, step) => {
    const to = new Uint8Array(from.length);
    for (let place = 0; place < from.length; place++) {
      let found = from[place];
      for (let off = Math.max(-reach, -at(place)); off <= Math.min(reach, length - 1 - at(place)); off++) {
        found = Math.min(found, from[place + off * step]);
      }
      to[place] = found;
    }
    return to;
  };
  const rows = lowest(data, (place) => place % width, width, 1);
  return lowest(rows, (place) => Math.floor(place / width), height, width);
}

/** The photo's part of the network's alpha, solid inside. */
export function solidify(squareAlpha, box) {
  const part = inner(squareAlpha, box, 1);
  part.data = part.data.map((value) => Math.min(Math.floor((value * 255 + FULL / 2) / FULL), 255));
  const near = least(part, Math.max(1, Math.floor(box.size / REACH)));
  part.data = part.data.map((value, place) => Math.max(value, 255 - STEEP * Math.max(SOLID - near[place], 0)));
  return part;
}

// A channel of a picture as a plane.
const planeOf = ({ data, width, height, channels }, channel, scale = 1) =>
  Float32Array.from({ length: width * height }, (_, place) => data[place * channels + channel] * scale);

// Slope of the local linear model of alpha in the colours: He, Sun and Tang, "Guided Image Filtering", equation 19, with
// the covariance inverted by its cofactors, and averaged as in equation 21.
function slope([red, green, blue], alpha, width, height) {
  const mean = (plane) => windowMean(plane, width, height, RADIUS);
  const product = (one, other) => mean(one.map((value, place) => value * other[place]));
  const [r, g, b, p] = [red, green, blue, alpha].map(mean);
  const [rr, gg, bb] = [red, green, blue].map((plane) => product(plane, plane));
  const [rg, rb, gb] = [product(red, green), product(red, blue), product(green, blue)];
  const [rp, gp, bp] = [red, green, blue].map((plane) => product(plane, alpha));
  const slopes = [0, 1, 2].map(() => new Float32Array(alpha.length));
  for (let i = 0; i < alpha.length; i++) {
    const vrr = rr[i] - r[i] * r[i] + EPSILON, vgg = gg[i] - g[i] * g[i] + EPSILON, vbb = bb[i] - b[i] * b[i] + EPSILON;
    const vrg = rg[i] - r[i] * g[i], vrb = rb[i] - r[i] * b[i], vgb = gb[i] - g[i] * b[i];
    const vrp = rp[i] - r[i] * p[i], vgp = gp[i] - g[i] * p[i], vbp = bp[i] - b[i] * p[i];
    const crr = vgg * vbb - vgb * vgb, cgg = vrr * vbb - vrb * vrb, cbb = vrr * vgg - vrg * vrg;
    const crg = vgb * vrb - vrg * vbb, crb = vrg * vgb - vgg * vrb, cgb = vrb * vrg - vrr * vgb;
    const determinant = vrr * crr + vrg * crg + vrb * crb;
    slopes[0][i] = (crr * vrp + crg * vgp + crb * vbp) / determinant;
    slopes[1][i] = (crg * vrp + cgg * vgp + cgb * vbp) / determinant;
    slopes[2][i] = (crb * vrp + cgb * vgp + cbb * vbp) / determinant;
  }
  return slopes.map(mean);
}

// Where alpha changes within a few pixels.
function edgeBand({ data, width, height }) {
  const band = new Uint8Array(data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const own = data[y * width + x];
      for (let row = Math.max(y - BAND, 0); row <= Math.min(y + BAND, height - 1) && !band[y * width + x]; row++) {
        for (let column = Math.max(x - BAND, 0); column <= Math.min(x + BAND, width - 1); column++) {
          if (data[row * width + column] !== own) band[y * width + x] = 1;
        }
      }
    }
  }
  return band;
}

/** The photo's alpha from that of its part of the square: enlarged, along its own edges as processing/refine.py does it. */
export function refine(photo, square, small, box) {
  const full = scaleTo(small, photo.width, photo.height, "cubic").data.slice();
  if (photo.width * photo.height <= box.width * box.height) return full;
  const { width, height } = box;
  const band = edgeBand(small);
  const guide = inner(square, box, 3);
  const colours = [0, 1, 2].map((channel) => planeOf(guide, channel));
  const alpha = planeOf(small, 0);
  const slopes = slope(colours, alpha, width, height);
  const offset = alpha.map((value, i) => value - slopes.reduce((sum, each, channel) => sum + each[i] * colours[channel][i], 0));
  const at = sampler([...slopes, offset], width, height, photo.width, photo.height);
  for (let y = 0; y < photo.height; y++) {
    const row = Math.floor((y * height) / photo.height) * width;
    for (let x = 0; x < photo.width; x++) {
      if (!band[row + Math.floor((x * width) / photo.width)]) continue;
      const [red, green, blue, rest] = at(x, y);
      const place = y * photo.width + x;
      const colour = place * 4;
      const value = red * photo.data[colour] + green * photo.data[colour + 1] + blue * photo.data[colour + 2] + rest;
      full[place] = rint(clamp(value, 0, 255));
    }
  }
  return full;
}

// Weighted mean of colours in square windows.
function smooth(colours, weight, width, height, radius) {
  const sums = windowMean(weight, width, height, radius);
  return colours.map((colour) => {
    const mean = windowMean(colour.map((value, i) => value * weight[i]), width, height, radius);
    return mean.map((value, i) => (value + TINY * colour[i]) / (sums[i] + TINY));
  });
}

// Smooth colours of subject and background: Forte, "Approximate Fast Foreground Colour Estimation".
function fieldsOf(photo, alpha) {
  const scale = Math.min(1, SIDE / Math.max(photo.width, photo.height));
  const [width, height] = [photo.width, photo.height].map((length) => Math.max(1, rint(length * scale)));
  const picture = shrink(photo, width, height);
  const image = [0, 1, 2].map((channel) => planeOf(picture, channel, 1 / 255));
  const share = planeOf(shrink(alpha, width, height), 0, 1 / 255);
  let [near, far] = [image, image];
  for (const radius of RADII) {
    near = smooth(near, share.map((value) => value ** POWER), width, height, radius);
    far = smooth(far, share.map((value) => (1 - value) ** POWER), width, height, radius);
    near = near.map((plane, channel) => plane.map((value, i) => solve(image[channel][i], value, far[channel][i], share[i])));
  }
  return { near, far, width, height };
}

// The subject's colour of a pixel: the smooth one, corrected by what the photo shows (equation 7), 0..1.
const solve = (seen, near, far, share) => clamp(near + share * (seen - far - share * (near - far)), 0, 1);

/** The photo with its alpha, and in the subject's own colours at the edge, as processing/foreground.py finds them. */
export function cutout(photo, alpha) {
  const { width, height } = photo;
  const fields = fieldsOf(photo, { data: alpha, width, height, channels: 1 });
  const at = sampler([...fields.near, ...fields.far], fields.width, fields.height, width, height);
  const data = photo.data.slice();
  for (let place = 0; place < alpha.length; place++) {
    const pixel = place * 4;
    data[pixel + 3] = alpha[place];
    if (alpha[place] === 255) continue;
    if (alpha[place] === 0) {
      data[pixel] = data[pixel + 1] = data[pixel + 2] = 0; // what is transparent carries no colour
      continue;
    }
    const values = at(place % width, Math.floor(place / width));
    for (let channel = 0; channel < 3; channel++) {
      const seen = photo.data[pixel + channel] / 255;
      data[pixel + channel] = rint(255 * solve(seen, values[channel], values[channel + 3], alpha[place] / 255));
    }
  }
  return { data, width, height, channels: 4 };
}
