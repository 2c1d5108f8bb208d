// The line above the tabs: name, language, light or dark, help.
const words = props.words[window.mattingLanguage];
const at = (name) => element.querySelector(name);

at("h1").textContent = words.title;
at(".header-language").value = window.mattingLanguage;
at(".header-language").setAttribute("aria-label", words.language);
at(".header-language").addEventListener("change", (event) => {
  if (!window.matting.mayLeave(words.leave)) {
    event.target.value = window.mattingLanguage;
    return;
  }
  const year = 365 * 24 * 3600;
  document.cookie = `matting_language=${event.target.value}; Path=/; SameSite=Lax; Max-Age=${year}`;
  location.reload();
});

const THEME = "matting-theme";
const paint = () => {
  const dark = document.body.classList.contains("dark");
  at(".header-theme").textContent = dark ? "☀" : "☾";
  at(".header-theme").setAttribute("aria-label", dark ? words.light_theme : words.dark_theme);
  at(".header-theme").title = dark ? words.light_theme : words.dark_theme;
};
const kept = localStorage.getItem(THEME);
if (kept) document.body.classList.toggle("dark", kept === "dark");
paint();
at(".header-theme").addEventListener("click", () => {
  const dark = document.body.classList.toggle("dark");
  localStorage.setItem(THEME, dark ? "dark" : "light");
  paint();
});

at("summary").textContent = words.help;
for (const [name, address] of Object.entries(props.links)) {
  const link = document.createElement("a");
  Object.assign(link, { textContent: words[name] ?? name, href: address, target: "_blank", rel: "noopener" });
  at("nav").append(link);
}
const help = at("details");
const closeHelp = () => help.removeAttribute("open");
document.addEventListener("click", (event) => !help.contains(event.target) && closeHelp());
help.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !help.contains(relatedTarget) && closeHelp());
help.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !help.open) return;
  closeHelp();
  at("summary").focus();
});
