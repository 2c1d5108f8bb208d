// The editor: strokes of a brush keep or remove, a click removes a whole person or thing or keeps it alone. A stroke shows
// as it is made; the server snaps it to the photo's edges and sends back the part that changed.
globalThis.MattingEditor = class MattingEditor extends MattingEditorHands {
  static FINEST = 4000; // points of a stroke; a longer one goes on as the next

  // Opens the editor; the promise is kept when it is closed, with whether anything was changed.
  static open(info) {
    return new Promise((resolve) => new MattingEditor(info, resolve).load(info));
  }

  constructor({ id, words }, resolve) {
    super();
    Object.assign(this, { words, resolve });
    this.link = new MattingEditorLink(id, (pending) => this.showPending(pending));
    this.keep = true;
    this.tool = "brush"; // or "whole": a click means a person or thing as a whole; or "box"
    this.stroke = null; // that is being made
    this.sent = []; // strokes whose answer has not come
    this.changes = 0;
    this.build();
    document.querySelector(".gradio-container .contain").append(this.dialog); // where the style sheet reaches
    this.dialog.addEventListener("cancel", (event) => (event.preventDefault(), this.close()));
    this.dialog.showModal();
  }

  async load({ width, height }) {
    this.say(this.words.loading);
    try {
      const [photo, { box, bytes, steps }] = await Promise.all([this.link.photo(), this.link.patch("alpha")]);
      if (!this.dialog.open) return;
      this.picture = new MattingEditorCanvas(this.canvas, photo, width, height);
      this.radius = Math.max(4, Math.round(Math.min(width, height) / 40));
      this.picture.learn(box, bytes);
      this.box.fit(this.picture);
      this.watch();
      this.measure();
      this.showSteps(steps);
      this.showTool();
      this.canvas.focus();
      Object.assign(this.dialog.dataset, { state: "ready", pending: 0 });
    } catch (error) {
      this.fail(error);
    }
  }

  // --- what it is made of

  build() {
    const { words } = this;
    this.dialog = this.make("dialog", "editor");
    this.dialog.editor = this;
    this.dialog.setAttribute("aria-label", words.title);
    this.canvas = this.make("canvas", "editor-canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-label", words.canvas);
    this.ring = this.make("div", "editor-ring");
    this.status = this.make("div", "editor-status");
    this.status.setAttribute("role", "status");
    this.keepButton = this.button("keep", "B", () => this.choose({ keep: true }));
    this.removeButton = this.button("remove", "X", () => this.choose({ keep: false }));
    this.brushButton = this.button("brush", "", () => this.choose({ tool: "brush" }));
    this.wholeButton = this.button("whole", "T", () => this.choose({ tool: "whole" }));
    this.boxButton = this.button("box", "R", () => this.choose({ tool: "box" }));
    this.box = new MattingEditorBox(words, (box) => this.useBox(box));
    this.box.element.addEventListener("input", () => this.showBox());
    this.size = Object.assign(this.make("input", "editor-size"), { type: "range", min: 0, max: 100, step: 1 });
    this.size.setAttribute("aria-label", words.size);
    this.size.title = `${words.size} ([ ])`;
    this.size.addEventListener("input", () => this.setRadius(this.radiusAt(this.size.value)));
    this.undoButton = this.button("undo", "Control+Z", () => this.step("undo"));
    this.redoButton = this.button("redo", "Control+Y", () => this.step("redo"));
    const reset = this.button("reset", "", () => this.step("reset"));
    const smaller = this.button("zoom_out", "-", () => this.zoom(1 / MattingEditorHands.STEP));
    const larger = this.button("zoom_in", "+", () => this.zoom(MattingEditorHands.STEP));
    for (const [button, sign] of [[smaller, "−"], [larger, "+"]]) {
      button.setAttribute("aria-label", button.textContent);
      button.textContent = sign;
    }
    const fit = this.button("fit", "0", () => this.picture.fit());
    const done = this.button("done", "Escape", () => this.close());
    const bar = this.make("div", "editor-bar");
    bar.append(
      this.line(
        this.group(words.mode, this.keepButton, this.removeButton),
        this.group(words.tool, this.brushButton, this.wholeButton, this.boxButton),
      ),
      this.line(
        this.size,
        this.box.element,
        this.group(words.steps, this.undoButton, this.redoButton, reset),
        this.group(words.zoom, smaller, larger, fit),
      ),
      done,
    );
    bar.addEventListener("click", (event) => !this.picture && event.target !== done && event.stopPropagation(), true);
    this.stage = this.make("div", "editor-stage");
    this.stage.append(this.canvas, this.ring);
    this.dialog.append(bar, this.stage, this.status);
  }

  // --- tools

  choose(changes) {
    Object.assign(this, changes);
    this.showTool();
  }

  showTool() {
    const pressed = [
      [this.keepButton, this.keep],
      [this.removeButton, !this.keep],
      [this.brushButton, this.tool === "brush"],
      [this.wholeButton, this.tool === "whole"],
      [this.boxButton, this.tool === "box"],
    ];
    for (const [button, is] of pressed) button.setAttribute("aria-pressed", String(is));
    this.dialog.dataset.mode = this.keep ? "keep" : "remove";
    this.size.hidden = this.tool === "box";
    this.size.disabled = this.tool === "whole";
    this.box.element.hidden = this.tool !== "box";
    this.box.clear();
    this.size.value = 100 * Math.log(this.radius / 2) / Math.log(this.largest / 2);
    this.showRing();
    this.showSubjects();
    const way = this.keep ? "alone" : "without";
    const byHand = matchMedia("(pointer: coarse)").matches;
    const hints = {
      brush: ["hint_brush", byHand ? "by_hand" : "by_mouse"],
      whole: [`hint_${way}`],
      box: [`hint_box_${way}`, ...(byHand ? [] : ["box_by_keys"])],
    };
    this.say(hints[this.tool].map((key) => this.words[key]).join(" "));
  }

  get largest() {
    return Math.max(8, Math.min(this.picture.width, this.picture.height) / 3);
  }

  radiusAt(share) {
    return 2 * (this.largest / 2) ** (share / 100);
  }

  setRadius(radius) {
    this.radius = Math.min(this.largest, Math.max(2, radius));
    this.showTool();
  }

  async showSubjects() {
    this.outline([]);
    if (this.tool !== "whole") return;
    try {
      const boxes = await this.link.later(() => this.link.subjects());
      if (this.tool === "whole") this.outline(boxes);
    } catch (error) {
      this.fail(error);
    }
  }

  outline(boxes) {
    this.picture.boxes = boxes;
    this.picture.redraw();
  }

  // The box as it is being drawn.
  showBox() {
    this.outline([this.box.rectangle].filter(Boolean));
  }

  useBox(box) {
    this.outline([]);
    this.box.clear();
    this.send("box", { keep: this.keep, ...box });
  }

  say(text) {
    this.status.textContent = text;
  }

  // Another photo would take away what is being corrected.
  refuse() {
    this.say(this.words.no_drop);
    return true;
  }

  fail(error, asked) {
    if (asked === "pick" && error.status === 400) return this.say(this.words.no_subject); // a gap within an outline
    this.dialog.dataset.state = "failed";
    this.say(this.words[error.status === 404 ? "gone" : error.status ? "failed" : "offline"]);
  }

  showPending(pending) {
    this.dialog.dataset.pending = pending;
    this.dialog.setAttribute("aria-busy", String(pending > 0));
  }

  showSteps({ undo, redo }) {
    this.undoButton.disabled = !undo;
    this.redoButton.disabled = !redo;
  }

  // --- what goes to the server

  async send(name, body, stroke = null) {
    if (stroke) this.sent.push(stroke);
    try {
      const { box, bytes, steps } = await this.link.later(() => this.link.patch(name, body));
      this.forget(stroke);
      this.picture.learn(box, bytes);
      this.showSteps(steps);
      this.changes += box.width > 0;
      this.dialog.dataset.state = "ready";
      if (this.tool === "whole") this.showSubjects();
    } catch (error) {
      this.forget(stroke);
      this.fail(error, name);
      this.picture.restore(this.picture.whole);
    } finally {
      this.repaint();
    }
  }

  forget(stroke) {
    this.sent = this.sent.filter((each) => each !== stroke);
  }

  // Strokes that an answer has painted over, but does not know yet.
  repaint() {
    for (const stroke of this.sent) this.picture.paint(stroke);
    if (this.stroke) this.picture.paint(this.stroke);
  }

  step(name) {
    this.canvas.focus();
    this.send(name, {});
  }

  click([x, y]) {
    if (x < 0 || y < 0 || x >= this.picture.width || y >= this.picture.height) return;
    const near = this.picture.known[Math.floor(y) * this.picture.width + Math.floor(x)] > 12 || this.isNear(x, y);
    if (near) this.send("pick", { keep: this.keep, x, y });
    else this.say(this.words.no_subject);
  }

  isNear(x, y) {
    const holds = ({ left, top, width, height }) => x >= left && y >= top && x <= left + width && y <= top + height;
    return this.picture.boxes.some(holds);
  }

  begin(point) {
    this.stroke = { keep: this.keep, radius: this.radius, points: [point] };
    this.picture.paint(this.stroke);
  }

  // Points of a stroke; those that lie too close to tell anything are left out.
  follow(points) {
    const { stroke } = this;
    const first = stroke.points.length;
    for (const point of points) {
      const last = stroke.points.at(-1);
      if (Math.hypot(point[0] - last[0], point[1] - last[1]) >= Math.max(0.5, stroke.radius / 8)) {
        stroke.points.push(point);
      }
    }
    if (stroke.points.length > first) this.picture.paint(stroke, first);
    if (stroke.points.length >= MattingEditor.FINEST) {
      this.end();
      this.begin(points.at(-1));
    }
  }

  end() {
    const { stroke } = this;
    this.stroke = null;
    if (!stroke) return;
    const round = (value) => Math.round(10 * value) / 10;
    const points = stroke.points.map((point) => point.map(round));
    this.send("stroke", { keep: stroke.keep, radius: round(stroke.radius), points }, stroke);
  }

  cancel() {
    this.box.clear();
    if (this.tool === "box") this.outline([]);
    if (!this.stroke) return;
    this.stroke = null;
    this.picture.restore(this.picture.whole);
    this.repaint();
  }

  async close() {
    this.end();
    this.say(this.words.closing);
    await this.link.last;
    this.observer?.disconnect();
    this.dialog.close();
    this.dialog.remove();
    this.picture?.close();
    this.resolve(this.changes > 0);
  }
};
