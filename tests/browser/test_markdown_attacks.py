"""What the console makes of Markdown, in a real browser and without the page's own defences: nothing is carried out,
no element is there that fetches or acts, and links lead to where links may lead."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium import webdriver

from fettle_console.views.markdown import render
from tests.browser.markdown_attacks import attacks

_BEGIN = """<!doctype html><meta charset="utf-8"><script>
window.calls = [];
window.fired = (what) => window.calls.push(what);
</script>
"""
_PROVOKED = """
const found = [];
const allowed = new Set(arguments[0]);
for (const box of document.querySelectorAll("div.case")) {
  for (const element of box.querySelectorAll("*")) {
    if (!allowed.has(element.localName)) found.push([box.dataset.place, "element " + element.localName]);
    for (const name of element.getAttributeNames())
      if (!["href", "title", "rel", "start"].includes(name)) found.push([box.dataset.place, "attribute " + name]);
    if (element.localName === "a" && element.hasAttribute("href") &&
        !["http:", "https:", "mailto:", "file:"].includes(element.protocol))
      found.push([box.dataset.place, "leads to " + element.protocol]);
    for (const kind of ["mouseover", "focus", "load", "error", "toggle", "pointerenter"])
      element.dispatchEvent(new Event(kind, { bubbles: true }));
  }
}
for (const call of window.calls) found.push(["-", "carried out " + call]);
return found;
"""
_ELEMENTS = (
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a", "ul", "ol", "li"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
)


@pytest.mark.rule("AC-24")
def test_nothing_that_people_write_acts_in_a_browser(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    texts = list(attacks())
    assert len(texts) > 400
    cases = "\n".join(
        f'<div class="case" data-place="{place}">{render(text)}</div>' for place, text in enumerate(texts)
    )
    assert provoked(chromium, tmp_path, cases) == []


@pytest.mark.rule("AC-24")
def test_the_browser_would_tell(chromium: webdriver.Chrome, tmp_path: Path) -> None:
    """The same page with what must not come through."""
    found = provoked(
        chromium,
        tmp_path,
        '<div class="case" data-place="0"><img src=x onerror=fired(1)><a href="java\tscript:fired(1)">x</a></div>',
    )
    assert {what.split()[0] for _, what in found} == {"element", "attribute", "leads", "carried"}


def provoked(chromium: webdriver.Chrome, folder: Path, cases: str) -> list[list[str]]:
    """By place, what a page with these cases holds or does that it must not, when every element is provoked."""
    page = folder / "cases.html"
    page.write_text(_BEGIN + cases)
    chromium.get(page.as_uri())
    found: list[list[str]] = chromium.execute_script(_PROVOKED, list(_ELEMENTS))
    return found
