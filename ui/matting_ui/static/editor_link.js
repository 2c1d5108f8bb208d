// What the editor and its server say to each other: one thing after the other, in the order in which it was done.
globalThis.MattingEditorLink = class {
  constructor(id, waits) {
    this.waits = waits; // told how many answers have not come
    this.base = `editor/${id}/`;
    this.last = Promise.resolve();
    this.pending = 0;
  }

  async ask(name, body) {
    const options = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const headers = body === undefined ? {} : { "Content-Type": "application/json" };
    const answer = await fetch(this.base + name, { ...options, headers });
    if (!answer.ok) throw Object.assign(new Error(answer.statusText), { status: answer.status });
    return answer;
  }

  async photo() {
    const blob = await (await this.ask("photo")).blob();
    return createImageBitmap(blob, { imageOrientation: "none", colorSpaceConversion: "none" });
  }

  async subjects() {
    return (await this.ask("subjects")).json();
  }

  // Part of the alpha, and how many steps can be undone and done again.
  async patch(name, body) {
    const answer = await this.ask(name, body);
    const [left, top, width, height] = answer.headers.get("X-Box").split(",").map(Number);
    const steps = { undo: Number(answer.headers.get("X-Undo")), redo: Number(answer.headers.get("X-Redo")) };
    return { box: { left, top, width, height }, bytes: new Uint8Array(await answer.arrayBuffer()), steps };
  }

  // After all that was asked before; a failure does not stop what comes after it.
  later(work) {
    this.waits(++this.pending);
    const done = this.last.then(work).finally(() => this.waits(--this.pending));
    this.last = done.catch(() => {});
    return done;
  }
};
