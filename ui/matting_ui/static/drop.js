// Sends each chosen file by itself, a few at a time, so that one that is refused does not take the others along.
const AT_ONCE = 3;
const input = element.querySelector("input");
const line = element.querySelector(".drop-line");
const zone = element.querySelector(".drop");
const words = props.words[window.mattingLanguage];
const { fill } = window.matting;
const most = props.most;
line.textContent = fill(words.drop, { most });

let isAnew = false; // whether the server has none of the photos that are counted
element.closest('[role="tabpanel"]')?.addEventListener("anew", () => (isAnew = true));

const send = async (chosen) => {
  const held = isAnew ? 0 : (props.value ?? 0);
  isAnew = false;
  const room = Math.max(0, most - held);
  const files = chosen.slice(0, room);
  const refused = chosen.length - files.length;
  const sent = new Array(files.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < files.length) {
      const index = next++;
      const file = files[index];
      try {
        const { path } = await upload(file);
        sent[index] = { name: file.name, path };
      } catch (error) {
        const reason = String(error?.message ?? error).replace(/^HTTP \d+: /, ""); // which Gradio sets before the answer
        sent[index] = { name: file.name, path: null, reason: reason.slice(0, 200) };
      }
      line.textContent = fill(words.uploading, { done: ++done, all: files.length });
    }
  };
  zone.classList.add("busy");
  try {
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  } finally {
    zone.classList.remove("busy");
    line.textContent = fill(words.drop, { most });
  }
  trigger("upload", { files: sent, refused });
};

input.addEventListener("change", () => {
  const chosen = [...input.files];
  input.value = "";
  if (chosen.length) send(chosen);
});
