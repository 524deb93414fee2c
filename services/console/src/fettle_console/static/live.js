// Is what the page shows the present? The stream beats every five seconds; without it the page says so and asks by
// itself. Pages listen for three events on the document: fettle:ticket (with the number), fettle:health, fettle:refresh
// (something may have been missed).
(() => {
  const LOST_MS = 12000;
  const POLL_MS = 10000;
  const RETRY_MS = 3000;

  const status = document.getElementById("live");
  if (!status) return;
  const said = status.querySelector(".said");
  const asOf = status.querySelector("time");
  let heard = Date.now();
  let polled = 0;
  let since = null;

  const tell = (name, detail) => document.dispatchEvent(new CustomEvent(`fettle:${name}`, { detail }));

  const show = (live) => {
    if (live) {
      since = null;
      status.dataset.live = "yes";
      said.textContent = "live";
      return;
    }
    since ??= new Date(asOf.dateTime);
    status.dataset.live = "no";
    said.textContent = `not live since ${window.fettleTimes.clock.format(since).slice(0, 5)}, retrying`;
  };

  const parsed = (event) => {
    try {
      return JSON.parse(event.detail.data);
    } catch {
      return {};
    }
  };

  status.addEventListener("beat", (event) => {
    const beat = parsed(event);
    heard = Date.now();
    if (beat.as_of) {
      asOf.dateTime = beat.as_of;
      window.fettleTimes.show(asOf);
    }
    const back = since !== null && beat.live;
    show(beat.live === true);
    if (back) tell("refresh");
  });
  status.addEventListener("ticket", (event) => {
    heard = Date.now();
    tell("ticket", parsed(event));
  });
  status.addEventListener("health", () => {
    heard = Date.now();
    tell("health");
  });
  status.addEventListener("reset", () => tell("refresh"));

  // htmx begins by a timer, which on a slow way is over before its extension has come: a stream that it met then would
  // never be followed. By another timer, which comes behind that one, it is told of the stream when both are there.
  setTimeout(() => {
    status.setAttribute("hx-sse:connect", status.dataset.stream);
    htmx.process(status);
  });

  // The extension connects again by itself once it has been connected; the very first time is ours to repeat.
  status.addEventListener("htmx:error", () => {
    show(false);
    setTimeout(() => htmx.trigger(status, "live-again"), RETRY_MS);
  });
  status.addEventListener("htmx:sse:error", () => show(false));
  status.addEventListener("htmx:sse:close", () => {
    setTimeout(() => htmx.trigger(status, "live-again"), RETRY_MS);
  });

  // The number of open tickets stands in the tab, too.
  document.addEventListener("htmx:after:swap", () => {
    const open = document.getElementById("open-count")?.textContent.trim();
    const title = document.title.replace(/^\(\d+\) /, "");
    document.title = open && open !== "0" ? `(${open}) ${title}` : title;
  });

  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    heard = Date.now();
    tell("refresh");
  });

  document.addEventListener("fettle:signed-out", () => {
    status.dataset.live = "no";
    said.textContent = "signed out: sign in again in another tab";
    since ??= new Date(asOf.dateTime);
  });

  setInterval(() => {
    if (document.hidden) return;
    if (Date.now() - heard > LOST_MS) show(false);
    if (since !== null && Date.now() - polled > POLL_MS) {
      polled = Date.now();
      tell("refresh");
    }
  }, 1000);
})();
