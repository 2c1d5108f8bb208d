// Pointers and keys of the editor. One pointer paints, two move and zoom; so do the middle button, the space bar and the
// wheel. What the tools do is the editor's own. Beside a pen nothing else counts.
globalThis.MattingEditorHands = class extends MattingEditorParts {
  static STEP = 1.25; // of zoom and of the brush's size

  pointers = new Map(); // of fingers, pen and mouse that are down
  palms = new window.MattingPalms();

  at(event) {
    const frame = this.canvas.getBoundingClientRect();
    return [(event.clientX - frame.left) * this.ratio, (event.clientY - frame.top) * this.ratio];
  }

  watch() {
    const { canvas, dialog } = this;
    const on = (type, act) => canvas.addEventListener(type, (event) => act.call(this, event));
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("pointerleave", () => (this.ring.hidden = true));
    on("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    dialog.addEventListener("keydown", (event) => this.key(event));
    dialog.addEventListener("keyup", (event) => event.code === "Space" && this.hold(false));
    this.observer = new ResizeObserver(() => this.measure());
    this.observer.observe(this.stage);
  }

  measure() {
    this.ratio = window.devicePixelRatio || 1;
    const { width, height } = this.stage.getBoundingClientRect();
    if (width && height) this.picture.resize(Math.round(width * this.ratio), Math.round(height * this.ratio));
  }

  hold(isHeld) {
    this.moves = isHeld;
    this.stage.classList.toggle("moves", isHeld);
  }

  down(event) {
    event.preventDefault();
    if (this.palms.include(event, this.pointers, () => this.letGo())) return;
    this.canvas.focus();
    this.canvas.setPointerCapture(event.pointerId);
    const place = this.at(event);
    this.pointers.set(event.pointerId, place);
    this.spot = place;
    this.showRing();
    if (this.pointers.size > 1) {
      this.cancel();
      this.drags = true;
    } else if (event.button === 1 || this.moves) {
      this.drags = true;
    } else if (event.button === 0) {
      const point = this.picture.toPhoto(...place);
      this.use(point);
    }
  }

  // What the tool does at a point where a pointer went down, or Enter was pressed.
  use(point) {
    if (this.tool === "whole") this.click(point);
    else if (this.tool === "brush") this.begin(point);
    else if (this.box.corner) this.reach(point);
    else this.box.begin(point);
  }

  reach(point) {
    this.box.reach(point);
    this.showBox();
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before && event.pointerType === "touch") return; // a palm
    const place = this.at(event);
    this.spot = place;
    this.showRing();
    if (!before) return;
    if (this.drags) {
      this.drag(event.pointerId, before, place);
    } else if (this.stroke) {
      const events = event.getCoalescedEvents?.() ?? [];
      const points = (events.length ? events : [event]).map((each) => this.picture.toPhoto(...this.at(each)));
      this.follow(points);
    } else if (this.box.corner) {
      this.reach(this.picture.toPhoto(...place));
    }
    this.pointers.set(event.pointerId, place);
  }

  drag(id, before, place) {
    const other = [...this.pointers].find(([each]) => each !== id)?.[1];
    if (!other) {
      this.picture.moveBy(place[0] - before[0], place[1] - before[1]);
      return;
    }
    const distance = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
    const middle = (a) => [(a[0] + other[0]) / 2, (a[1] + other[1]) / 2];
    const [oldX, oldY] = middle(before);
    const [newX, newY] = middle(place);
    this.picture.moveBy(newX - oldX, newY - oldY);
    if (distance(before) > 1) this.picture.zoomBy(distance(place) / distance(before), newX, newY);
    this.showRing();
  }

  up(event) {
    if (!this.pointers.delete(event.pointerId)) return; // a palm
    if (event.type === "pointercancel") this.cancel();
    else if (this.box.corner) this.box.finish();
    else this.end();
    if (!this.pointers.size) this.drags = false;
  }

  letGo() {
    this.cancel();
    this.pointers.clear();
    this.drags = false;
  }

  wheel(event) {
    event.preventDefault();
    this.picture.zoomBy(Math.exp(-event.deltaY / (event.ctrlKey ? 100 : 500)), ...this.at(event));
    this.showRing();
  }

  zoom(factor) {
    this.picture.zoomBy(factor, this.canvas.width / 2, this.canvas.height / 2);
    this.showRing();
  }

  // --- keys

  key(event) {
    const { key, target } = event;
    const command = event.ctrlKey || event.metaKey;
    const letter = key.toLowerCase();
    const acts = command
      ? { z: () => this.step(event.shiftKey ? "redo" : "undo"), y: () => this.step("redo") }
      : {
          b: () => this.choose({ keep: true, tool: "brush" }),
          x: () => this.choose({ keep: !this.keep }),
          t: () => this.choose({ tool: this.tool === "whole" ? "brush" : "whole" }),
          r: () => this.choose({ tool: this.tool === "box" ? "brush" : "box" }),
          "[": () => this.setRadius(this.radius / MattingEditorHands.STEP),
          "]": () => this.setRadius(this.radius * MattingEditorHands.STEP),
          "+": () => this.zoom(MattingEditorHands.STEP),
          "=": () => this.zoom(MattingEditorHands.STEP),
          "-": () => this.zoom(1 / MattingEditorHands.STEP),
          0: () => this.picture.fit(),
          ...(target === this.canvas ? this.canvasKeys() : {}),
        };
    if (!Object.hasOwn(acts, letter)) return;
    event.preventDefault();
    acts[letter]();
  }

  // Without a pointer: arrows move the brush or the corner of a box, Enter uses it.
  canvasKeys() {
    const far = Math.max(8, (this.radius * this.picture.zoom) / 2);
    return {
      " ": () => this.hold(true),
      arrowleft: () => this.walk(-far, 0),
      arrowright: () => this.walk(far, 0),
      arrowup: () => this.walk(0, -far),
      arrowdown: () => this.walk(0, far),
      enter: () => {
        const point = this.picture.toPhoto(...(this.spot ?? this.middle));
        const isSecond = this.box.corner;
        this.use(point);
        if (isSecond) this.box.finish();
        else this.end();
      },
    };
  }

  get middle() {
    return [this.canvas.width / 2, this.canvas.height / 2];
  }

  walk(dx, dy) {
    const [x, y] = this.spot ?? this.middle;
    const { width, height } = this.canvas;
    this.spot = [Math.min(width, Math.max(0, x + dx)), Math.min(height, Math.max(0, y + dy))];
    if (this.spot[0] !== x + dx || this.spot[1] !== y + dy) this.picture.moveBy(-dx, -dy);
    if (this.box.corner) this.reach(this.picture.toPhoto(...this.spot));
    this.showRing();
  }

  // The brush where it is, in the size that it has on the screen.
  showRing() {
    this.ring.hidden = !this.spot || this.tool === "whole";
    if (this.ring.hidden) return;
    const across = this.tool === "box" ? 12 : (2 * this.radius * this.picture.zoom) / this.ratio;
    const [x, y] = this.spot.map((each) => each / this.ratio);
    Object.assign(this.ring.style, {
      width: `${across}px`,
      height: `${across}px`,
      transform: `translate(${x - across / 2}px, ${y - across / 2}px)`,
    });
  }
};
