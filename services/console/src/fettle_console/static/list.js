// The list of tickets stays true without a jump: `steady.js` says how. A new ticket at the top waits behind "3 new".
(() => {
  const list = () => document.getElementById("list");

  const counts = (fresh) => {
    document.title = fresh.title;
    const [now, then] = [fresh.getElementById("tabs"), document.getElementById("tabs")];
    if (now && now.innerHTML !== then.innerHTML) window.fettleSwap("tabs", fresh);
  };

  const settle = window.fettleSteady({
    section: "list",
    container: "#rows",
    things: "tr",
    saying: (more) => (more && list().dataset.top === "yes" ? `${more} new` : "The list has changed: show"),
  });

  const ask = window.fettleFresh((page) => {
    if (!page.getElementById("list") || !list()) return;
    counts(page);
    settle(page);
  });

  const mark = (ticket) => {
    const row = document.getElementById(`t${ticket.number}`);
    if (row && Number(row.dataset.version) >= ticket.version) return;
    const state = document.getElementById("states").content.querySelector(`[data-state="${ticket.state}"]`);
    if (row && state) row.querySelector(".state").replaceWith(state.cloneNode(true));
    ask();
  };

  // The cursor is part of the address, and the way back from a ticket leads to it.
  document.addEventListener("focusin", (event) => {
    const link = event.target.closest("#rows th a");
    if (link) history.replaceState(history.state, "", `#${link.id}`);
  });
  addEventListener("pagehide", () => sessionStorage.setItem("fettle-list", location.href.slice(location.origin.length)));
  if (location.hash) document.getElementById(location.hash.slice(1))?.closest("#rows th")?.querySelector("a").focus();

  document.addEventListener("fettle:ticket", (event) => mark(event.detail));
  document.addEventListener("fettle:refresh", ask);
})();
