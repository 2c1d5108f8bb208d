// The buttons of the cards; the cards themselves are drawn anew by the template.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-number]");
  if (button) trigger("select", { action: button.dataset.action, number: Number(button.dataset.number) });
});
