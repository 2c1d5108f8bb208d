// What a keyboard and a reader of screens need and Gradio does not give.
(() => {
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

  // Gradio names each radio button of a group differently, so that the browser takes none of them for a group.
  const next = (radio, step) => {
    const all = [...radio.closest("fieldset").querySelectorAll("input[type=radio]:not(:disabled)")];
    const chosen = all[(all.indexOf(radio) + step + all.length) % all.length];
    chosen.focus();
    chosen.click();
  };

  const ALONG = { ArrowLeft: -1, ArrowUp: -1, ArrowRight: 1, ArrowDown: 1 };
  document.addEventListener("keydown", (event) => {
    const step = ALONG[event.key];
    if (!step) return;
    if (event.target.matches?.("#result") && event.key.match(/Left|Right/)) {
      event.preventDefault();
      pull(event.target, step * STEP);
    } else if (event.target.matches?.("fieldset input[type=radio]")) {
      event.preventDefault();
      next(event.target, step);
    }
  });

  // Gradio lets the focus go when a choice is made in a list; given back, it would open the list again. So would Tab, which
  // leaves it.
  const shut = (list) => list.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape", bubbles: true }));
  document.addEventListener("keydown", ({ key, target }) => {
    if (!["Enter", "Tab"].includes(key) || !target.matches?.("input[role=combobox]")) return;
    setTimeout(() => {
      if (key === "Enter") target.focus();
      shut(target);
    });
  });

  const name = (box) => box.querySelector("[data-testid=block-label]")?.textContent.trim() ?? "";
  const set = (node, attribute, value) => value && node.getAttribute(attribute) !== value && node.setAttribute(attribute, value);

  // What is said once of a line that changes too often to be said each time. It is there before it has words.
  const said = document.createElement("p");
  said.id = "said";
  said.setAttribute("role", "status");
  window.matting.announce = (line) => {
    if (said.textContent !== line) said.textContent = line;
  };
  const describe = () => {
    if (!said.isConnected) document.querySelector(".gradio-container")?.append(said);
    set(document.documentElement, "lang", window.mattingLanguage);
    const box = document.querySelector("#result");
    if (box) {
      set(box, "tabindex", "0");
      set(box, "role", "group");
      set(box, "aria-label", `${name(box)} ← →`);
    }
    for (const image of document.querySelectorAll(".block img[alt='']")) set(image, "alt", name(image.closest(".block")));
    for (const status of document.querySelectorAll(".block.status:not(#video-progress)")) set(status, "role", "status");
    for (const line of document.querySelectorAll(".uploading")) set(line, "data-words", window.matting.word("uploading"));
    for (const list of document.querySelectorAll("ul[role=listbox]")) set(list, "tabindex", "-1"); // the arrow keys move in it
    for (const title of document.querySelectorAll(".toast-title-row > span")) set(title, "data-words", window.matting.word("note"));
    for (const each of document.querySelectorAll("[aria-label]")) {
      for (const kind of ["aria-label", "title"]) set(each, kind, window.matting.word(each.getAttribute(kind)));
    }
    for (const panel of document.querySelectorAll('[role="tabpanel"]')) set(panel, "aria-labelledby", `${panel.id}-button`);
    for (const field of document.querySelectorAll("[data-testid='number-input'], [data-testid='range-input']")) {
      set(field, "aria-label", field.getAttribute("aria-label")?.replace(/^(number input|range slider) for /, ""));
    }
    for (const link of document.querySelectorAll(".download-link")) set(link, "aria-label", `${link.download} · ${link.textContent.trim()}`);
    for (const still of document.querySelectorAll("button:has(> .image-frame)")) set(still, "tabindex", "-1"); // does nothing
    for (const empty of document.querySelectorAll(".empty[aria-label]")) set(empty, "role", "img");
    for (const group of document.querySelectorAll("fieldset")) {
      set(group, "role", "radiogroup");
      set(group, "aria-label", group.querySelector("[data-testid=block-info]")?.textContent.trim());
      const radios = [...group.querySelectorAll("input[type=radio]")];
      const stop = radios.find((each) => each.checked) ?? radios[0];
      for (const each of radios) set(each, "tabindex", each === stop ? "0" : "-1");
    }
  };
  let due = false;
  new MutationObserver(() => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      describe();
    });
  }).observe(document, { childList: true, subtree: true });
  document.addEventListener("change", () => setTimeout(describe, 0));
})();
