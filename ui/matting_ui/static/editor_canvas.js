// The picture of the editor: the photo, its alpha and both together in full size, of which the screen shows a part.
// What a stroke touches is drawn anew, and nothing else, so that a large photo answers as quickly as a small one.
globalThis.MattingEditorCanvas = class {
  static MOST_ZOOM = 16; // pixels of the screen for one of the photo

  constructor(element, photo, width, height) {
    const layer = () => Object.assign(document.createElement("canvas"), { width, height });
    this.element = element;
    this.screen = element.getContext("2d", { alpha: false });
    this.photo = photo;
    this.width = width;
    this.height = height;
    this.known = new Uint8Array(width * height); // alpha as the server has it
    this.alpha = layer().getContext("2d"); // the same with what is being painted
    this.cut = layer().getContext("2d");
    this.squares = this.makeSquares();
    this.dirty = null; // of the photo, to be drawn anew
    this.boxes = []; // of subjects, to be outlined
    this.frame = 0;
    this.fit();
  }

  makeSquares() {
    const tile = Object.assign(document.createElement("canvas"), { width: 32, height: 32 });
    const pen = tile.getContext("2d");
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, 32, 32);
    pen.fillStyle = "#d9d9d9";
    pen.fillRect(0, 0, 16, 16);
    pen.fillRect(16, 16, 16, 16);
    return this.screen.createPattern(tile, "repeat");
  }

  get whole() {
    return { left: 0, top: 0, width: this.width, height: this.height };
  }

  // Rectangle in whole pixels of the photo, cut to it.
  clip({ left, top, width, height }) {
    const x = Math.max(0, Math.floor(left));
    const y = Math.max(0, Math.floor(top));
    const right = Math.min(this.width, Math.ceil(left + width));
    const bottom = Math.min(this.height, Math.ceil(top + height));
    return { left: x, top: y, width: Math.max(0, right - x), height: Math.max(0, bottom - y) };
  }

  static join(a, b) {
    if (!a) return b;
    const left = Math.min(a.left, b.left);
    const top = Math.min(a.top, b.top);
    const width = Math.max(a.left + a.width, b.left + b.width) - left;
    const height = Math.max(a.top + a.height, b.top + b.height) - top;
    return { left, top, width, height };
  }

  // Take alpha for a part of the photo, row by row.
  learn(box, bytes) {
    for (let row = 0; row < box.height; row++) {
      const line = bytes.subarray(row * box.width, (row + 1) * box.width);
      this.known.set(line, (box.top + row) * this.width + box.left);
    }
    this.restore(box);
  }

  // Show alpha as it is known, without what was painted since.
  restore(part) {
    const box = this.clip(part);
    const ROWS = 512;
    for (let top = box.top; top < box.top + box.height && box.width; top += ROWS) {
      const rows = Math.min(ROWS, box.top + box.height - top);
      const image = new ImageData(box.width, rows);
      const pixels = new Uint32Array(image.data.buffer);
      for (let row = 0; row < rows; row++) {
        const start = (top + row) * this.width + box.left;
        for (let x = 0; x < box.width; x++) pixels[row * box.width + x] = this.known[start + x] << 24;
      }
      this.alpha.putImageData(image, box.left, top);
    }
    this.touch(box);
  }

  // Paint a part of a stroke: from its point `first` on.
  paint({ keep, radius, points }, first = 0) {
    const pen = this.alpha;
    pen.globalCompositeOperation = keep ? "source-over" : "destination-out";
    pen.lineWidth = 2 * radius;
    pen.lineCap = pen.lineJoin = "round";
    pen.beginPath();
    let part = null;
    points.slice(Math.max(0, first - 1)).forEach(([x, y], index) => {
      if (index) pen.lineTo(x, y);
      else pen.moveTo(x, y);
      const room = radius + 2;
      const around = { left: x - room, top: y - room, width: 2 * room, height: 2 * room };
      part = MattingEditorCanvas.join(part, around);
    });
    pen.stroke();
    if (points.length === 1) {
      pen.arc(...points[0], radius, 0, 2 * Math.PI); // a line without length is not drawn
      pen.fill();
    }
    this.touch(this.clip(part));
  }

  // Draw a part anew, with the next picture of the screen.
  touch(box) {
    if (box.width && box.height) {
      this.compose(box);
      this.dirty = MattingEditorCanvas.join(this.dirty, box);
    }
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  compose({ left, top, width, height }) {
    const pen = this.cut;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    pen.globalCompositeOperation = "copy";
    pen.drawImage(this.photo, left, top, width, height, left, top, width, height);
    pen.globalCompositeOperation = "destination-in";
    pen.drawImage(this.alpha.canvas, left, top, width, height, left, top, width, height);
    pen.restore();
  }

  // All of the screen, after it was moved.
  redraw() {
    this.dirty = { left: -1e6, top: -1e6, width: 2e6, height: 2e6 };
    this.frame ||= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    const { dirty, screen, zoom, x, y } = this;
    this.dirty = null;
    if (!dirty) return;
    const { width, height } = this.element;
    const left = Math.max(0, Math.floor(dirty.left * zoom + x) - 2);
    const top = Math.max(0, Math.floor(dirty.top * zoom + y) - 2);
    const right = Math.min(width, Math.ceil((dirty.left + dirty.width) * zoom + x) + 2);
    const bottom = Math.min(height, Math.ceil((dirty.top + dirty.height) * zoom + y) + 2);
    if (left >= right || top >= bottom) return;
    screen.save();
    screen.beginPath();
    screen.rect(left, top, right - left, bottom - top);
    screen.clip();
    screen.fillStyle = "#6b7080";
    screen.fillRect(left, top, right - left, bottom - top);
    this.drawPhoto({ left: left - x, top: top - y, width: right - left, height: bottom - top });
    screen.restore();
    if (this.boxes.length) this.outline();
  }

  // A part of the screen, in its pixels from the photo's corner. What is cut away shows through, faintly.
  drawPhoto(part) {
    const { screen, zoom, x, y } = this;
    const shown = this.clip({
      left: part.left / zoom - 2,
      top: part.top / zoom - 2,
      width: part.width / zoom + 4,
      height: part.height / zoom + 4,
    });
    if (!shown.width || !shown.height) return;
    const from = [shown.left, shown.top, shown.width, shown.height];
    const to = [shown.left * zoom + x, shown.top * zoom + y, shown.width * zoom, shown.height * zoom];
    screen.imageSmoothingEnabled = zoom < 4;
    screen.fillStyle = this.squares;
    screen.fillRect(...to);
    screen.globalAlpha = 0.35;
    screen.drawImage(this.photo, ...from, ...to);
    screen.globalAlpha = 1;
    screen.drawImage(this.cut.canvas, ...from, ...to);
  }

  outline() {
    const { screen, zoom, x, y } = this;
    for (const [colour, dash] of [["#fff", 0], ["#6a3de8", 8]]) {
      screen.strokeStyle = colour;
      screen.lineWidth = 3;
      screen.setLineDash(dash ? [dash, dash] : []);
      for (const { left, top, width, height } of this.boxes) {
        screen.strokeRect(left * zoom + x, top * zoom + y, width * zoom, height * zoom);
      }
    }
    screen.setLineDash([]);
  }

  // Sizes of the screen are in its own pixels, of which a point of the page may have several.
  // Whoever has zoomed in keeps their place, as when a longer hint leaves the photo less room.
  resize(width, height) {
    const { zoom, x, y } = this;
    const isFitted = zoom === this.smallest;
    const [moreX, moreY] = [width - this.element.width, height - this.element.height];
    Object.assign(this.element, { width, height });
    this.fit();
    if (isFitted) return;
    Object.assign(this, { zoom, x, y });
    this.moveBy(moreX / 2, moreY / 2);
  }

  fit() {
    const { width, height } = this.element;
    this.smallest = Math.min(width / this.width, height / this.height) * 0.96;
    this.zoom = this.smallest;
    this.x = (width - this.width * this.zoom) / 2;
    this.y = (height - this.height * this.zoom) / 2;
    this.redraw();
  }

  // Zoom by a factor, keeping what lies at a point of the screen where it is.
  zoomBy(factor, atX, atY) {
    const most = Math.max(MattingEditorCanvas.MOST_ZOOM, this.smallest);
    const zoom = Math.min(most, Math.max(this.smallest / 2, this.zoom * factor));
    this.x = atX - ((atX - this.x) * zoom) / this.zoom;
    this.y = atY - ((atY - this.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.moveBy(0, 0);
  }

  // Move, but keep a piece of the photo on the screen.
  moveBy(dx, dy) {
    const { width, height } = this.element;
    const some = 60;
    this.x = Math.min(width - some, Math.max(some - this.width * this.zoom, this.x + dx));
    this.y = Math.min(height - some, Math.max(some - this.height * this.zoom, this.y + dy));
    this.redraw();
  }

  toPhoto(screenX, screenY) {
    return [(screenX - this.x) / this.zoom, (screenY - this.y) / this.zoom];
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.photo.close();
    for (const { canvas } of [this.alpha, this.cut]) canvas.width = canvas.height = 0; // gives the memory back at once
  }
};
