// What is pressed in a form of many deeds before the last answers came waits for them, in its order (`hx-sync`). What was
// asked last, asked again meanwhile, is sent once, although the page, and with it the id of its next command, may have
// changed between the two; anything else is another command, although it may not have.
(() => {
  const said = ({ request }) => String(new URLSearchParams([...request.body].filter(([name]) => name !== "command_id")));
  const takesTurns = ({ sourceElement }) => sourceElement?.matches?.("#update, #bulk");
  const unanswered = [];
  let behind = 0;

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (!takesTurns(ctx)) return;
    const { body } = ctx.request;
    if (said(ctx) === unanswered.at(-1)) return void event.preventDefault();
    if (unanswered.length) body.set("command_id", `next-${(behind += 1)}-${body.get("command_id")}`);
    unanswered.push(said(ctx));
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (takesTurns(ctx)) unanswered.shift();
  });
})();
