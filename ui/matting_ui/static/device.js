// The switch "on this device": photos are cut out by a worker of this page and never sent. Runs as the script of its part of
// the page; static/machine.js hands it what is dropped, pasted or chosen while the switch is on. The state is the panel's
// data-device, which is not there while the switch is off.
const words = props.words[window.mattingLanguage];
const at = (selector) => element.querySelector(selector);
const panel = element.closest('[role="tabpanel"]');
const KEPT = "matting-on-device"; // in the browser's storage
const { fill, tabOf } = window.matting;
const say = (line) => { at(".device-status").textContent = line; };
const load = (share) => say(share < 1 ? fill(words.device_loading, { share: Math.floor(100 * share) }) : words.working);
const ask = window.mattingDevice(props.path, props.bytes, load);
let state = "empty";
let newest = 0; // number of the photo that was chosen last
let cutout = null; // what is known of its cutout
let name = "photo";

for (const each of element.querySelectorAll("[data-word]")) each.textContent = words[each.dataset.word];
for (const each of element.querySelectorAll("[data-label]")) each.setAttribute("aria-label", words[each.dataset.label]);
at(".device-after").alt = words.result;

const enter = (next) => {
  state = next;
  if (at(".device-switch input").checked) panel.dataset.device = state;
};

const show = (image, blob) => {
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(blob);
};

// The board that everyone knows for transparent, in the shape of the picture, so that it lies under that alone.
const board = (width, height) => {
  const side = Math.max(width, height) / 56;
  const tile = `<pattern id="tile" width="${2 * side}" height="${2 * side}" patternUnits="userSpaceOnUse">
    <path fill="#d9d9d9" d="M0 0h${side}v${side}H0zM${side} ${side}h${side}v${side}h-${side}z"/></pattern>`;
  const whole = (fill) => `<rect width="100%" height="100%" fill="${fill}"/>`;
  const size = `width="${width}" height="${height}"`;
  const drawn = `<svg xmlns="http://www.w3.org/2000/svg" ${size}>${tile}${whole("#fff")}${whole("url(#tile)")}</svg>`;
  return `center / contain no-repeat url("data:image/svg+xml,${encodeURIComponent(drawn)}")`;
};

// A kind of photo that the server opens and many a browser does not; nothing for any other file.
const kindOf = async (file) => {
  const head = String.fromCharCode(...new Uint8Array(await file.slice(0, 12).arrayBuffer()));
  if (/^.{4}ftyp(hei|hev|mif1|msf1)/s.test(head)) return "HEIC";
  return /^(II\*\0|MM\0\*)/.test(head) ? "TIFF" : "";
};

const fail = (error, file, kind) => {
  const code = window.matting.word(error.code) ? error.code : "model_unavailable";
  const text = kind && code === "invalid_image" ? fill(words.device_format, { kind }) : window.matting.word(code);
  enter("failed");
  say(text);
  const about = [file?.name, error.size && fill(words.device_too_large, error.size)].filter(Boolean).join(": ");
  window.matting.failed(code, about ? `${text}\n${about}` : text, { tab: tabOf(panel) });
};

// The file of the cutout; what is shown is what is downloaded.
const finish = async () => {
  const [photo, { width, height, isEmpty, isAnimated }] = [newest, cutout];
  const chosen = new FormData(at("form"));
  const format = chosen.get("format");
  const background = chosen.get("background") === "custom" ? chosen.get("colour") : chosen.get("background");
  const { blob } = await ask("file", { background, format });
  if (photo !== newest) return;
  show(at(".device-after"), blob);
  at(".device-after").style.background = background || format === "jpeg" ? "" : board(width, height);
  const link = at(".device-download");
  link.href = at(".device-after").src;
  link.download = `${name}-cutout.${format === "jpeg" ? "jpg" : format}`;
  const size = blob.size >= 1e6 ? `${(blob.size / 1e6).toFixed(1)} MB` : `${Math.max(1, Math.round(blob.size / 1e3))} kB`;
  const facts = [fill(words.pixels, { width, height }), format.toUpperCase(), size, words.device_stayed];
  if (isAnimated) facts.push(`⚠ ${words.note_frames}`);
  say((isEmpty ? [words.nothing_found, ...facts] : facts).join(" · "));
  enter("done");
};

const take = async (file) => {
  const photo = ++newest;
  cutout = null;
  name = file.name.replace(/\.[^.]*$/, "") || "photo";
  window.matting.calm(panel);
  show(at(".device-before"), file);
  say(words.working);
  enter("working");
  try {
    const made = await ask("cut", { file });
    if (photo !== newest) return;
    cutout = made;
    await finish();
  } catch (error) {
    const kind = await kindOf(file).catch(() => ""); // of one that is gone from the disk
    if (photo === newest) fail(error, file, kind);
  }
};

const turn = (on) => {
  at(".device-switch input").checked = on;
  if (on) panel.dataset.device = state;
  else delete panel.dataset.device;
  window.matting.forget(panel);
};

at(".device-photo input").addEventListener("change", (event) => {
  const [file] = event.target.files;
  event.target.value = "";
  if (file) take(file);
});
at("form").addEventListener("change", () => cutout && finish().catch((error) => fail(error)));
at(".device-split").addEventListener("input", (event) => at(".device-view").style.setProperty("--split", `${event.target.value}%`));
at(".device-switch input").addEventListener("change", (event) => {
  localStorage.setItem(KEPT, event.target.checked ? "on" : "off");
  turn(event.target.checked);
});

const able = typeof OffscreenCanvas !== "undefined" && typeof WebAssembly !== "undefined";
at(".device-switch input").disabled = !able;
if (!able) at(".device-info").textContent = words.device_unable;
else if (localStorage.getItem(KEPT) === "on") turn(true);
