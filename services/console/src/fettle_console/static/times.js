// Times: relative for the eye, exact and in the reader's zone on hover. The server writes the same words.
(() => {
  const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium", hourCycle: "h23" });

  const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole >= 2 * 86400) return `${Math.floor(whole / 86400)} d`;
    if (whole >= 3600) return `${Math.floor(whole / 3600)} h`;
    if (whole >= 60) return `${Math.floor(whole / 60)} min`;
    return `${whole} s`;
  };

  const show = (element) => {
    const at = new Date(element.dateTime);
    if (Number.isNaN(at.getTime())) return;
    if ("clock" in element.dataset) {
      element.textContent = clock.format(at);
      return;
    }
    if ("hour" in element.dataset) {
      element.textContent = clock.format(at).slice(0, 5);
      return;
    }
    if ("day" in element.dataset) {
      element.textContent = day.format(at);
      return;
    }
    const ago = (Date.now() - at.getTime()) / 1000;
    const words = ago < 5 ? "now" : `${span(ago)}${"ago" in element.dataset ? " ago" : ""}`;
    if (element.textContent !== words) element.textContent = words;
    const title = exact.format(at);
    if (element.title !== title) element.title = title;
  };

  const all = () => document.querySelectorAll("time[datetime]").forEach(show);
  window.fettleTimes = { all, clock };
  all();
  setInterval(all, 5000);
  document.addEventListener("htmx:after:swap", all);
})();
