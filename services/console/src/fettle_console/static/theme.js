// Light or dark before anything is painted: what the person chose here, else what the system says.
(() => {
  const root = document.documentElement;
  const chosen = localStorage.getItem("fettle-theme");
  if (chosen) root.dataset.theme = chosen;
  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", () => {
      const dark = root.dataset.theme
        ? root.dataset.theme === "dark"
        : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      localStorage.setItem("fettle-theme", root.dataset.theme);
    });
  });
})();
