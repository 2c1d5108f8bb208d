// A number field that was emptied, or that holds what is out of its range, tells Gradio nothing: it would send that and
// show a server's error. Once the field is left or Enter is pressed, it holds its last number, or the nearest in its range.
(() => {
  const FIELDS = ".block input[type=number]";
  const last = new WeakMap(); // the number of each field that was told last

  const isUsable = ({ value, validity }) => value !== "" && !validity.rangeUnderflow && !validity.rangeOverflow;
  const bound = (text, otherwise) => (text === "" ? otherwise : Number(text));
  const nearest = ({ value, min, max }) => Math.min(bound(max, Infinity), Math.max(bound(min, -Infinity), Number(value)));

  const listen = (kind, does) =>
    document.addEventListener(kind, (event) => event.target.matches?.(FIELDS) && does(event.target, event), true);

  const note = (field, event) => {
    if (isUsable(field)) last.set(field, field.value);
    else if (event.type === "input") event.stopImmediatePropagation();
  };
  const mend = (field) => {
    if (isUsable(field)) return;
    field.value = field.value === "" ? last.get(field) ?? "" : nearest(field);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };
  for (const kind of ["focus", "input"]) listen(kind, note);
  for (const kind of ["change", "blur"]) listen(kind, mend);

  // Gradio's ↺ gives a slider its first number, but tells those who follow what is put in nothing of it.
  document.addEventListener("click", ({ target }) => {
    const field = target.closest?.(".reset-button")?.parentElement.querySelector("input[type=number]");
    if (field) setTimeout(() => field.dispatchEvent(new Event("input", { bubbles: true })));
  });
})();
