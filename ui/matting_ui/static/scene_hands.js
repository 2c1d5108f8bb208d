// Moves the subject of the background's tab in the picture itself: one pointer drags, two fingers and the wheel scale it.
// The sliders' values are told while it goes on, a few times a second, and once more at the end.
const EVERY = 150; // milliseconds
const LIMITS = { x: [0, 100], y: [0, 150], scale: [5, 200] };
const stage = element.closest('[role="tabpanel"]'); // the picture itself comes and goes
const pointers = new Map();
const palms = new window.MattingPalms();
let place = null; // of the subject while it is moved, in the sliders' units
let size = null; // of the picture as the pointer met it: while another one is fetched, its element has none
let told = 0; // when
let waiting = 0; // a timer

const isFixed = () => !document.getElementById(props.sliders.x); // the blurred photo has no place to choose
const picture = () => stage.querySelector(`#${props.result} img`);
const limited = (name, value) => Math.min(LIMITS[name][1], Math.max(LIMITS[name][0], value));
const number = (name) => Number(document.querySelector(`#${props.sliders[name]} input[type=number]`).value);

const tell = () => {
  clearTimeout(waiting);
  waiting = 0;
  told = performance.now();
  if (!place) return;
  globalThis.mattingPlace = [place.x, place.y, place.scale].map(Math.round); // the sliders take it from here
  trigger("select", {});
};

const change = (changes) => {
  place ??= { x: number("x"), y: number("y"), scale: number("scale") };
  for (const [name, value] of Object.entries(changes(place))) place[name] = limited(name, value);
  const rest = EVERY - (performance.now() - told);
  if (rest <= 0) tell();
  else waiting ||= setTimeout(tell, rest);
};

const end = () => {
  if (place) tell();
  place = null;
};

// The picture within its element, which may be larger than what it shows; null while it is fetched.
const shown = () => {
  const image = picture();
  if (!image.naturalWidth) return null;
  const frame = image.getBoundingClientRect();
  const scale = Math.min(frame.width / image.naturalWidth, frame.height / image.naturalHeight);
  return { width: image.naturalWidth * scale, height: image.naturalHeight * scale };
};

const spread = () => {
  const [a, b] = [...pointers.values()];
  return Math.hypot(a.x - b.x, a.y - b.y);
};

stage.addEventListener("pointerdown", (event) => {
  if (event.target !== picture() || event.button !== 0 || isFixed()) return;
  event.preventDefault();
  if (palms.include(event, pointers, () => pointers.clear())) return;
  if (!pointers.size) size = shown();
  if (!size) return;
  pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  stage.setPointerCapture(event.pointerId); // the picture itself may go before the pointer is up
});

stage.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = { x: event.clientX, y: event.clientY };
  if (pointers.size > 1) {
    const far = spread();
    pointers.set(event.pointerId, now);
    const factor = far > 1 ? spread() / far : 1;
    change(({ scale }) => ({ scale: scale * factor }));
    return;
  }
  pointers.set(event.pointerId, now);
  const dx = (100 * (now.x - before.x)) / size.width;
  const dy = (100 * (now.y - before.y)) / size.height;
  change(({ x, y }) => ({ x: x + dx, y: y + dy }));
});

for (const type of ["pointerup", "pointercancel"]) {
  stage.addEventListener(type, (event) => {
    if (pointers.delete(event.pointerId) && !pointers.size) end();
  });
}

let stopped = 0;
stage.addEventListener(
  "wheel",
  (event) => {
    if (event.target !== picture() || isFixed()) return;
    event.preventDefault();
    change(({ scale }) => ({ scale: scale * Math.exp(-event.deltaY / 500) }));
    clearTimeout(stopped);
    stopped = setTimeout(end, 2 * EVERY);
  },
  { passive: false },
);

stage.addEventListener("dragstart", (event) => event.preventDefault());
