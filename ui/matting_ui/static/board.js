// Draws a card for each photo. Names and reasons are visitors' text: they are set as text, and no template sees them.
const words = props.words[window.mattingLanguage];
const inside = (name) => element.querySelector(name);
let doubtfulFirst = false;

const part = (tag, name, text = "") => {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  return made;
};

const button = (action, number, text) => {
  const made = part("button", "", text);
  made.type = "button";
  made.dataset.action = action;
  made.dataset.number = number;
  return made;
};

const link = (address, name, number, text) => {
  const made = Object.assign(part("a", "", text), { href: address, download: name });
  Object.assign(made.dataset, { number, action: "take" });
  return made;
};

const picture = (photo) => {
  if (!photo.thumbnail) {
    const mark = part("span", "mark");
    mark.setAttribute("aria-hidden", "true");
    const thumb = part("div", "thumb");
    thumb.append(mark);
    return thumb;
  }
  const thumb = button("view", photo.number, "");
  thumb.className = "thumb";
  thumb.setAttribute("aria-label", `${words.view}: ${photo.name}`);
  const image = document.createElement("img");
  Object.assign(image, { src: photo.thumbnail, alt: photo.name, loading: "lazy" });
  thumb.append(image);
  return thumb;
};

const card = (photo) => {
  const name = part("div", "name", photo.name);
  name.title = photo.name;
  name.dir = "auto"; // a name that runs from right to left turns nothing else around
  const state = part("div", "state", photo.label);
  const reason = part("div", "reason", photo.reason);
  reason.title = photo.reason;
  const acts = part("div", "acts");
  if (photo.retry) acts.append(button(photo.token ? "resend" : "retry", photo.number, photo.retry));
  if (photo.state === "done") acts.append(button("edit", photo.number, words.correct));
  if (photo.result) acts.append(link(photo.result, photo.file, photo.number, words.download));
  acts.append(button("discard", photo.number, photo.discard));
  const made = part("article", `card ${photo.state}`);
  Object.assign(made.dataset, { name: photo.name, state: photo.state, number: photo.number });
  made.tabIndex = -1;
  made.setAttribute("aria-label", `${photo.name}: ${photo.label}`);
  made.append(picture(photo), name, state, reason, acts);
  return made;
};

// What failed, then what shows nothing, then by doubt.
const worry = (photo) => (photo.state === "failed" ? 4 : !photo.found ? 3 : photo.state === "done" ? 1 + photo.doubt : 0);
const listed = () => {
  const photos = [...(props.value ?? [])];
  return doubtfulFirst ? photos.sort((one, other) => worry(other) - worry(one)) : photos;
};

const bar = (photos) => {
  const over = photos.filter((photo) => photo.state === "done" || photo.state === "failed").length;
  const progress = part("progress", "");
  Object.assign(progress, { max: photos.length, value: over });
  progress.setAttribute("aria-label", words.batch_progress);
  const sort = part("input", "");
  Object.assign(sort, { type: "checkbox", checked: doubtfulFirst, id: "batch-doubtful-first" });
  const label = part("label", "doubtful");
  label.append(sort, part("span", "", words.look_first));
  inside(".board-bar").replaceChildren(progress, ...(photos.some((photo) => photo.state === "done") ? [label] : []));
};

// The buttons above can be pressed when they have something to do.
const enable = (photos) => {
  const has = (state) => photos.some((photo) => photo.state === state);
  const set = (id, can) => {
    const found = document.getElementById(id);
    if (found) found.disabled = !can;
  };
  const due = photos.some((photo) => photo.due);
  set("batch-start", due);
  set("batch-zip", has("done"));
  set("batch-clear", photos.length > 0);
  const panel = element.closest('[role="tabpanel"]');
  if (!panel) return;
  const inWork = photos.some((photo) => photo.state === "running" || (photo.state === "waiting" && !photo.due));
  const state = inWork ? "working" : !due && has("done") ? "done" : "chosen";
  if (photos.length) panel.dataset.state = state;
  else delete panel.dataset.state;
  window.matting.busy("batch-status", inWork); // readers of screens say the end, not each photo
};

const draw = () => {
  const photos = listed();
  const back = holder();
  if (photos.length) bar(photos);
  else inside(".board-bar").replaceChildren();
  inside(".cards").replaceChildren(...photos.map(card));
  enable(photos);
  back?.();
  if (dialog.open) show(Number(dialog.dataset.number));
};

