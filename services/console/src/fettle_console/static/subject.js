// A subject's page: why at the instant that is clicked or written, and fresh when the subject changes.
(() => {
  const { wall, instant } = window.fettleTimes;
  const form = document.getElementById("ask-why");
  const field = document.getElementById("at");

  const shown = () => {
    const picture = document.getElementById("day");
    const [start, end] = [picture.dataset.start, picture.dataset.end].map((text) => new Date(text).getTime());
    return { picture, start, length: end - start };
  };

  // What takes a moment says so at once; neither question waits for the other.
  const bring = (path, query, id, words) => {
    const place = document.getElementById(id);
    place.ariaBusy = "true";
    place.replaceChildren(Object.assign(document.createElement("p"), { className: "hint", textContent: words }));
    const asked = { source: `#${id}-then`, target: `#${id}`, select: `#${id}`, swap: "outerHTML" };
    return htmx.ajax("GET", `${path}?${query}`, asked);
  };

  const ask = (at) => {
    const { start, length } = shown();
    const mark = document.getElementById("instant");
    mark.setAttribute("d", `M${Math.round((86400 * (at.getTime() - start)) / length)} 0V84`);
    mark.removeAttribute("hidden");
    field.value = wall(at);
    const query = new URLSearchParams({ subject: form.elements.subject.value, at: at.toISOString() });
    bring(form.getAttribute("action"), query, "why", "Judging it again from the log …");
  };

  document.addEventListener("click", (event) => {
    const { picture, start, length } = shown();
    const link = event.target.closest("[data-why]");
    if (link) {
      event.preventDefault();
      ask(new Date(link.dataset.why));
      picture.scrollIntoView({ block: "nearest" });
    } else if (picture.contains(event.target) && !event.target.closest("a")) {
      const box = picture.getBoundingClientRect();
      ask(new Date(start + ((event.clientX - box.left) / box.width) * length));
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const from = event.submitter?.getAttribute("formaction");
    if (!from) return ask(instant(field.value));
    const query = new URLSearchParams({ subject: form.elements.subject.value, at: instant(field.value).toISOString() });
    return bring(from, query, "heard", "Reading them from the log …");
  });

  const fresh = window.fettleFresh((page) => {
    if (!page.getElementById("subject")) return;
    document.title = page.title;
    window.fettleSwap("subject", page);
  });
  document.addEventListener("fettle:health", fresh);
  window.fettleOnTicket(fresh);
  document.addEventListener("fettle:refresh", fresh);

  field.value = wall(new Date(shown().picture.dataset.end));
})();
