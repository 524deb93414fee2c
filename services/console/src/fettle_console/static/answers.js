// An answer that is not what was asked for (a part of Fettle away, the session over, none at all) leaves the page as it
// is, with what was typed, and is said at its foot until the next one comes.
(() => {
  const strip = document.getElementById("unanswered");
  if (!strip) return;

  const say = (words) => {
    strip.querySelector("p").textContent = words;
    strip.hidden = words === "";
  };
  strip.querySelector("button").addEventListener("click", () => say(""));

  // What the page asks by itself it asks again by itself.
  const byItself = (ctx) => ctx.sourceEvent?.isTrusted === false;

  const unanswered = (ctx, words) => {
    const waiting = document.querySelector(`${ctx.select}[aria-busy="true"]`);
    if (waiting) {
      waiting.ariaBusy = "false";
      waiting.replaceChildren(Object.assign(document.createElement("p"), { textContent: words }));
    } else if (!byItself(ctx)) say(words);
  };

  document.addEventListener("htmx:before:swap", (event) => {
    const { ctx } = event.detail;
    if (!ctx.select || !ctx.response) return;
    const page = new DOMParser().parseFromString(ctx.text, "text/html");
    if (page.querySelector(ctx.select)) {
      if (!byItself(ctx)) say("");
      return;
    }
    event.preventDefault();
    const message = page.getElementById("problem-message")?.textContent;
    unanswered(ctx, message ?? "You were signed out. Sign in again in another tab; what you typed is still on this page.");
  });

  document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (ctx?.select) unanswered(ctx, "Fettle does not answer. What you typed is still on this page; try again in a moment.");
  });
})();
