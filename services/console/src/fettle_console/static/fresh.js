// What somebody has folded out or in stays so when the page around it changes.
htmx.config.morphIgnore.push("open");

// The same address asked again (or what `where` says), at most once a second (or `restMs`), and never twice at a time. While nobody
// sees the page nothing is asked: when it is seen again, fettle:refresh comes. What comes for an address that the page
// has left meanwhile (other filters) is not taken.
window.fettleFresh = (take, restMs = 1000, where = null) => {
  const address = where ?? (() => location.href.split("#")[0]);
  let running = false;
  let again = false;

  const ask = async () => {
    if (document.hidden) return;
    if (running) {
      again = true;
      return;
    }
    running = true;
    const from = address();
    try {
      const answer = await fetch(from, { headers: { accept: "text/html" }, redirect: "manual" });
      if (answer.type === "opaqueredirect") document.dispatchEvent(new CustomEvent("fettle:signed-out"));
      const page = answer.ok && new DOMParser().parseFromString(await answer.text(), "text/html");
      if (from !== address()) again = true;
      else if (page) take(page);
    } catch {
      // The live mark says that the server is away; the next event or poll asks again.
    }
    setTimeout(() => {
      running = false;
      if (again) {
        again = false;
        ask();
      }
    }, restMs);
  };
  return ask;
};

// One section of the page becomes that of a fresh one, where both have it; what is typed and folded out stays.
window.fettleSwap = (id, page) => {
  const [now, then] = [page.getElementById(id), document.getElementById(id)];
  if (now && then) return htmx.swap({ sourceElement: then, target: then, text: now.outerHTML, swap: "outerMorph" });
};

// The health monitor hears of tickets by its own way, maybe after this page does: its pages look again a little later.
window.fettleOnTicket = (ask) =>
  document.addEventListener("fettle:ticket", () => {
    ask();
    for (const laterMs of [3000, 10000]) setTimeout(ask, laterMs);
  });
