// A tab for one photo shows one state at a time: nothing chosen (no data-state), working, done, failed; the style sheet
// says what belongs to each. One photo is current: dropped, pasted or chosen anywhere, it goes along from tab to tab.
window.matting = (() => {
  const word = (key) => window.mattingWords[window.mattingLanguage][key] ?? "";
  const panelOf = (tab) => document.getElementById(`tab-${tab}`);
  const openTab = () => document.querySelector('#tabs [role="tab"][aria-selected="true"]')?.dataset.tabId;
  const sent = new Map(); // the file that each tab has
  let current = null;
  let failure = null;

  const state = (tab, name) => {
    const panel = panelOf(tab);
    if (!panel) return;
    if (name === "empty") delete panel.dataset.state;
    else panel.dataset.state = name;
    if (name === "working") hide(panel);
  };

  const hide = (panel) => panel?.querySelector(".notice")?.setAttribute("hidden", "");

  // What the server or the network said is told in the open tab, with a button where another try can help.
  const tell = (told) => {
    failure = told;
    const tab = openTab();
    const panel = panelOf(tab);
    const box = panel?.querySelector(".notice");
    if (!box) return;
    const [sentence, ...detail] = told.text.split("\n");
    box.dataset.code = told.code;
    box.querySelector(".notice-text").textContent = sentence;
    box.querySelector(".notice-detail").textContent = detail.join(" ");
    box.querySelector(".notice-code").textContent = told.code;
    const again = box.querySelector(".notice-retry");
    again.textContent = word("retry");
    again.hidden = !(window.mattingRetry.includes(told.code) && sent.get(tab));
    box.querySelector(".notice-close").setAttribute("aria-label", word("close"));
    box.removeAttribute("hidden");
  };

  const fail = (tab) => {
    const panel = panelOf(tab);
    if (panel?.dataset.state === "working") {
      panel.dataset.state = "failed";
      const box = panel.querySelector(".takes-photo");
      box.dataset.words = word("choose_again");
      box.classList.toggle("unseen", !box.querySelector("img")?.naturalWidth);
    }
    return failure ? failure.text.split("\n")[0] : word("internal_error");
  };

  const inputOf = (tab) => {
    const panel = panelOf(tab);
    const fields = panel?.dataset.device ? ".device-photo input" : ".takes-photo input[type=file], .takes-files input[type=file]";
    return panel?.querySelector(fields);
  };

  const put = (input, files) => {
    const list = new DataTransfer();
    for (const file of input.multiple ? files : files.slice(0, 1)) list.items.add(file);
    input.files = list.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  const offer = (files, near) => {
    const input = near?.closest?.(".takes-photo, .takes-files")?.querySelector("input[type=file]") ?? inputOf(openTab());
    if (input && files.length) put(input, files);
    return Boolean(input);
  };

  const ofMachine = (input) => {
    const tab = input.closest('[role="tabpanel"]')?.id.replace(/^tab-/, "");
    return tab && input.closest(".machine, .device") && inputOf(tab) === input ? tab : null;
  };

  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("input[type=file]") || !event.target.files.length) return;
    const tab = ofMachine(event.target);
    if (!tab) return;
    const [file] = event.target.files;
    if (!event.target.closest(".device")) current = file; // what stays on this device goes to no other tab
    sent.set(tab, file);
  }, true);

  const waitFor = async (find, tries = 100) => {
    for (; tries > 0; tries--) {
      const found = find();
      if (found) return found;
      await new Promise((done) => setTimeout(done, 50));
    }
    return null;
  };

  document.addEventListener("click", async (event) => {
    const pressed = event.target.closest?.("button, [role=tab], a");
    const again = event.target.closest?.('[data-state="failed"] .picture > .takes-photo');
    if (again) inputOf(openTab()).click();
    if (!pressed) return;
    const panel = pressed.closest('[role="tabpanel"]');
    const tab = panel?.id.replace(/^tab-/, "");
    if (pressed.matches('[role="tab"], .overflow-dropdown button')) {
      await new Promise((done) => setTimeout(done, 0));
      carry(openTab());
    } else if (pressed.matches(".notice-retry")) {
      put(inputOf(tab), [sent.get(tab)]);
    } else if (pressed.matches(".notice-close")) {
      hide(panel);
    } else if (pressed.matches(".another")) {
      inputOf(tab).click();
    } else if (pressed.dataset.sample) {
      const answer = await fetch(pressed.dataset.sample);
      if (answer.ok) offer([new File([await answer.blob()], pressed.dataset.name, { type: "image/webp" })]);
    } else if (pressed.matches("[aria-label='capture photo']")) {
      current = null; // what a camera takes passes no input
    }
  }, true);

  const carry = async (tab) => {
    const file = current;
    if (!file || sent.get(tab) === file) return;
    const input = await waitFor(() => panelOf(tab)?.querySelector(".machine .takes-photo") && inputOf(tab), 40);
    if (input && openTab() === tab && current === file && sent.get(tab) !== file) put(input, [file]);
  };

  // The whole window takes what is dropped.
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (![...(event.dataTransfer?.types ?? [])].includes("Files")) return;
      event.preventDefault();
      event.stopPropagation();
      document.body.classList.toggle("dragging", kind === "dragover" || kind === "dragenter");
      if (kind === "drop") offer([...event.dataTransfer.files], event.target);
    }, true);
  }

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (files.length && offer(files)) event.preventDefault();
  });

  // What Gradio itself says of an error is told in the same place.
  new MutationObserver(() => {
    for (const toast of document.querySelectorAll(".toast-body.error")) {
      const text = toast.querySelector(".toast-text")?.textContent?.trim() ?? "";
      const known = failure && performance.now() - failure.at < 3000;
      if (!known) tell({ code: "internal_error", text: text || word("internal_error"), at: performance.now() });
      toast.querySelector(".toast-close")?.click();
    }
  }).observe(document, { childList: true, subtree: true });

  const busy = (id, is) => document.getElementById(id)?.setAttribute("aria-busy", String(is));

  return {
    state,
    fail,
    busy,
    calm: hide,
    // Where another part of a tab takes the photos from now on: Retry must not hand it one of the other's.
    forget: (panel) => {
      hide(panel);
      sent.delete(panel.id.replace(/^tab-/, ""));
    },
    failed: (code, text) => tell({ code, text: text || word(code), at: performance.now() }),
    // A call that was not even taken: Gradio starts nothing that was to follow it, a failure's own steps among them.
    refused: (code, text) => {
      tell({ code, text: text || word(code), at: performance.now() });
      fail(openTab());
    },
    word,
  };
})();
