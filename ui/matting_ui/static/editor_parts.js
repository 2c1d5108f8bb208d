// What the editor's bar is made of. Words and names are set as text, and nothing is a template.
globalThis.MattingEditorParts = class {
  make(tag, name, text = "") {
    const made = document.createElement(tag);
    made.className = name;
    made.textContent = text;
    return made;
  }

  button(name, keys, act) {
    const made = this.make("button", `editor-${name}`, this.words[name]);
    made.type = "button";
    if (keys) {
      made.title = `${this.words[name]} (${keys})`;
      made.setAttribute("aria-keyshortcuts", keys);
    }
    made.addEventListener("click", act);
    return made;
  }

  // What stays in one line on a phone.
  line(...parts) {
    const made = this.make("div", "editor-line");
    made.append(...parts);
    return made;
  }

  group(label, ...parts) {
    const made = this.make("div", "editor-group");
    made.setAttribute("role", "group");
    made.setAttribute("aria-label", label);
    made.append(...parts);
    return made;
  }
};
