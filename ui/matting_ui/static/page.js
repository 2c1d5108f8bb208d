// A picture pasted anywhere goes to the photo of the tab that is open. The paste event needs no permission, so this also
// works on plain http from another machine, where navigator.clipboard is missing.
(() => {
  const picture = (clipboard) =>
    [...(clipboard?.files ?? [])].find((file) => file.type.startsWith("image/"));

  const target = () =>
    [...document.querySelectorAll(".takes-photo, .takes-files")].find((each) => each.offsetParent !== null);

  document.addEventListener("paste", (event) => {
    const file = picture(event.clipboardData);
    const input = target()?.querySelector("input[type=file]");
    if (!file || !input) return;
    event.preventDefault();
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // The before and after slider follows the arrow keys, too: they pull its handle as a mouse would.
  const STEP = 0.05;
  const pull = (box, share) => {
    const handle = box.querySelector(".outer") ?? box.querySelector("[class*=handle]");
    if (!handle) return;
    const frame = box.querySelector("img")?.getBoundingClientRect();
    const from = handle.getBoundingClientRect();
    const start = { x: from.x + from.width / 2, y: from.y + from.height / 2 };
    const end = Math.min(Math.max(start.x + share * frame.width, frame.left), frame.right);
    const fire = (target, type, x) =>
      target.dispatchEvent(new MouseEvent(type, { view: window, bubbles: true, clientX: x, clientY: start.y }));
    fire(handle, "mousedown", start.x);
    fire(window, "mousemove", end);
    fire(window, "mouseup", end);
  };
  document.addEventListener("keydown", (event) => {
    const side = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!side || !event.target.matches?.("#result")) return;
    event.preventDefault();
    pull(event.target, side * STEP);
  });
  const reachable = new MutationObserver(() => {
    const box = document.querySelector("#result");
    if (!box) return;
    box.tabIndex = 0;
    reachable.disconnect();
  });
  reachable.observe(document, { childList: true, subtree: true });
})();
