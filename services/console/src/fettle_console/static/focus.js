// When what has the focus goes from the page, the focus goes to what then stands in its place: within the nearest part
// that is still there, else within the whole content. Who has pressed something meanwhile has gone elsewhere by
// themselves.
(() => {
  let pressed = 0;
  for (const press of ["keydown", "pointerdown"]) document.addEventListener(press, () => pressed++, true);

  const CAN = "a[href], button:enabled, input:enabled, select:enabled, textarea:enabled, summary, [tabindex]";
  const able = (within) => [...within.querySelectorAll(CAN)].filter((one) => one.checkVisibility());

  // To be called before something goes.
  window.fettleFocus = () => {
    const had = document.activeElement;
    if (!had || had === document.body) return;
    const places = [];
    for (let within = had.parentElement; within; within = within.parentElement) {
      places.push([within, Math.max(0, able(within).indexOf(had))]);
    }
    const before = pressed;
    setTimeout(() => {
      if (pressed !== before) return;
      if (document.activeElement !== document.body && document.activeElement.checkVisibility()) return;
      for (const [within, at] of places) {
        const there = within.isConnected ? able(within) : [];
        if (!there.length) continue;
        there[Math.min(at, there.length - 1)].focus();
        return;
      }
    });
  };

  document.addEventListener("htmx:before:swap", window.fettleFocus);
})();
