// The ticket page: fresh when something happens to its ticket, buttons that say what they do, a begun comment kept for
// whoever comes back in this tab, the way back to the list as it was left.
(() => {
  const TOLD_MS = [2000, 10000]; // what an entry starts takes a moment to begin

  const ticket = () => document.getElementById("ticket");

  const relabel = () => {
    const comment = document.getElementById("comment");
    if (!comment) return;
    const some = comment.value.trim() !== "";
    document.querySelectorAll("#update button[data-together]").forEach((button) => {
      button.textContent = some ? button.dataset.together : button.dataset.alone;
    });
    document.querySelectorAll("#update button[data-needs-comment]").forEach((button) => {
      button.disabled = !some;
    });
  };

  const version = (entry) => Number(entry?.dataset.version ?? 0);
  const last = (page) => version([...page.querySelectorAll(".entry")].at(-1));

  // Entries never change: earlier ones that were fetched stay in front of those of a fresh page, unless some between the
  // two were never seen.
  const keepEarlier = (fresh) => {
    const [now, then] = [fresh.querySelector("#timeline"), document.getElementById("timeline")];
    const first = version(now?.querySelector(".entry"));
    const held = [...then.querySelectorAll(".entry")].filter((entry) => version(entry) < first);
    if (!held.length || version(held.at(-1)) !== first - 1) return;
    now.querySelector("#earlier")?.remove();
    const kept = [then.querySelector("#earlier"), ...held].filter(Boolean);
    now.prepend(...kept.map((one) => one.cloneNode(true)));
  };

  const ask = window.fettleFresh((page) => {
    const [now, then] = [page.getElementById("ticket"), ticket()];
    if (!now || !then) return;
    document.title = page.title;
    htmx.swap({ sourceElement: then, target: then, text: now.outerHTML, swap: "outerMorph" });
  });

  document.addEventListener("fettle:ticket", (event) => {
    const { number, version } = event.detail;
    if (Number(ticket().dataset.number) === number && Number(ticket().dataset.version) < version) ask();
  });
  document.addEventListener("fettle:refresh", ask);

  const tell = () => document.hidden || htmx.trigger("#told", "fettle:told");
  const tellLater = () => TOLD_MS.forEach((ms) => setTimeout(tell, ms));
  let known = last(document);
  const welcome = () => {
    for (const entry of document.querySelectorAll(".entry")) {
      if (version(entry) > known) entry.classList.add("arrived");
    }
    if (last(document) > known) tellLater();
    known = last(document);
  };

  const lead = () => {
    const list = sessionStorage.getItem("fettle-list");
    const back = document.getElementById("back");
    if (back && list?.startsWith(`${back.pathname}`)) back.setAttribute("href", list);
  };

  const draft = window.fettleDraft("comment");
  const keep = () => {
    const begun = document.getElementById("comment")?.value;
    if (begun) sessionStorage.setItem(draft, begun);
    else if (begun === "") sessionStorage.removeItem(draft);
  };
  const comment = document.getElementById("comment");
  if (comment && !comment.value) comment.value = sessionStorage.getItem(draft) ?? "";

  document.addEventListener("input", (event) => {
    if (event.target.id !== "comment") return;
    keep();
    relabel();
  });
  document.addEventListener("htmx:after:swap", () => {
    relabel();
    welcome();
    lead();
  });
  document.addEventListener("htmx:before:swap", (event) => {
    for (const { fragment } of event.detail.tasks) if (fragment?.querySelector("#ticket")) keepEarlier(fragment);
  });
  const isUpdate = (ctx) => ctx.sourceElement?.id === "update";
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    if (!isUpdate(ctx) || ctx.response?.status >= 400) return;
    if (!ctx.text?.includes('id="ticket"')) return;
    ctx.sourceElement.querySelector(".others[open]")?.removeAttribute("open");
    const comment = document.getElementById("comment");
    if (comment.value !== ctx.request.body.get("comment")) return; // it is the next one, begun before this answer came
    comment.value = "";
    keep();
    document.dispatchEvent(new CustomEvent("fettle:sent"));
  });

  relabel();
  lead();
})();
