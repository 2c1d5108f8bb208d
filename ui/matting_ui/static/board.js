// Draws a card for each photo. Names and reasons are visitors' text: they are set as text, and no template sees them.
const cards = element.querySelector(".cards");

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

const card = (photo) => {
  const thumb = part("div", "thumb");
  if (photo.thumbnail) {
    const image = document.createElement("img");
    Object.assign(image, { src: photo.thumbnail, alt: photo.name, loading: "lazy" });
    thumb.append(image);
  } else {
    const mark = part("span", "mark");
    mark.setAttribute("aria-hidden", "true");
    thumb.append(mark);
  }
  const name = part("div", "name", photo.name);
  name.title = photo.name;
  name.dir = "auto"; // a name that runs from right to left turns nothing else around
  const state = part("div", "state", photo.label);
  state.setAttribute("role", "status");
  const reason = part("div", "reason", photo.reason);
  reason.title = photo.reason;
  const acts = part("div", "acts");
  if (photo.retry) acts.append(button("retry", photo.number, photo.retry));
  acts.append(button("discard", photo.number, photo.discard));
  const made = part("article", `card ${photo.state}`);
  made.dataset.name = photo.name;
  made.dataset.state = photo.state;
  made.append(thumb, name, state, reason, acts);
  return made;
};

const draw = () => (element.querySelector(".cards") ?? cards).replaceChildren(...(props.value ?? []).map(card));

watch("value", draw);
draw();
element.addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-number]");
  if (pressed) trigger("select", { action: pressed.dataset.action, number: Number(pressed.dataset.number) });
});
