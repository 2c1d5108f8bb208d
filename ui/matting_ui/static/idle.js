// Gradio's first screen ("Loading ...") goes on counting its seconds for good after the page has taken its place: 60 times
// a second, on every visitor's battery. Its chain of calls ends here with the screen; all others go on.
(() => {
  const ask = window.requestAnimationFrame.bind(window);
  const isShown = () => document.querySelector("#hero") !== null;
  let within = false; // a call of that chain
  window.requestAnimationFrame = (call) => {
    if (!within && (isShown() || !/performance\.now\(\)/.test(call))) return ask(call);
    if (isShown()) return 0;
    return ask((now) => {
      within = true;
      try {
        call(now);
      } finally {
        within = false;
      }
    });
  };
})();
