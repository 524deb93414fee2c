// Silences: what each has held back, and when one ends, as health goes on.
(() => {
  const ask = window.fettleFresh((page) => {
    const [now, then] = [page.getElementById("silences"), document.getElementById("silences")];
    if (now && then) htmx.swap({ sourceElement: then, target: then, text: now.outerHTML, swap: "outerMorph" });
  }, 5000);
  document.addEventListener("fettle:health", ask);
  document.addEventListener("fettle:refresh", ask);
  setInterval(() => document.hidden || ask(), 30000);
})();
