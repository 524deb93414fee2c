// Runs and one run: fresh every few seconds while something may still change, as no stream tells of runs. What was
// folded out stays so.
(() => {
  const shown = () => document.querySelector("[data-every]");
  const ask = window.fettleFresh((page) => shown() && window.fettleSwap(shown().id, page));
  // A node of the picture leads to what is known of it, without asking anew.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#run .graph a");
    const item = link && document.querySelector(`#${CSS.escape(new URL(link.href.baseVal, location).hash.slice(1))}`);
    if (!item) return;
    event.preventDefault();
    history.replaceState(null, "", link.href.baseVal);
    for (const one of document.querySelectorAll("#run [aria-current]")) one.removeAttribute("aria-current");
    for (const one of [link, item]) one.setAttribute("aria-current", "true");
    for (const part of item.querySelectorAll("details")) part.open = true;
    item.focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
  });

  let waited = 0;
  setInterval(() => {
    waited += 1;
    if (!shown() || document.hidden || waited < Number(shown().dataset.every)) return;
    waited = 0;
    ask();
  }, 1000);
  document.addEventListener("fettle:refresh", () => shown() && ask());
})();
