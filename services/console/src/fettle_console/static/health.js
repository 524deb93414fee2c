// The health page: fresh when a subject changes its state.
(() => {
  const ask = window.fettleFresh((page) => {
    const [now, then] = [page.getElementById("subjects"), document.getElementById("subjects")];
    if (now && then) htmx.swap({ sourceElement: then, target: then, text: now.outerHTML, swap: "outerMorph" });
  });
  document.addEventListener("fettle:health", ask);
  document.addEventListener("fettle:refresh", ask);
})();
