// Times: relative for the eye, exact on hover, by the org's clock and without one by the reader's own. The server writes
// the same words.
(() => {
  const { zone } = document.body.dataset;
  const by = (form, language) => {
    try {
      return new Intl.DateTimeFormat(language, { ...form, timeZone: zone });
    } catch {
      return new Intl.DateTimeFormat(language, form); // a zone that this browser does not know: exact times name theirs
    }
  };
  const exact = by({ dateStyle: "medium", timeStyle: "long", hourCycle: "h23" });
  const clock = by({ timeStyle: "medium", hourCycle: "h23" });
  const day = by({ dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });
  const field = by({ dateStyle: "short", timeStyle: "medium" }, "sv"); // as ISO 8601 writes it

  // What a field for a time holds of an instant, and the instant of what stands in one: of two, the first.
  const DAY_MS = 86_400_000;
  const wall = (at) => field.format(at).replace(" ", "T");
  const ahead = (at) => Date.parse(`${wall(new Date(at))}Z`) - at;
  const instant = (text) => {
    const read = Date.parse(`${text}Z`);
    const shows = (at) => at + ahead(at) === read;
    const [first, second] = [read - DAY_MS, read + DAY_MS].map((near) => read - ahead(near));
    return new Date(shows(second) && !shows(first) ? second : first);
  };

  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole >= 2 * 86400) return `${Math.floor(whole / 86400)} d`;
    if (whole >= 3600) return `${Math.floor(whole / 3600)} h`;
    if (whole >= 60) return `${Math.floor(whole / 60)} min`;
    return `${whole} s`;
  };

  const said = (kind, at) => {
    if ("clock" in kind) return clock.format(at);
    if ("hour" in kind) return clock.format(at).slice(0, 5);
    if ("day" in kind) return day.format(at);
    const ago = (Date.now() - at.getTime()) / 1000;
    return ago < 5 ? "now" : `${span(ago)}${"ago" in kind ? " ago" : ""}`;
  };

  const show = (element) => {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) return;
    const title = exact.format(at);
    if (element.title !== title) element.title = title;
    const words = said(element.dataset, at);
    if (element.textContent !== words) element.textContent = words; // else readers say it again and again
  };

  const all = () => document.querySelectorAll("time[datetime]").forEach(show);
  window.fettleTimes = { all, by, clock, instant, show, wall };
  all();
  setInterval(all, 5000);
  document.addEventListener("htmx:after:swap", all);
})();
