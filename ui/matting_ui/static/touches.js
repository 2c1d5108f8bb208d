// Of what is drawn or dragged by hand: beside a pen nothing else counts, which is the palm of the hand that holds it.
window.MattingPalms = class {
  hasPen = false; // whether a pen came down last

  /** Whether a pointer that comes down is one; a pen that comes second lets go of what was there. */
  include(event, pointers, letGo) {
    const isPen = event.pointerType === "pen";
    if (this.hasPen && !isPen && pointers.size) return true;
    if (isPen && pointers.size) letGo();
    this.hasPen = isPen;
    return false;
  }
};

// Gradio's before and after zooms when two fingers move anywhere in the document, as in the editor that lies over it.
document.addEventListener(
  "touchmove",
  (event) => event.touches.length > 1 && !event.target.closest?.("#result") && event.stopPropagation(),
  { capture: true, passive: true },
);
