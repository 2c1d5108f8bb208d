// The editor's box: drawn on the photo from corner to corner, or written down in four fields. Its numbers are pixels.
globalThis.MattingEditorBox = class {
  static SIDES = ["left", "top", "right", "bottom"];

  // `use` is told of a box that is complete.
  constructor(words, use) {
    this.use = use;
    this.corner = null; // where it was begun
    this.element = document.createElement("form");
    this.element.className = "editor-box-fields";
    this.element.setAttribute("aria-label", words.box);
    this.fields = MattingEditorBox.SIDES.map((side) => {
      const label = document.createElement("label");
      const field = Object.assign(document.createElement("input"), { type: "number", min: 0, step: 1, name: side });
      label.append(words[`box_${side}`], field);
      return field;
    });
    const button = Object.assign(document.createElement("button"), { type: "submit", textContent: words.box_use });
    this.element.append(...this.fields.map((field) => field.parentElement), button);
    this.element.addEventListener("submit", (event) => (event.preventDefault(), this.finish()));
    this.element.addEventListener("keydown", (event) => event.key !== "Escape" && event.stopPropagation());
  }

  // Numbers of the fields for a photo; none is larger than it.
  fit({ width, height }) {
    this.limits = [width, height, width, height];
    this.fields.forEach((field, index) => (field.max = this.limits[index]));
  }

  begin(point) {
    this.corner = point;
    this.reach(point);
  }

  reach([x, y]) {
    const [startX, startY] = this.corner;
    const sides = [Math.min(x, startX), Math.min(y, startY), Math.max(x, startX), Math.max(y, startY)];
    sides.forEach((side, index) => {
      this.fields[index].value = Math.round(Math.min(this.limits[index], Math.max(0, side)));
    });
  }

  // The rectangle in the fields; null where they hold none.
  get rectangle() {
    const [left, top, right, bottom] = this.fields.map((field) => (field.value === "" ? NaN : Number(field.value)));
    return left < right && top < bottom ? { left, top, width: right - left, height: bottom - top } : null;
  }

  finish() {
    this.corner = null;
    const { rectangle } = this;
    if (!rectangle) return;
    const { left, top, width, height } = rectangle;
    this.use({ left, top, right: left + width, bottom: top + height });
  }

  clear() {
    this.corner = null;
    for (const field of this.fields) field.value = "";
  }
};
