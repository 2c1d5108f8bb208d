// Gradio's before and after zooms when two fingers move anywhere in the document, as in the editor that lies over it.
document.addEventListener(
  "touchmove",
  (event) => event.touches.length > 1 && !event.target.closest?.("#result") && event.stopPropagation(),
  { capture: true, passive: true },
);
