"""Pages at three widths and in both schemes, with the longest names and with none: nothing is cut off or runs out.

Pictures of each are left under the folder that `FETTLE_PICTURES` names, for people to look at.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.browser.test_live_pages import beat, report
from tests.browser.window import Window
from tests.installation import OrgApi, eventually

LONG = "Thermostat of the northern stairwell that nobody has found since the refurbishment " * 2
WORD = "Überlandstromversorgungsunterbrechungsmeldungseingang" * 3

_OVERFLOWING = """
return [...document.querySelectorAll("main, header, nav, #ticket, #list, h1, form, .entry")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.tagName + "#" + element.id)
"""
_FAINT = """
const channel = (c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const paper = (element) => {
  for (; element; element = element.parentElement) {
    const [r, g, b, a = 1] = numbers(getComputedStyle(element).backgroundColor);
    if (a > 0) return [r, g, b];
  }
  return [255, 255, 255];
};
return [...document.querySelectorAll("body *")].filter((element) =>
  element.checkVisibility() && !element.disabled && element.closest("svg, option, [disabled]") === null &&
  [...element.childNodes].some((node) => node.nodeType === 3 && node.nodeValue.trim())
).filter((element) => {
  const [a, b] = [light(numbers(getComputedStyle(element).color)), light(paper(element))].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05) < 4.5;
}).map((element) => element.tagName + "." + element.className + " " + element.textContent.trim().slice(0, 40))
"""
_NAMELESS = """
return [...document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea")].filter((element) =>
  element.checkVisibility() &&
  !(element.textContent.trim() || element.getAttribute("aria-label") || element.labels?.length ||
    element.querySelector("[aria-label]"))
).map((element) => element.outerHTML.slice(0, 80))
"""


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = Path(os.environ.get("FETTLE_PICTURES", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.slow
@pytest.mark.rule("AC-30", "AC-31")
def test_pages_fit_their_window_and_can_be_read(window: Window, org: OrgApi, pictures: Path) -> None:
    number = report(org, LONG[:190], space="oslo/hq/" + "9" * 80, description=f"{LONG}\n\n{WORD}\n\n    {WORD}")
    report(org, WORD[:150], subject={"type": "device", "id": WORD[:150], "name": LONG})
    report(org, "x")
    org.post(f"/tickets/{number}/comments", {"comment": f"| {WORD} | b |\n|---|---|\n| c | {LONG} |"})
    org.post(f"/tickets/{number}/start", {"comment": LONG})
    beat(org, "a", WORD[:150])
    eventually(lambda: len(org.get("/subjects")["items"]) == 2, "two subjects")
    base = f"/orgs/{org.org}"
    pages = {
        "list": f"{base}/tickets?state=all",
        "empty": f"{base}/tickets?state=resolved",
        "ticket": f"{base}/tickets/{number}",
        "edit": f"{base}/tickets/{number}?edit=description",
        "report": f"{base}/tickets/new",
        "health": f"{base}/health",
        "problem": f"{base}/tickets/999",
    }
    faults = []
    for width, dark in ((390, False), (390, True), (1024, False), (1024, True), (1680, False), (1680, True)):
        window.resize(width, 900, dark=dark)
        for name, path in pages.items():
            window.go(path)
            where = f"{name}-{width}-{'dark' if dark else 'light'}"
            window.picture(pictures / f"{where}.png")
            too_wide = window.script("return document.documentElement.scrollWidth") > width
            found = {
                "too wide": ["the page"] * too_wide + window.script(_OVERFLOWING),
                "too faint": window.script(_FAINT),
                "without a name": window.script(_NAMELESS),
            }
            faults += [f"{where} {fault}: {what}" for fault, these in found.items() for what in these]
    assert faults == []
