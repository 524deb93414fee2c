// What a page shows stays where it is: things that carry an id within a container change in their place, with a short
// glow. What would move them waits behind a button while somebody points at them, has moved into them or has scrolled.
window.fettleSteady = ({ section, container, things }) => {
  const news = document.getElementById("news");
  const shown = () => document.getElementById(section);
  const inside = (within) => [...within.querySelectorAll(`${container} > ${things}`)];
  let waiting = null;

  const swap = (target, html) =>
    htmx.swap({ sourceElement: target, target, text: html, swap: "outerMorph", transition: false });

  const glow = (id) => {
    const thing = document.getElementById(id);
    if (!thing) return;
    thing.classList.remove("changed");
    void thing.offsetWidth;
    thing.classList.add("changed");
  };

  const versions = (within) => new Map(inside(within).map((thing) => [thing.id, thing.dataset.version]));

  const calm = () => {
    const here = document.querySelector(container);
    if (!here) return true;
    return scrollY < 120 && !here.matches(":hover") && !here.contains(document.activeElement);
  };

  const apply = async (fresh) => {
    const before = versions(shown());
    waiting = null;
    news.hidden = true;
    await swap(shown(), fresh.outerHTML);
    for (const [id, version] of versions(shown())) if (before.get(id) !== version) glow(id);
  };

  const hold = async (fresh) => {
    for (const thing of inside(shown())) {
      const now = fresh.querySelector(`#${thing.id}`);
      if (!now) {
        thing.classList.add("left");
        continue;
      }
      const changed = now.dataset.version !== thing.dataset.version;
      await swap(thing, now.outerHTML);
      if (changed) glow(thing.id);
    }
    waiting = fresh;
    news.hidden = false;
    news.textContent = "The list has changed: show";
  };

  const order = (within) => inside(within).map((thing) => thing.id).join(" ");

  news.addEventListener("click", () => {
    if (waiting) apply(waiting);
    scrollTo({ top: 0 });
  });

  return async (page) => {
    const fresh = page.getElementById(section);
    if (!fresh || !shown()) return;
    await (calm() || order(fresh) === order(shown()) ? apply(fresh) : hold(fresh));
    window.fettleTimes.all();
  };
};
