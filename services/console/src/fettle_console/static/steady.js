// What a list shows stays where it is: things that carry an id within a container change in their place, with a short
// glow; new ones fade in. What would move them waits behind a button, which says `saying(more)` with the number of those
// that came, while somebody reads or points at them, has moved into them, has picked some or has scrolled.
window.fettleSteady = ({ section, container, things, saying = () => "The list has changed: show" }) => {
  const news = document.getElementById("news");
  const shown = () => document.getElementById(section);
  const inside = (within) => [...within.querySelectorAll(`${container} > ${things}`)];
  const versions = (within) => new Map(inside(within).map((thing) => [thing.id, thing.dataset.version]));
  const order = (within) => inside(within).map((thing) => thing.id).join(" ");
  let waiting = null;

  const swap = (target, html) =>
    htmx.swap({ sourceElement: target, target, text: html, swap: "outerMorph", transition: false });

  const flash = (id, name) => {
    const thing = document.getElementById(id);
    if (!thing) return;
    thing.classList.remove("arrived", "changed");
    void thing.offsetWidth;
    thing.classList.add(name);
  };

  const picked = () => document.querySelector(`${container} :checked`) !== null;

  const calm = () => {
    const here = document.querySelector(container);
    if (!here) return true;
    const busy = here.contains(document.activeElement) || document.activeElement === news;
    return scrollY < 120 && !here.matches(":hover") && !busy && getSelection().isCollapsed;
  };

  const apply = async (fresh, byKey = false) => {
    const before = versions(shown());
    waiting = null;
    news.hidden = true;
    const at = byKey ? 0 : inside(shown()).findIndex((thing) => thing.contains(document.activeElement));
    await swap(shown(), fresh.outerHTML);
    const left = inside(shown());
    if (at >= 0 && left.length && !left.some((thing) => thing.contains(document.activeElement))) {
      left[Math.min(at, left.length - 1)].querySelector("th a, h3 a")?.focus(); // the cursor stays where its thing was
    }
    for (const [id, version] of versions(shown())) {
      if (!before.has(id)) flash(id, "arrived");
      else if (before.get(id) !== version) flash(id, "changed");
    }
  };

  const hold = async (fresh) => {
    for (const thing of inside(shown())) {
      const now = fresh.querySelector(`#${thing.id}`);
      if (!now) {
        thing.classList.add("left");
      } else if (now.dataset.version !== thing.dataset.version) {
        await swap(thing, now.outerHTML);
        flash(thing.id, "changed");
      }
    }
    const there = versions(shown());
    waiting = order(fresh) === order(shown()) ? null : fresh;
    news.hidden = waiting === null;
    news.textContent = saying([...versions(fresh).keys()].filter((id) => !there.has(id)).length);
  };

  news.addEventListener("click", (event) => {
    if (waiting) apply(waiting, document.activeElement === news && event.detail === 0);
    scrollTo({ top: 0 });
  });

  // Under other filters what waits is no news any more.
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (ctx.select !== `#${section}`) return;
    waiting = null;
    news.hidden = true;
  });

  return async (page) => {
    const fresh = page.getElementById(section);
    if (!fresh || !shown()) return;
    const still = calm() || order(fresh) === order(shown());
    await (still && !picked() ? apply(fresh) : hold(fresh));
    window.fettleTimes.all();
  };
};
