// The list stays true without a jump. What changed in a row is shown in its place. What would move rows waits behind
// "3 new" while somebody reads or points at the list, or has scrolled; otherwise it fades in at the top.
(() => {
  const news = document.getElementById("news");
  const list = () => document.getElementById("list");
  const rows = (within) => [...within.querySelectorAll("#rows > tr")];
  let waiting = null;

  const swap = (target, html) =>
    htmx.swap({ sourceElement: target, target, text: html, swap: "outerMorph", transition: false });

  const flash = (id, name) => {
    const row = document.getElementById(id);
    if (!row) return;
    row.classList.remove("arrived", "changed");
    void row.offsetWidth;
    row.classList.add(name);
  };

  const calm = () => {
    const shown = document.getElementById("rows");
    if (!shown) return true;
    if (shown.querySelector(".c-pick :checked")) return false;
    return scrollY < 120 && !shown.matches(":hover") && !shown.contains(document.activeElement) && getSelection().isCollapsed;
  };

  const counts = (fresh) => {
    document.title = fresh.title;
    const [now, then] = [fresh.getElementById("tabs"), document.getElementById("tabs")];
    if (now.innerHTML !== then.innerHTML) swap(then, now.outerHTML);
  };

  const versions = (within) => new Map(rows(within).map((row) => [row.id, row.dataset.version]));

  const apply = async (fresh) => {
    const before = versions(list());
    const after = versions(fresh);
    waiting = null;
    news.hidden = true;
    const at = rows(list()).findIndex((row) => row.contains(document.activeElement));
    await swap(list(), fresh.outerHTML);
    const left = rows(list());
    if (at >= 0 && !left.some((row) => row.contains(document.activeElement))) {
      left[Math.min(at, left.length - 1)]?.querySelector("th a").focus(); // the cursor stays where its row was
    }
    for (const [id, version] of after) {
      if (!before.has(id)) flash(id, "arrived");
      else if (before.get(id) !== version) flash(id, "changed");
    }
  };

  const hold = async (fresh) => {
    const after = versions(fresh);
    for (const row of rows(list())) {
      const now = fresh.querySelector(`#${row.id}`);
      if (!now) {
        row.classList.add("left");
      } else if (now.dataset.version !== row.dataset.version) {
        await swap(row, now.outerHTML);
        flash(row.id, "changed");
      }
    }
    const shown = versions(list());
    const fewer = [...shown.keys()].filter((id) => !after.has(id)).length;
    const more = [...after.keys()].filter((id) => !shown.has(id)).length;
    waiting = fewer || more ? fresh : null;
    news.hidden = waiting === null;
    news.textContent = more && list().dataset.top === "yes" ? `${more} new` : "The list has changed: show";
  };

  const ask = window.fettleFresh(async (page) => {
    const fresh = page.getElementById("list");
    if (!fresh || !list()) return;
    counts(page);
    await (calm() ? apply(fresh) : hold(fresh));
    window.fettleTimes.all();
  });

  const mark = (ticket) => {
    const row = document.getElementById(`t${ticket.number}`);
    if (row && Number(row.dataset.version) >= ticket.version) return;
    const state = document.getElementById("states").content.querySelector(`[data-state="${ticket.state}"]`);
    if (row && state) row.querySelector(".state").replaceWith(state.cloneNode(true));
    ask();
  };

  news.addEventListener("click", () => {
    if (waiting) apply(waiting);
    scrollTo({ top: 0 });
  });
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
