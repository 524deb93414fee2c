// Whether judging is late: asked every ten seconds while somebody looks, as judging that has come to a stop sends no event.
(() => {
  const EVERY_MS = 10000;
  const strip = document.getElementById("judging");
  if (!strip) return;

  const ask = async () => {
    if (document.hidden) return;
    try {
      const answer = await fetch(strip.dataset.from, { redirect: "manual" });
      if (!answer.ok) return;
      const said = (await answer.text()).trim();
      if (Boolean(said) !== Boolean(strip.textContent.trim()) || said) strip.innerHTML = said;
      window.fettleTimes.all();
    } catch {
      // The live mark says that the server is away.
    }
  };
  ask();
  setInterval(ask, EVERY_MS);
  document.addEventListener("fettle:refresh", ask);
})();
