// Scaling and means as OpenCV has them, in which the client works. A picture is { data, width, height, channels }, its
// bytes row by row; a plane is one channel in floats.
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

// To the nearest whole number, halves to the even one: what Python and OpenCV do.
export const rint = (value) => {
  const low = Math.floor(value);
  if (value - low !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
};

// Shares of the inputs that make output `index`: [first input, share of it and of those after it].
const SHARES = {
  linear(index, scale, length) {
    const at = Math.fround((index + 0.5) * scale - 0.5);
    const first = Math.floor(at);
    if (first < 0 || first >= length - 1) return [clamp(first, 0, length - 1), [2048, 0]];
    const part = Math.fround(at - first);
    return [first, [rint((1 - part) * 2048), rint(part * 2048)]]; // OpenCV's fixed point
  },
  cubic(index, scale) {
    const at = (index + 0.5) * scale - 0.5;
    const part = at - Math.floor(at);
    const far = (x) => ((-0.75 * x + 3.75) * x - 6) * x + 3;
    const near = (x) => (1.25 * x - 2.25) * x * x + 1;
    return [Math.floor(at) - 1, [far(1 + part), near(part), near(1 - part), far(2 - part)]];
  },
  area(index, scale, length) {
    const from = index * scale;
    const to = Math.min(from + scale, length);
    const shares = [];
    for (let input = Math.floor(from); input < to - 1e-3; input++) {
      shares.push(Math.max(0, Math.min(input + 1, to) - Math.max(input, from)) / (to - from));
    }
    return [Math.floor(from), shares];
  },
};

// For one axis: how many inputs an output has, which, and their shares.
const gather = (length, size, kind) => {
  const outputs = Array.from({ length: size }, (_, index) => SHARES[kind](index, length / size, length));
  const taps = Math.max(...outputs.map(([, shares]) => shares.length));
  const places = new Int32Array(size * taps);
  const shares = new Float64Array(size * taps);
  outputs.forEach(([first, each], index) => {
    for (let tap = 0; tap < taps; tap++) {
      places[index * taps + tap] = clamp(first + tap, 0, length - 1);
      shares[index * taps + tap] = each[tap] ?? 0;
    }
  });
  return { taps, places, shares };
};

function resize(picture, width, height, kind) {
  const { channels } = picture;
  const across = gather(picture.width, width, kind);
  const down = gather(picture.height, height, kind);
  const length = width * channels;
  const out = new Uint8ClampedArray(length * height);
  const narrowed = (y) => {
    const row = new Float32Array(length);
    const start = y * picture.width * channels;
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0;
        for (let tap = x * across.taps; tap < (x + 1) * across.taps; tap++) {
          sum += across.shares[tap] * picture.data[start + across.places[tap] * channels + channel];
        }
        row[x * channels + channel] = sum;
      }
    }
    return row;
  };
  const rows = new Map();
  for (let y = 0; y < height; y++) {
    const taps = [...down.places.subarray(y * down.taps, (y + 1) * down.taps)];
    for (const kept of rows.keys()) if (kept < taps[0]) rows.delete(kept);
    for (const tap of taps) if (!rows.has(tap)) rows.set(tap, narrowed(tap));
    const lines = taps.map((tap) => rows.get(tap));
    const shares = down.shares.subarray(y * down.taps, (y + 1) * down.taps);
    for (let place = 0; place < length; place++) {
      let sum = 0;
      if (kind === "linear") {
        for (let tap = 0; tap < lines.length; tap++) sum += (shares[tap] * (lines[tap][place] >> 4)) >> 16;
        out[y * length + place] = (sum + 2) >> 2;
      } else {
        for (let tap = 0; tap < lines.length; tap++) sum += shares[tap] * lines[tap][place];
        out[y * length + place] = rint(sum);
      }
    }
  }
  return { data: out, width, height, channels };
}

/** Scale down: halvings, which average, and one linear step for the rest. */
export function shrink(picture, width, height) {
  let out = picture;
  while (out.width > 2 * width && out.height > 2 * height) {
    out = resize(out, (out.width + 1) >> 1, (out.height + 1) >> 1, "linear");
  }
  if (out.width === width && out.height === height) return out;
  return resize(out, width, height, out.width <= 2 * width && out.height <= 2 * height ? "linear" : "area");
}

/** Scale as processing/letterbox.py does; `enlarging` is linear or cubic. */
export function scaleTo(picture, width, height, enlarging) {
  if (picture.width === width && picture.height === height) return picture;
  if (2 * width < picture.width && 2 * height < picture.height) return shrink(picture, width, height);
  const isHalf = picture.width === 2 * width && picture.height === 2 * height; // there OpenCV's mean rounds as linear does
  const smaller = isHalf ? "linear" : "area";
  return resize(picture, width, height, width * height < picture.width * picture.height ? smaller : enlarging);
}

/** Mean of each window of a plane, mirrored at the border with its edge. */
export function windowMean(plane, width, height, radius) {
  const mirrored = (place, length) => {
    let at = place;
    while (at < 0 || at >= length) at = at < 0 ? -at - 1 : 2 * length - 1 - at;
    return at;
  };
  const pass = (from, length, step, others, stride) => {
    const to = new Float32Array(from.length);
    for (let other = 0; other < others; other++) {
      for (let place = 0; place < length; place++) {
        let sum = 0;
        for (let near = place - radius; near <= place + radius; near++) sum += from[other * stride + mirrored(near, length) * step];
        to[other * stride + place * step] = sum / (2 * radius + 1);
      }
    }
    return to;
  };
  return pass(pass(plane, width, 1, height, width), height, width, width, 1);
}

/** What gives the values of planes of one size at a place of a larger picture, between their pixels linearly. */
export function sampler(planes, width, height, fullWidth, fullHeight) {
  const values = new Float64Array(planes.length);
  return (x, y) => {
    const atX = clamp(((x + 0.5) * width) / fullWidth - 0.5, 0, width - 1);
    const atY = clamp(((y + 0.5) * height) / fullHeight - 0.5, 0, height - 1);
    const left = Math.floor(atX), top = Math.floor(atY);
    const right = Math.min(left + 1, width - 1), bottom = Math.min(top + 1, height - 1);
    const partX = atX - left, partY = atY - top;
    for (let index = 0; index < planes.length; index++) {
      const plane = planes[index];
      const above = plane[top * width + left] * (1 - partX) + plane[top * width + right] * partX;
      const below = plane[bottom * width + left] * (1 - partX) + plane[bottom * width + right] * partX;
      values[index] = above * (1 - partY) + below * partY;
    }
    return values;
  };
}
