// Dialogs, and what opens and closes like one: a link or button names the dialog that it opens, a click beside a sheet
// closes it. Texts and addresses to copy.
(() => {
  const copied = async (button, text) => {
    await navigator.clipboard.writeText(text);
    button.classList.add("copied");
    setTimeout(() => button.classList.remove("copied"), 1500);
  };

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-opens]");
    const dialog = opener && document.getElementById(opener.dataset.opens);
    if (dialog) {
      event.preventDefault();
      dialog.showModal();
    }
    const closer = event.target.closest("dialog [data-closes]");
    if (closer) {
      event.preventDefault();
      closer.closest("dialog").close();
    }
    if (event.target instanceof HTMLDialogElement) event.target.close(); // the backdrop is the dialog's own
    for (const sheet of document.querySelectorAll("details:has(> .sheet)[open]")) {
      if (!sheet.contains(event.target)) sheet.open = false;
    }
    const button = event.target.closest("[data-copy], [data-copy-id], [data-copy-text]");
    if (!button) return;
    const { copy, copyId } = button.dataset;
    if (copy) copied(button, new URL(copy, location.href).href);
    else copied(button, copyId ?? button.parentElement.querySelector("code").textContent);
  });

  document.addEventListener("keydown", (event) => {
    const sheet = event.key === "Escape" && event.target.closest?.("details:has(> .sheet)[open]");
    if (!sheet) return;
    sheet.open = false;
    sheet.querySelector("summary").focus();
  });

  const shown = document.querySelector("dialog[open]"); // by its address, without a script it stands in the page
  if (shown) {
    shown.close();
    shown.showModal();
    const opener = [...document.links].find((link) => link.href === location.href);
    shown.addEventListener("close", () => opener?.focus());
  }

  const silence = document.getElementById("silence");
  if (!silence) return;
  const until = new Intl.DateTimeFormat(undefined, { weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const say = () => {
    const chosen = silence.querySelector("[name=length_s]:checked");
    const scope = silence.querySelector("[name=scope]:checked");
    silence.querySelector("[data-length]").textContent = `Silence for ${chosen.dataset.words}`;
    silence.querySelector("[data-until]").textContent = until.format(new Date(Date.now() + chosen.value * 1000));
    if (scope) silence.querySelector("b[data-whom]").textContent = scope.dataset.whom;
  };
  for (const moment of ["change", "focusin"]) silence.addEventListener(moment, say); // a page may stand there for hours
  say();
})();
