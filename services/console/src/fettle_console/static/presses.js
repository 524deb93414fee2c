// What is pressed in a form of many deeds before the last answer came waits for that (`hx-sync`). The same is sent once,
// although the page, and with it the id of its next command, may have changed between the two; anything else is another
// command, although it may not have.
(() => {
  const said = ({ request }) => String(new URLSearchParams([...request.body].filter(([name]) => name !== "command_id")));
  const takesTurns = ({ sourceElement }) => sourceElement?.matches?.("#update, #bulk");
  let underWay = null;

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (!takesTurns(ctx) || underWay === null) return;
    const { body } = ctx.request;
    if (said(ctx) === underWay) event.preventDefault();
    else body.set("command_id", `next-${body.get("command_id")}`);
  });
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (takesTurns(ctx)) underWay = said(ctx);
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (takesTurns(ctx)) underWay = null;
  });
})();
