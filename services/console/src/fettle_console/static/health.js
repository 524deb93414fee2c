// The health page: fresh when a subject changes its state or gets a ticket, and every ten seconds, as judging that has
// come to a stop sends no event.
(() => {
  const ask = window.fettleFresh((page) => {
    const [now, then] = [page.getElementById("subjects"), document.getElementById("subjects")];
    if (now && then) htmx.swap({ sourceElement: then, target: then, text: now.outerHTML, swap: "outerMorph" });
  });
  document.addEventListener("fettle:health", ask);
  document.addEventListener("fettle:ticket", ask);
  document.addEventListener("fettle:refresh", ask);
  setInterval(() => document.hidden || ask(), 10000);
})();
