// A tab for one photo shows one state at a time: nothing chosen (no data-state), working, done, failed; the style sheet
// says what belongs to each. One photo is current: dropped, pasted or chosen anywhere, it goes along from tab to tab; a tab
// whose result was corrected by hand keeps it until another photo is asked for there.
window.matting = (() => {
  const word = (key) => window.mattingWords[window.mattingLanguage][key] ?? "";
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const panelOf = (tab) => document.getElementById(`tab-${tab}`);
  const tabOf = (element) => element.closest('[role="tabpanel"]')?.id.replace(/^tab-/, "");
  const openTab = () => document.querySelector('#tabs [role="tab"][aria-selected="true"]')?.dataset.tabId;
  const sent = new Map(); // the file that each tab has
  const asked = new Map(); // when each tab was asked for a result last
  const held = new Set(); // tabs whose result was corrected by hand
  const UNUSABLE = ["invalid_image", "invalid_request", "file_too_large"];
  const BOXES = ".takes-photo, .takes-files, .takes-clip";
  const HAS_RESULT = '[role="tabpanel"][data-state]';
  const HAS_CLIP = '[role="tabpanel"]:has(#video-start:enabled)';
  const newest = new WeakMap(); // what each box was handed last
  const REOPEN = "matting-tab"; // in the browser's storage, over one loading of the page
  const failures = new Map(); // what was told last in each tab
  const outlived = new Set(); // tabs that show what a server had which was started anew since
  const { isPicture, isNameless, objection } = window.mattingFiles;
  let current = null;
  let failure = null; // what was told last

  const state = (tab, name) => {
    const panel = panelOf(tab);
    if (!panel) return;
    if (name === "done" && panel.dataset.state === "failed") hide(panel); // it has come through after all
    if (name === "empty") delete panel.dataset.state;
    else panel.dataset.state = name;
    if (name !== "working") return;
    asked.set(tab, performance.now());
    hide(panel);
    held.delete(tab);
    outlived.delete(tab);
    if (sent.has(tab) && !panel.dataset.device) current = sent.get(tab); // what stays on this device goes to no other tab
  };

  const hide = (panel) => panel?.querySelector(".notice")?.setAttribute("hidden", "");

  // What the server or the network said is told in the tab that it is about, with a button where another try can help: it
  // sends the photo again, which a result that is there, with its correction, has no need of.
  const tell = (told, tab = openTab()) => {
    failure = told;
    failures.set(tab, told);
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
    const isOfResult = told.call && panel.dataset.state === "done";
    const goesOn = told.call?.isUpload; // by itself, until it is given up
    again.hidden = isOfResult || goesOn || !(window.mattingRetry.includes(told.code) && sent.get(tab));
    box.querySelector(".notice-close").setAttribute("aria-label", word("close"));
    box.removeAttribute("hidden");
  };

  // A notice goes once what went wrong, or the result of its tab, has come out well in a call that began after it.
  const succeeded = (call) => {
    const told = failures.get(call.tab);
    if (!told || call.at < told.at || panelOf(call.tab)?.dataset.state === "failed") return; // until it is tried again
    const isSame = told.call && (told.call.of === call.of || call.outputs.some((each) => told.call.outputs.includes(each)));
    if (call.isResult || isSame) hide(panelOf(call.tab));
  };

  const fail = (tab) => {
    const panel = panelOf(tab);
    const failure = failures.get(tab);
    if (failure?.call?.at < asked.get(tab) && sent.has(tab)) {
      failures.delete(tab); // it is of a photo before, and Gradio forgets what waits behind a call that fails
      hand(tab, boxOf(tab), [sent.get(tab)]);
      return word("working");
    }
    if (UNUSABLE.includes(failure?.code) && current === sent.get(tab)) current = null;
    const box = panel?.querySelector(".machine .takes-photo"); // a batch, which has none, goes on by itself
    if (box && panel.dataset.state === "working") {
      panel.dataset.state = "failed";
      box.dataset.words = word("choose_again");
      box.classList.toggle("unseen", !box.querySelector("img")?.naturalWidth);
    }
    return failure ? failure.text.split("\n")[0] : word("internal_error");
  };

  const boxOf = (tab) => panelOf(tab)?.querySelector(panelOf(tab).dataset.device ? ".device-photo" : BOXES);
  const inputOf = (tab) => boxOf(tab)?.querySelector("input[type=file]");
  const say = (key, code, detail = "") => tell({ code, text: `${word(key)}\n${detail}`, at: performance.now() });

  const put = (input, files) => {
    const list = new DataTransfer();
    for (const file of files) list.items.add(file);
    input.files = list.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };

  // What a tab shows of a server that was started anew is not asked for any more: the tab hears of it.
  const replaced = (tab) => outlived.delete(tab) && panelOf(tab).dispatchEvent(new Event("anew"));

  // Gradio takes the input away while a file is on its way, and that of a clip as long as there is one.
  const room = (box) => {
    if (box.matches(".takes-clip:not(:has(input[type=file]))")) box.querySelector(".icon-button-wrapper button")?.click();
    return waitFor(() => box.querySelector("input[type=file]"), box.querySelector(".uploading") ? Infinity : 100);
  };

  const toBatch = async (files) => {
    go("batch");
    const input = await waitFor(() => panelOf("batch")?.querySelector(".takes-files:has(.drop-line:not(:empty)) input"));
    if (input) put(input, files);
  };

  const hand = async (tab, box, files) => {
    const isMany = files.length > 1 && !box.matches(".takes-files");
    const why = objection(box, files[0]);
    if (isMany && tab === "single" && box === boxOf(tab) && box.matches(".takes-photo")) toBatch(files);
    else if (isMany) say("one_only", "invalid_request");
    else if (why) say(...why);
    else {
      newest.set(box, files);
      const input = await room(box);
      if (input && newest.get(box) === files) put(input, files);
    }
  };

  const offer = (files, near) => {
    if (document.querySelector("dialog.editor")?.editor.refuse()) return true;
    const box = near?.closest?.(BOXES) ?? boxOf(openTab());
    if (box && files.length) hand(openTab(), box, files);
    return Boolean(box);
  };

  const ofMachine = (input) => {
    const tab = tabOf(input);
    return tab && input.closest(".machine, .device") && inputOf(tab) === input ? tab : null;
  };

  document.addEventListener("change", (event) => {
    const input = event.target;
    if (!input.matches?.("input[type=file]") || !input.files.length) return;
    const [file] = input.files;
    const box = input.closest(BOXES);
    const why = objection(box, file);
    if (why) {
      event.stopPropagation();
      input.value = "";
      return say(...why);
    }
    if (box?.matches(".takes-photo") && isNameless(file)) {
      const list = new DataTransfer();
      list.items.add(new File([file], file.name, { type: "image/*" })); // or Gradio would not send it
      input.files = list.files;
    }
    if (inputOf(tabOf(input)) === input) replaced(tabOf(input));
    const tab = ofMachine(input);
    if (!tab) return;
    hide(panelOf(tab)); // what it tells is of the photo before
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

  const go = async (tab) => (await waitFor(() => document.getElementById(`tab-${tab}-button`)))?.click();

  document.addEventListener("click", async (event) => {
    const pressed = event.target.closest?.("button, [role=tab], a");
    if (event.target.closest?.('[data-state="failed"] .picture > .takes-photo')) inputOf(openTab())?.click();
    if (!pressed) return;
    const tab = tabOf(pressed);
    if (pressed.matches('[role="tab"], .overflow-dropdown button')) {
      await new Promise((done) => setTimeout(done, 0));
      carry(openTab());
    } else if (pressed.matches(".notice-retry")) {
      const input = inputOf(tab); // none where the photo has come meanwhile
      if (input) put(input, [sent.get(tab)]);
    } else if (pressed.matches(".notice-close")) {
      hide(panelOf(tab));
    } else if (pressed.matches(".another")) {
      inputOf(tab)?.click();
    } else if (pressed.dataset.sample) {
      const answer = await fetch(pressed.dataset.sample);
      if (answer.ok) offer([new File([await answer.blob()], pressed.dataset.name, { type: "image/webp" })]);
    } else if (pressed.matches("[aria-label='capture photo']")) {
      current = null; // what a camera takes passes no input
      sent.delete(tab);
    }
  }, true);

  const carry = async (tab) => {
    const file = current;
    if (!file || sent.get(tab) === file || held.has(tab)) return;
    const input = await waitFor(() => panelOf(tab)?.querySelector(".machine .takes-photo") && inputOf(tab), 40);
    if (input && openTab() === tab && current === file && sent.get(tab) !== file) put(input, [file]);
  };

  // Folders give their photos.
  const take = async (data, near) => {
    const files = await window.mattingFiles.dropped(data);
    if (files.length) offer(files, near);
    else say("no_files", "invalid_request");
  };

  // The whole window takes what is dropped.
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(kind, (event) => {
      if (!["Files", "text/uri-list"].some((each) => event.dataTransfer?.types.includes(each))) return; // a link is followed
      event.preventDefault();
      event.stopPropagation();
      document.body.classList.toggle("dragging", kind === "dragover" || kind === "dragenter");
      if (kind === "drop") take(event.dataTransfer, event.target);
    }, true);
  }

  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    const pictures = files.filter(isPicture);
    const taken = pictures.length ? pictures : files; // what cannot be used is answered as if it were dropped
    if (taken.length && offer(taken)) event.preventDefault();
    else if (!taken.length && !event.target.matches?.(":read-write")) say("no_files", "invalid_request");
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

  // Photos and results are gone with the page.
  const WORK = ':is([data-state]:not([data-state="failed"]), [data-device]:not([data-device="empty"]))';
  const hasWork = (panels = '[role="tabpanel"]') =>
    document.querySelector(`${panels}${WORK}, #video-start:enabled, .drop.busy`) !== null;
  let isAgreed = false;
  window.addEventListener("beforeunload", (event) => {
    if (isAgreed || !hasWork()) return;
    event.preventDefault();
    event.returnValue = true; // what older browsers ask by
  });
  const kept = sessionStorage.getItem(REOPEN);
  sessionStorage.removeItem(REOPEN);
  if (kept) go(kept);

  const busy = (id, is) => document.getElementById(id)?.setAttribute("aria-busy", String(is));

  // A call is told of as static/calls.js describes it.
  const failed = (code, text, call) =>
    tell({ code, text: text || word(code), at: performance.now(), call: call?.outputs && call }, call?.tab);

  return {
    ...{ state, fail, failed, succeeded, openTab, busy, word, fill, tabOf, calm: hide },
    // Where another part of a tab takes the photos from now on: Retry must not hand it one of the other's.
    forget: (panel) => {
      hide(panel);
      sent.delete(tabOf(panel));
    },
    // A call that was not even taken, or lost: nothing need follow the failure of what comes before a photo's own call.
    // What goes on at the server meanwhile is looked at again by the tab that hears of it.
    refused: (code, text, call) => {
      failed(code, text, call);
      fail(call.tab);
      if (code === "unreachable") panelOf(call.tab)?.dispatchEvent(new Event("lost"));
    },
    // The server takes calls again: those that have waited for it go on. What was given up stays told.
    reached: () => {
      for (const [tab, told] of failures) if (told.call?.waits) hide(panelOf(tab));
    },
    // The server was started anew: nothing is left of what the page shows. A tab goes on with what is chosen then.
    outlived: () => {
      for (const panel of document.querySelectorAll(`${HAS_RESULT}, ${HAS_CLIP}`)) outlived.add(tabOf(panel));
    },
    replaced,
    isOutlived: (tab) => outlived.has(tab),
    // Whether the page may be loaded again: asks where something would be lost. It comes back with the tab that is open.
    mayLeave: (question) => {
      isAgreed = !hasWork('[role="tabpanel"]:not(#tab-batch)') || window.confirm(question); // a batch is found again
      if (isAgreed) sessionStorage.setItem(REOPEN, openTab());
      return isAgreed;
    },
    // The other tabs take the photo again, to have its correction, too.
    corrected: () => {
      const tab = openTab();
      held.add(tab);
      for (const [other, file] of sent) if (other !== tab && file === sent.get(tab)) sent.delete(other);
    },
  };
})();
