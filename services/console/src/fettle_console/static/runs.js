// Runs and one run: fresh every few seconds while something may still change, as no stream tells of runs. What was
// folded out stays so.
(() => {
  const shown = () => document.querySelector("[data-every]");
  const ask = window.fettleFresh((page) => {
    const then = shown();
    const now = then && page.getElementById(then.id);
    if (!now) return;
    htmx.swap({ sourceElement: then, target: then, text: now.outerHTML, swap: "outerMorph" });
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
