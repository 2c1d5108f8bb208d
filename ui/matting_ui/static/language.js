// The visitor's own choice of language stands before the browser's, for the server (a cookie) and for Gradio, which asks
// the browser. This runs before Gradio does.
(() => {
  const chosen = document.cookie.match(/(?:^|; )matting_language=(en|zh)/)?.[1];
  if (chosen) {
    const language = { en: "en", zh: "zh-CN" }[chosen];
    Object.defineProperty(navigator, "language", { get: () => language, configurable: true });
    Object.defineProperty(navigator, "languages", { get: () => [language], configurable: true });
  }
  const theme = localStorage.getItem("matting-theme");
  if (theme) document.addEventListener("DOMContentLoaded", () => document.body.classList.toggle("dark", theme === "dark"));
  window.mattingLanguage = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
})();
