// A text in Markdown: what it will look like, and sent by Ctrl+Enter.
(() => {
  const show = async (editor, mode) => {
    const text = editor.querySelector("textarea");
    const preview = editor.querySelector(".preview");
    for (const button of editor.querySelectorAll(".mode")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    }
    if (mode === "write") {
      preview.hidden = true;
      text.hidden = false;
      text.focus();
      return;
    }
    preview.style.minHeight = `${text.offsetHeight}px`;
    let html = "";
    try {
      const body = new URLSearchParams({ text: text.value });
      const answer = await fetch(editor.dataset.preview, { method: "POST", body });
      html = answer.ok ? await answer.text() : "";
      preview.classList.toggle("hint", !html);
      preview.innerHTML = html || (answer.ok ? "Nothing to show yet." : "No preview: sign in again in another tab.");
    } catch {
      preview.textContent = "No preview: Fettle does not answer. Your text is kept.";
    }
    text.hidden = true;
    preview.hidden = false;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".editor .mode");
    if (button) show(button.closest(".editor"), button.dataset.mode);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    const form = event.target.closest?.(".editor textarea")?.form;
    if (!form) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector(".main:not(:disabled)") ?? undefined);
  });
  // What has been sent is no preview of what comes next.
  document.addEventListener("fettle:sent", () => {
    const editor = document.querySelector("#update .editor");
    if (editor?.querySelector("textarea").hidden) show(editor, "write");
  });
})();
