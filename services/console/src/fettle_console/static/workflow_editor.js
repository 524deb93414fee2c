// The document of a workflow: a fault leads to its place.
(() => {
  const text = document.getElementById("document");

  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-line]");
    if (!link) return;
    event.preventDefault();
    const lines = text.value.split("\n");
    const line = Math.min(Number(link.dataset.line), lines.length) - 1;
    const before = lines.slice(0, line).reduce((sum, one) => sum + one.length + 1, 0);
    const from = before + Math.min(Number(link.dataset.column) - 1, lines[line].length);
    text.focus();
    text.setSelectionRange(from, before + lines[line].length);
    text.scrollTop = (text.scrollHeight / lines.length) * Math.max(0, line - 5);
    text.scrollIntoView({ block: "nearest" });
  });
})();
