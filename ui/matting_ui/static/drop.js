// Sends each chosen file by itself, a few at a time, so that one that is refused does not take the others along.
const AT_ONCE = 3;
const HOPELESS = ["400", "413"]; // what the server says of a file that it would refuse again
const panel = element.closest('[role="tabpanel"]');
const input = element.querySelector("input");
const line = element.querySelector(".drop-line");
const zone = element.querySelector(".drop");
const words = props.words[window.mattingLanguage];
const { fill, word } = window.matting;
const most = props.most;
line.textContent = fill(words.drop, { most });

let isAnew = false; // whether the server has none of the photos that are counted
panel?.addEventListener("anew", () => (isAnew = true));

// What could not be sent stays here, by a name of its own under which the server knows it, too: its card offers Retry.
const unsent = new Map();
let count = 0;

// What the server is told of a file: where it lies there, or why it does not.
const sent = async (file) => {
  const more = window.mattingFiles.excess(file);
  if (more) return { name: file.name, path: null, reason: `${word("file_too_large")} ${more}` };
  try {
    return { name: file.name, path: (await upload(file)).path };
  } catch (error) {
    const [, status, reason] = /^(?:HTTP (\d+): )?(.*)/s.exec(error?.message ?? error); // Gradio's words before the answer
    const told = { name: file.name, path: null, reason: reason.slice(0, 200) };
    if (HOPELESS.includes(status)) return told;
    const token = `unsent-${++count}`;
    unsent.set(token, file);
    return { ...told, token };
  }
};

const send = async (chosen) => {
  const held = isAnew ? 0 : (props.value ?? 0);
  isAnew = false;
  const room = Math.max(0, most - held);
  const files = chosen.slice(0, room);
  const told = new Array(files.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < files.length) {
      const index = next++;
      told[index] = await sent(files[index]);
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
  trigger("upload", { files: told, refused: chosen.length - files.length });
};

// A card's Retry, see static/board.js.
panel?.addEventListener("resend", async ({ detail: { number, token } }) => {
  const file = unsent.get(token);
  unsent.delete(token);
  if (file) trigger("upload", { files: [{ ...(await sent(file)), number }] });
});

input.addEventListener("change", () => {
  const chosen = [...input.files];
  input.value = "";
  if (chosen.length) send(chosen);
});
