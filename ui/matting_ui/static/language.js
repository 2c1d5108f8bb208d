// The visitor's own choice of language stands before the browser's, for the server (a cookie) and for Gradio, which asks
// the browser: it hears of the page's two alone, or it would speak English to zh-HK, and German to some. Runs before it.
(() => {
  const chosen = document.cookie.match(/(?:^|; )matting_language=(en|zh)/)?.[1];
  window.mattingLanguage = chosen ?? (navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en");
  const language = { en: "en", zh: "zh-CN" }[window.mattingLanguage];
  Object.defineProperty(navigator, "language", { get: () => language, configurable: true });
  Object.defineProperty(navigator, "languages", { get: () => [language], configurable: true });
  const theme = localStorage.getItem("matting-theme");
  if (theme) document.addEventListener("DOMContentLoaded", () => document.body.classList.toggle("dark", theme === "dark"));
})();
