// The list of subjects: fresh when one changes its state or gets a ticket.
(() => {
  const ask = window.fettleFresh(window.fettleSteady({ section: "subjects", container: "#rows", things: "tr" }));
  document.addEventListener("fettle:health", ask);
  window.fettleOnTicket(ask);
  document.addEventListener("fettle:refresh", ask);

  // When each was last heard comes behind the page, as it takes a moment, and goes on.
  const HEARD_REST_MS = 3000;
  const HEARD_EVERY_MS = 15000;
  const cells = () => [...document.querySelectorAll("#rows .last-heard")];
  const askHeard = window.fettleFresh(
    (page) => {
      for (const cell of cells()) {
        const told = page.querySelector(`[data-of="${cell.parentElement.id}"]`);
        if (told) cell.innerHTML = told.innerHTML;
      }
      window.fettleTimes.all();
    },
    HEARD_REST_MS,
    () => `${location.pathname}/last-heard${location.search}`,
  );
  document.addEventListener("htmx:after:swap", () => cells().some((cell) => !cell.firstChild) && askHeard());
  document.addEventListener("fettle:refresh", askHeard);
  setInterval(askHeard, HEARD_EVERY_MS);
  askHeard();
})();
