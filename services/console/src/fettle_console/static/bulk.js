// Selecting tickets to do the same to many. The selection survives what the list learns meanwhile.
(() => {
  const bulk = document.getElementById("bulk");
  if (!bulk) return;
  const picked = new Set();
  let last = null;
  const boxes = () => [...document.querySelectorAll("#rows .c-pick input")];

  const show = () => {
    const shown = boxes();
    for (const box of shown) box.checked = picked.has(box.value);
    const present = new Set(shown.map((box) => box.value));
    for (const number of picked) if (!present.has(number)) picked.delete(number);
    document.getElementById("picked").textContent = `${picked.size} selected`;
    const all = document.getElementById("pick-all");
    if (all) {
      all.checked = picked.size > 0 && picked.size === shown.length;
      all.indeterminate = picked.size > 0 && !all.checked;
    }
    const some = document.getElementById("bulk-comment").value.trim() !== "";
    bulk.querySelectorAll("[data-together]").forEach((button) => {
      button.textContent = some ? button.dataset.together : button.dataset.alone;
    });
    bulk.querySelector("[data-needs-comment]").disabled = !some;
  };

  // The bar goes with the selection: from there the cursor goes to what was picked last.
  const leave = () => {
    if (!bulk.contains(document.activeElement)) return;
    (document.getElementById(`open${last}`) ?? document.querySelector("#rows th a, #main")).focus();
  };

  const pick = (box, wanted) => picked[wanted ? "add" : "delete"](box.value);

  document.addEventListener("click", (event) => {
    const box = event.target.closest(".c-pick input");
    if (event.target.closest("#unpick")) {
      picked.clear();
      leave();
    } else if (event.target.id === "pick-all") boxes().forEach((each) => pick(each, event.target.checked));
    else if (box) {
      const all = boxes();
      const [from, to] = [all.findIndex((each) => each.value === last), all.indexOf(box)].sort((a, b) => a - b);
      if (event.shiftKey && from >= 0) all.slice(from, to + 1).forEach((each) => pick(each, box.checked));
      pick(box, box.checked);
      last = box.value;
    } else if (event.target.closest("[data-dismiss]")) {
      event.preventDefault();
      window.fettleFocus();
      document.getElementById("outcome").replaceChildren();
      return;
    } else return;
    show();
  });
  document.addEventListener("input", (event) => event.target.id === "bulk-comment" && show());
  document.addEventListener("htmx:after:swap", show);
  document.addEventListener("htmx:after:request", (event) => {
    const { ctx } = event.detail;
    if (!ctx.sourceElement?.getAttribute("action")?.endsWith("/tickets/bulk") || !ctx.text?.includes('id="outcome"')) return;
    if (ctx.sourceElement === bulk && ctx.response?.status < 400) {
      const sent = ctx.request.body; // what was picked and typed meanwhile is for the next time
      for (const number of sent.getAll("number")) picked.delete(number);
      const comment = document.getElementById("bulk-comment");
      if (comment.value === sent.get("comment")) comment.value = "";
      if (!picked.size) leave();
    }
    show();
    document.dispatchEvent(new CustomEvent("fettle:refresh"));
  });
  show();
})();
