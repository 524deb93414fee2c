// Keyboard first: every key does what a visible link, button or field does.
(() => {
  const typing = (element) => element.closest?.("input, textarea, select, [contenteditable]");
  const links = () => [...document.querySelectorAll("#rows th a")];
  let going = false;

  const move = (step) => {
    const all = links();
    if (!all.length) return;
    const at = all.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    all[next].focus();
    all[next].closest("tr").scrollIntoView({ block: "nearest" });
  };

  const press = (value) => document.querySelector(`#update button[value="${value}"]`)?.click();
  const org = location.pathname.split("/")[2];
  const dialog = document.getElementById("keys");

  const deeds = {
    j: () => move(1),
    k: () => move(-1),
    "/": () => document.getElementById("q")?.focus(),
    n: () => document.getElementById("news")?.click(),
    c: () => document.getElementById("comment")?.focus(),
    s: () => press("start"),
    r: () => press("resolve"),
    "?": () => dialog.showModal(),
  };
  const places = { t: `/orgs/${org}/tickets`, h: `/orgs/${org}/health` };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(event.target)) event.target.blur();
    if (typing(event.target) || dialog.open) return;
    if (going) {
      going = false;
      if (places[event.key]) location.href = places[event.key];
      return;
    }
    if (event.key === "g") {
      going = true;
      setTimeout(() => (going = false), 1000);
      return;
    }
    if (!deeds[event.key]) return;
    event.preventDefault();
    deeds[event.key]();
  });
  document.querySelectorAll("[data-keys]").forEach((button) => button.addEventListener("click", () => dialog.showModal()));
})();
