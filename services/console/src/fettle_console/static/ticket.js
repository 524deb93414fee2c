// The ticket page: fresh when something happens to its ticket, buttons that say what they do, the way back to the list
// as it was left.
(() => {
  const TOLD_MS = 2000; // what an entry starts takes a moment to begin

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

  const ask = window.fettleFresh((page) => {
    const [now, then] = [page.getElementById("ticket"), ticket()];
    if (!now || !then) return;
    document.title = page.title;
    if (now.querySelectorAll(".entry").length !== then.querySelectorAll(".entry").length) {
      setTimeout(() => htmx.trigger("#told", "fettle:told"), TOLD_MS);
    }
    htmx.swap({ sourceElement: then, target: then, text: now.outerHTML, swap: "outerMorph" });
  });

  document.addEventListener("fettle:ticket", (event) => {
    const { number, version } = event.detail;
    if (Number(ticket().dataset.number) === number && Number(ticket().dataset.version) < version) ask();
  });
  document.addEventListener("fettle:refresh", ask);

  const known = new Set();
  const welcome = (first) => {
    for (const entry of document.querySelectorAll(".entry")) {
      if (!first && !known.has(entry.id)) entry.classList.add("arrived");
      known.add(entry.id);
    }
  };

  const lead = () => {
    const list = sessionStorage.getItem("fettle-list");
    const back = document.getElementById("back");
    if (back && list?.startsWith(`${back.pathname}`)) back.setAttribute("href", list);
  };

  document.addEventListener("input", (event) => event.target.id === "comment" && relabel());
  document.addEventListener("htmx:after:swap", () => {
    relabel();
    welcome(false);
    lead();
  });
  document.addEventListener("htmx:before:swap", (event) => {
    // An answer without the ticket (signed out, service away) must not wipe what is there, or what was typed.
    const { ctx } = event.detail;
    if (ctx.select !== "#ticket" || ctx.text.includes('id="ticket"')) return;
    event.preventDefault();
    const page = new DOMParser().parseFromString(ctx.text, "text/html");
    const message = page.getElementById("problem-message")?.textContent ?? "Fettle did not answer. Try again.";
    const form = document.getElementById("update");
    if (ctx.sourceElement !== form || !form) return;
    let refused = form.querySelector(".refused");
    if (!refused) {
      refused = Object.assign(document.createElement("p"), { className: "refused" });
      refused.setAttribute("role", "alert");
      form.prepend(refused);
    }
    refused.textContent = message;
  });
  let sent = "";
  document.addEventListener("htmx:before:request", (event) => {
    if (event.detail.ctx.sourceElement?.id === "update") sent = document.getElementById("comment").value;
  });
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement?.id !== "update" || ctx.response?.status >= 400) return;
    if (!ctx.text?.includes('id="ticket"')) return;
    const comment = document.getElementById("comment");
    if (comment.value !== sent) return; // it is the next one, begun before this answer came
    comment.value = "";
    document.dispatchEvent(new CustomEvent("fettle:sent"));
  });

  relabel();
  welcome(true);
  lead();
})();
