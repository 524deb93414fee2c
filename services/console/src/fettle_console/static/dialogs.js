// Dialogs, and what opens and closes like one: a link or button names the dialog that it opens, a click beside a sheet
// closes it. Texts and addresses to copy.
(() => {
  // Over plain http a browser lets no page write to the clipboard, except on the machine itself. A selected field and the
  // old command work there too; where not even they do, the field stays, selected, and says what to press.
  const byCommand = (button, text) => {
    const field = Object.assign(document.createElement("textarea"), { value: text, rows: 1, readOnly: true });
    field.className = "to-copy";
    field.ariaLabel = field.title = "Press Ctrl+C to copy this";
    button.after(field);
    field.focus({ preventScroll: true });
    field.select();
    const done = document.execCommand("copy");
    if (done) {
      field.remove();
      button.focus();
    } else field.addEventListener("blur", () => field.remove());
    return done;
  };

  const copied = async (button, text) => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      if (!byCommand(button, text)) return;
    }
    button.classList.add("copied");
    const said = document.getElementById("copied");
    if (said) said.textContent = "Copied";
    setTimeout(() => {
      button.classList.remove("copied");
      if (said) said.textContent = "";
    }, 1500);
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
  const until = window.fettleTimes.by({ weekday: "short", hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
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
