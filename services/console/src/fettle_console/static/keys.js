// Keyboard first: every key does what a visible link, button or field does. Who speaks to the computer, or strikes keys
// by mistake, switches the keys that are one character off, in this browser; Escape stays.
(() => {
  const OFF = "fettle-keys-off";
  const typing = (element) => element.closest?.("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]");
  let going = false;

  // In a row the cursor stands on what opens it, else on its heading: never on what would change something.
  const move = (step) => {
    const all = [...document.querySelectorAll("#rows > tr")];
    if (!all.length) return;
    const at = all.indexOf(row());
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    const heading = all[next].querySelector("th");
    const place = heading.querySelector("a") ?? heading;
    if (place === heading) heading.tabIndex = -1;
    place.focus();
    all[next].scrollIntoView({ block: "nearest" });
  };

  const press = (value) => document.querySelector(`#update button[value="${value}"]`)?.click();
  const row = () => document.activeElement.closest?.("#rows tr") ?? null;
  const tick = () => row()?.querySelector(".c-pick input");

  // On the list a deed is done to what is selected, else to the ticket at the cursor. What was picked by such a key alone,
  // and is being sent, is no selection for a key at another row.
  const picked = () => [...document.querySelectorAll("#rows .c-pick :checked")];
  let alone = null;
  const many = (deed) => {
    const bulk = document.getElementById("bulk");
    if (!bulk) return press(deed);
    const [only, ...others] = picked();
    const sending = bulk.classList.contains("htmx-request") && only?.value === alone && !others.length;
    if (sending && row() && row() !== only.closest("tr")) only.click();
    if (!picked().length) {
      tick()?.click();
      alone = tick()?.value ?? null;
    }
    if (!picked().length) return undefined;
    if (deed === "comment") return document.getElementById("bulk-comment").focus();
    return bulk.requestSubmit(bulk.querySelector(`[value="${deed}"]`));
  };
  const org = location.pathname.split("/")[2];
  const dialog = document.getElementById("keys");

  const deeds = {
    j: () => move(1),
    k: () => move(-1),
    x: () => tick()?.click(),
    "/": () => document.getElementById("q")?.focus(),
    n: () => document.getElementById("news")?.click(),
    c: () => {
      const field = document.getElementById("comment");
      if (field) field.focus();
      else many("comment");
    },
    s: () => many("start"),
    r: () => many("resolve"),
    "?": () => dialog.showModal(),
    Escape: () => document.getElementById("unpick")?.click(),
  };
  const places = {
    t: `/orgs/${org}/tickets`, h: `/orgs/${org}/health/overview`, w: `/orgs/${org}/workflows`, a: `/orgs/${org}/settings`,
  };

  const single = document.getElementById("single-keys");
  single.checked = localStorage.getItem(OFF) === null;
  single.addEventListener("change", () => {
    if (single.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "yes");
  });
  const off = (key) => key.length === 1 && localStorage.getItem(OFF) !== null; // as it is now, in all tabs

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && typing(event.target)) {
      event.target.blur();
      return;
    }
    if (typing(event.target) || document.querySelector("dialog[open]") || off(event.key)) return;
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
})();
