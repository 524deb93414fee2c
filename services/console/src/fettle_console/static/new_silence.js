// A new silence: only the fields that count are shown, the clock is the org's or else the reader's own, and what it
// would cover follows what is typed. What is not shown yet cannot be made.
(() => {
  const REST_MS = 400;
  const form = document.getElementById("new-silence");
  const { zone } = form.elements;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone.value === "UTC" && own && !document.body.dataset.zone) zone.value = own;
  let timer = null;
  let asked = 0;

  const chosen = (name) => form.elements[name].value;
  const arrange = () => {
    for (const part of form.querySelectorAll("[data-for]")) part.hidden = part.dataset.for !== chosen("whom");
    form.querySelector(".other").hidden = chosen("length") !== "other";
    form.querySelector("[data-again]").hidden = chosen("rule") === "";
    form.querySelector("[data-custom]").hidden = chosen("rule") !== "custom";
    form.querySelector("[data-shows]").hidden = true;
  };

  const show = async () => {
    const turn = ++asked;
    const said = new URLSearchParams(new FormData(form));
    said.set("action", "show");
    try {
      const answer = await fetch(form.getAttribute("action"), { method: "POST", body: said, redirect: "manual" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (turn !== asked) return;
      if (!page.getElementById("covers")) throw new Error("another page");
      await window.fettleSwap("covers", page);
      arrange();
      window.fettleTimes.all();
    } catch {
      form.querySelector("[data-shows]").hidden = false;
    }
  };

  form.addEventListener("input", () => {
    asked++;
    arrange();
    for (const button of form.querySelectorAll("[value='make']")) button.disabled = true;
    clearTimeout(timer);
    timer = setTimeout(show, REST_MS);
  });
  arrange();
  if (chosen("subject") || chosen("whom") === "selection") show();
})();
