// What is begun in a form that takes a while (`data-draft`) is kept in this tab until it is sent or discarded, and is there
// again for whoever walked away. It was sent when the answer led elsewhere: a refusal, or a problem, is shown in its place.
// It is kept for one person of one org, and goes when they sign out.
(() => {
  const who = document.querySelector(".person")?.dataset.who;
  window.fettleDraft = (what) => `fettle-${what} ${who} ${location.pathname}`;
  document.addEventListener("submit", ({ target }) => {
    if (target.getAttribute("action") !== "/sign-out") return;
    for (const key of Object.keys(sessionStorage)) if (/^fettle-(draft|comment|sent)/.test(key)) sessionStorage.removeItem(key);
  });

  const SENT = "fettle-sent";
  const sent = sessionStorage.getItem(SENT);
  sessionStorage.removeItem(SENT);
  const answeredHere = Boolean(sent?.endsWith(` ${location.pathname}`));
  const [visit] = performance.getEntriesByType("navigation");
  if (sent && !answeredHere && visit.redirectCount > 0) sessionStorage.removeItem(sent);

  const form = document.querySelector("form[data-draft]");
  const draft = form ? window.fettleDraft("draft") : answeredHere ? sent : null;
  document.addEventListener("submit", ({ target }) => {
    if (draft && target.matches("[data-draft], #problem form")) sessionStorage.setItem(SENT, draft);
  });
  if (!form) return;

  const written = () => JSON.stringify([...new FormData(form)].filter(([name]) => name !== "command_id"));
  const untouched = answeredHere ? null : written();
  const keep = () => {
    if (written() === untouched) sessionStorage.removeItem(draft);
    else sessionStorage.setItem(draft, written());
  };
  const kept = sessionStorage.getItem(draft);
  if (answeredHere) keep();
  else if (kept) {
    for (const [name, value] of JSON.parse(kept)) form.elements[name].value = value;
    document.getElementById("restored").hidden = false;
  }
  form.addEventListener("input", keep);
  form.addEventListener("change", keep);
  document.addEventListener("click", ({ target }) => {
    if (target.closest("[data-discards]")) sessionStorage.removeItem(draft);
  });
})();
