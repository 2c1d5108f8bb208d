// A picture pasted anywhere goes to the photo of the tab that is open. The paste event needs no permission, so this also
// works on plain http from another machine, where navigator.clipboard is missing.
(() => {
  const WAIT_MS = 3000;

  const picture = (clipboard) =>
    [...(clipboard?.files ?? [])].find((file) => file.type.startsWith("image/"));

  const target = () =>
    [...document.querySelectorAll(".takes-photo, .takes-files")].find((each) => each.offsetParent !== null);

  // The file input is there only while no photo is shown; the cross removes that.
  const emptied = async (place) => {
    const end = performance.now() + WAIT_MS;
    let cleared = false;
    while (performance.now() < end) {
      const input = place.querySelector("input[type=file]");
      if (input) return input;
      if (!cleared) {
        [...place.querySelectorAll("button")].find((each) => /clear|清/i.test(each.ariaLabel ?? ""))?.click();
        cleared = true;
      }
      await new Promise((done) => setTimeout(done, 30));
    }
    return null;
  };

  document.addEventListener("paste", async (event) => {
    const file = picture(event.clipboardData);
    const place = target();
    if (!file || !place) return;
    event.preventDefault();
    const input = await emptied(place);
    if (!input) return;
    const files = new DataTransfer();
    files.items.add(file);
    input.files = files.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
})();
