// The list of subjects: fresh when one changes its state or gets a ticket.
(() => {
  const ask = window.fettleFresh(window.fettleSteady({ section: "subjects", container: "#rows", things: "tr" }));
  document.addEventListener("fettle:health", ask);
  window.fettleOnTicket(ask);
  document.addEventListener("fettle:refresh", ask);
})();
