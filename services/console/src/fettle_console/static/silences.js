// Silences: what each has held back, and when one ends, as health goes on.
(() => {
  const ask = window.fettleFresh((page) => window.fettleSwap("silences", page), 5000);
  document.addEventListener("fettle:health", ask);
  document.addEventListener("fettle:refresh", ask);
  setInterval(ask, 30000);
})();
