// A checklist's page: its members recover as their ticket says so.
(() => {
  const ask = window.fettleFresh((page) => window.fettleSwap("checklist", page));
  document.addEventListener("fettle:ticket", (event) => {
    if (Number(document.getElementById("checklist").dataset.number) === event.detail.number) ask();
  });
  document.addEventListener("fettle:refresh", ask);
})();