// Gives the focus back to what has it now, once all is drawn anew: where its button is gone, to its card, or to the one in
// its place, on which a key does nothing.
const holder = () => {
  const held = document.activeElement;
  if (!element.contains(held)) return null;
  const own = held.closest(".card");
  const before = [...element.querySelectorAll(".card")].indexOf(own);
  const find = () => {
    if (!own) return document.getElementById(held.id);
    const cards = [...element.querySelectorAll(".card")];
    const same = cards.find((each) => each.dataset.number === own.dataset.number);
    return same?.querySelector(`[data-action="${held.dataset.action}"]`) ?? same ?? cards[before] ?? cards.at(-1);
  };
  return () => (find() ?? document.querySelector("#batch-drop input")).focus({ preventScroll: true });
};

// One result, large: the file itself, on squares where it is transparent.
const dialog = part("dialog", "viewer");
dialog.tabIndex = -1;
const parts = () => [...dialog.querySelectorAll("button, a")]; // that take the focus
const show = (number) => {
  const done = listed().filter((photo) => photo.result);
  const at = done.findIndex((photo) => photo.number === number);
  if (at < 0) return dialog.close();
  const photo = done[at];
  if (dialog.open && dialog.dataset.number === String(number) && dialog.dataset.file === photo.result) return;
  Object.assign(dialog.dataset, { number, file: photo.result });
  const image = document.createElement("img");
  Object.assign(image, { src: photo.result, alt: photo.name });
  const title = part("h2", "viewer-name", photo.name);
  title.dir = "auto";
  const acts = part("div", "viewer-acts");
  if (done.length > 1) {
    acts.append(button("view", done[(at + done.length - 1) % done.length].number, "←"));
    acts.append(button("view", done[(at + 1) % done.length].number, "→"));
    acts.children[0].setAttribute("aria-label", words.previous);
    acts.children[1].setAttribute("aria-label", words.next);
  }
  acts.append(link(photo.result, photo.file, photo.number, words.download));
  if (photo.alpha) acts.append(link(photo.alpha, photo.alpha.split("/").pop(), photo.number, words.download_alpha));
  const close = button("close", number, "×");
  close.setAttribute("aria-label", words.close);
  acts.append(close);
  const held = parts().indexOf(document.activeElement);
  dialog.replaceChildren(title, image, acts);
  if (held >= 0) (parts()[held] ?? dialog).focus();
  if (!dialog.open) dialog.showModal();
};

// What never reached the server is sent again by static/drop.js, which has it.
const resend = (pressed, number) => {
  const { token } = props.value.find((photo) => photo.number === number);
  pressed.disabled = true;
  element.closest('[role="tabpanel"]').dispatchEvent(new CustomEvent("resend", { detail: { number, token } }));
};

// What a card shows may be gone after its hour: the server tells.
const AGAIN = 1000; // milliseconds
let again = null;
const lookAgain = () => {
  clearTimeout(again);
  again = setTimeout(() => trigger("resume", {}), AGAIN);
};

const press = (event) => {
  const taken = event.target.closest("a[download]");
  if (taken) fetch(taken.href, { method: "HEAD" }).then(({ ok }) => ok || lookAgain(), () => {});
  const pressed = event.target.closest("button[data-number]");
  if (!pressed) return;
  const number = Number(pressed.dataset.number);
  if (pressed.dataset.action === "view") show(number);
  else if (pressed.dataset.action === "close") dialog.close();
  else if (pressed.dataset.action === "edit") trigger("edit", { number });
  else if (pressed.dataset.action === "resend") resend(pressed, number);
  else trigger("select", { action: pressed.dataset.action, number });
};

(document.querySelector(".gradio-container") ?? document.body).append(dialog);
watch("value", draw);
draw();

// The photos go on at the server when the connection breaks: they are shown again as soon as it is back.
element.closest('[role="tabpanel"]')?.addEventListener("lost", lookAgain);

// The batch stays at the server when the page is loaded again, as in another language: it is asked for by its name.
const LEFT = "matting-batch"; // in the browser's storage
const left = sessionStorage.getItem(LEFT);
sessionStorage.removeItem(LEFT);
if (left) trigger("back", { name: left });
window.addEventListener("pagehide", () => {
  if (props.value?.length) sessionStorage.setItem(LEFT, props.value[0].batch);
});

element.addEventListener("click", press);
// The focus goes to the photo that was looked at last, for its card may have been drawn anew meanwhile.
dialog.addEventListener("close", () => {
  element.querySelector(`.card[data-number="${dialog.dataset.number}"] [data-action="view"]`)?.focus();
});
dialog.addEventListener("click", press);
dialog.addEventListener("error", lookAgain, true);
dialog.addEventListener("keydown", (event) => {
  const way = { ArrowLeft: 0, ArrowRight: 1 }[event.key];
  if (way !== undefined) dialog.querySelectorAll("button[data-action=view]")[way]?.click();
});
element.addEventListener("change", (event) => {
  if (event.target.id !== "batch-doubtful-first") return;
  doubtfulFirst = event.target.checked;
  draw();
});
