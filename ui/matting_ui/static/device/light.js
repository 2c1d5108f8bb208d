// Coloured light, taken out of what the network is shown: the same bytes as of matting_client/processing/light.py.
const DARKER = 0.9999; // share of the pixels that are at most as bright as what is taken for white
const TOLERANCE = 1.4; // how far a channel may lie below the brightest
const MOST_GAIN = 4;

/** Where the photo lies in a square, its RGB bytes as white light would show them; the square itself stays. */
export function inWhiteLight(square, { size, width, height, left, top }) {
  const counts = [0, 1, 2].map(() => new Float64Array(256));
  const everyByte = function* () {
    for (let y = top; y < top + height; y++) {
      const from = (y * size + left) * 3;
      for (let at = from; at < from + width * 3; at++) yield at;
    }
  };
  for (const at of everyByte()) counts[at % 3][square[at]]++;
  const white = counts.map((of) => {
    let sum = 0;
    return of.findIndex((count) => (sum += count) >= DARKER * width * height);
  });
  const gains = white.map((value) =>
    Math.min(Math.max(Math.max(...white) / (TOLERANCE * Math.max(value, 1)), 1), MOST_GAIN));
  const tables = gains.map((gain) => Uint8Array.from({ length: 256 }, (_, value) =>
    Math.min(Math.floor(value * gain + 0.5), 255)));
  const shown = square.slice();
  for (const at of everyByte()) shown[at] = tables[at % 3][square[at]];
  return shown;
}
