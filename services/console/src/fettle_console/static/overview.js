// The overview: fresh a few seconds after something changed, as every change of the fleet is in it, and twice a minute,
// as its day goes on. The day of a large fleet, which takes a while to count, is asked for when the rest is there.
(() => {
  const REST_MS = 5000;
  const EVERY_MS = 30000;
  const ask = window.fettleFresh(
    window.fettleSteady({ section: "overview", container: "#tiles", things: "li" }),
    REST_MS,
    () => `${location.pathname}?day=true`,
  );
  if (document.getElementById("overview").ariaBusy) ask();
  document.addEventListener("fettle:health", ask);
  window.fettleOnTicket(ask);
  document.addEventListener("fettle:refresh", ask);
  setInterval(ask, EVERY_MS);
})();
