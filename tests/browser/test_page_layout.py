"""Pages at three widths and in both schemes, with the longest names and with none: nothing is cut off or runs out, and
axe finds nothing that keeps somebody from using them.

Pictures of each are left in the folder that `FETTLE_PICTURES` names, for people to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.browser.test_admin_work import letters, unreadable
from tests.browser.test_live_pages import beat, report
from tests.browser.window import Window
from tests.installation import Installation, OrgApi, eventually

LONG = "Thermostat of the northern stairwell that nobody has found since the refurbishment " * 2
WORD = "Überlandstromversorgungsunterbrechungsmeldungseingang" * 3

_OVERFLOWING = """
return [...document.querySelectorAll("main, header, nav, #ticket, #list, h1, form, .entry")]
  .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
  .map((element) => element.tagName + "#" + element.id)
"""
_CUT = """
const pen = document.createElement("canvas").getContext("2d");
const cut = [...document.querySelectorAll("main select")].filter((select) => {
  if (!select.offsetWidth || select.selectedIndex !== 0) return false;
  const { fontSize, fontFamily, paddingLeft, paddingRight } = getComputedStyle(select);
  pen.font = `${fontSize} ${fontFamily}`;
  const room = select.clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
  return pen.measureText(select.selectedOptions[0].text).width > room;
});
const out = [...document.querySelectorAll("main :is(h1, p, code, dd, dt)")].filter((element) => {
  if (!element.offsetWidth || element.closest("pre, table, svg, dialog, .sheet, .sr, .graph-room")) return false;
  const [{ left, right }, within] = [element, element.parentElement].map((one) => one.getBoundingClientRect());
  return left < within.left - 1 || right > within.right + 1;
});
return [...cut, ...out].map((element) => `${element.tagName} ${element.textContent.trim().slice(0, 40)}`);
"""
AXE = Path(str(find_spec("axe_playwright_python").submodule_search_locations[0])) / "axe.min.js"  # type: ignore[index, union-attr]
_VIOLATIONS = """
const done = arguments[0];
const rules = Object.fromEntries(axe.getRules(["wcag22aa"]).map(({ ruleId }) => [ruleId, { enabled: true }]));
axe.run(document, { resultTypes: ["violations"], rules }).then(({ violations }) => done(violations.flatMap((one) =>
  one.nodes.map((node) => `${one.id}: ${node.html.slice(0, 120)} ${(node.any[0] ?? {}).message ?? ""}`))));
"""
"""All rules of axe, those of WCAG 2.2 AA too, which it leaves out by itself (`target-size`)."""
LOOKS = ((390, False), (390, True), (1024, False), (1024, True), (1680, False), (1680, True))
"""Widths at which pages are looked at, and whether in the dark."""

ASKS_AXE = {(390, False), (1024, False), (1024, True)}
"""Where axe is asked too, which takes a second each: both schemes, and the layout of a phone."""


BRIEFLY = ((390, False), (1024, True), (1680, False))
"""For pages that are built of the same parts: each width, and both schemes."""

WAYS = enumerate(["true", "false"] * 4)
WAITS = "\n".join(f"  wait{at}: {{after: [asked.{way}], action: wait, with: {{for: 1s}}}}" for at, way in WAYS)
LENGTHY = f"""
workflow: {"w" * 50}
title: {LONG[:150]}
description: {LONG}
enabled: true
nodes:
  opened: {{trigger: ticket.opened}}
  pressed: {{trigger: manual}}
  told: {{trigger: signal, type: a}}
  {"n" * 50}: {{after: [opened], action: ticket.comment, with: {{ticket: {{ref: event.ticket.id}}, text: {WORD}}}}}
  asked: {{after: [{"n" * 50}, pressed, told], if: {{all: [{{value: {WORD}, exists: true}}]}}}}
{WAITS}
"""


def faults_of(
    window: Window,
    name: str,
    path: str,
    folder: Path,
    looks: Iterable[tuple[int, bool]],
    then: Callable[[], object] = lambda: None,
) -> list[str]:
    """What is wrong with a page at each of the looks, once `then` has opened what opens on it."""
    faults = []
    window.go(path)
    then()
    window.script(AXE.read_text())
    for width, dark in looks:
        window.resize(width, 900, dark=dark)
        where = f"{name}-{width}-{'dark' if dark else 'light'}"
        window.picture(folder / f"{where}.png")
        if window.script("return document.documentElement.scrollWidth") > width:
            faults.append(f"{where} too wide: the page")
        faults += [f"{where} too wide: {what}" for what in window.script(_OVERFLOWING)]
        faults += [f"{where} cut or out of its box: {what}" for what in window.script(_CUT)]
        if (width, dark) in ASKS_AXE:
            faults += [f"{where} {what}" for what in window.chrome.execute_async_script(_VIOLATIONS)]
    return faults


@pytest.mark.slow
@pytest.mark.rule("AC-84")
def test_pages_fit_their_window_and_can_be_read_by_everybody(window: Window, org: OrgApi, pictures: Path) -> None:
    base = f"/orgs/{org.org}"
    faults = faults_of(window, "first", f"{base}/tickets", pictures, LOOKS[:2])
    number = report(org, LONG[:190], space="oslo/hq/" + "9" * 80, description=f"{LONG}\n\n{WORD}\n\n    {WORD}")
    silent = report(org, WORD[:150], subject={"type": "device", "id": WORD[:150], "name": LONG})
    report(org, "x")
    org.post(f"/tickets/{number}/comments", {"comment": f"| {WORD} | b |\n|---|---|\n| c | {LONG} |"})
    org.post(f"/tickets/{number}/start", {"comment": "\n".join([f"- {LONG}"] * 50)})
    org.put(f"/tickets/{number}/description", {"description": LONG}, **{"if-match": "*"})
    beat(org, "a", WORD[:150])
    eventually(lambda: len(org.get("/subjects")["items"]) == 2, "two subjects")
    pages = {
        "list": f"{base}/tickets?state=all",
        "filtered": f"{base}/tickets?space=oslo/hq&integration={WORD[:50]}",
        "ticket": f"{base}/tickets/{number}",
        "edit": f"{base}/tickets/{number}?edit=description",
        "links": f"{base}/tickets/{number}?edit=links",
        "silence": f"{base}/tickets/{silent}?edit=silence",
        "told": f"{base}/tickets/{number}/told",
        "timeline": f"{base}/tickets/{number}/timeline",
        "checklist": f"{base}/tickets/{number}/checklist",
        "why": f"{base}/why?subject=device/a",
        "why-long": f"{base}/why?subject=device/{quote(WORD[:150])}",
        "subject": f"{base}/health/device/{quote(WORD[:150])}",
        "report": f"{base}/tickets/new",
        "heard": f"{base}/heard?subject=device/a",
        "health": f"{base}/health",
        "problem": f"{base}/tickets/999",
        "problem-long": f"{base}/health/device/{'W' * 150}",
    }
    for name, path in pages.items():
        faults += faults_of(window, name, path, pictures, LOOKS)
    window.complaints()  # of the pages that are not there
    assert faults == []


@pytest.mark.slow
@pytest.mark.rule("AC-84")
def test_pages_of_workflows_fit_their_window_and_can_be_read_by_everybody(
    window: Window, org: OrgApi, pictures: Path
) -> None:
    assert org.post_yaml("/workflows", LENGTHY).status_code == 201
    mail = {"host": "mail.example.com", "from": "a@example.com", "to": [f"{'b' * 60}@example.com"] * 3}
    assert org.put(f"/channels/{'c' * 50}", {"kind": "email", "settings": mail}).status_code == 201
    assert org.put(f"/secrets/{'s' * 50}", {"value": "as long as it must be"}).status_code == 201
    assert org.post(f"/workflows/{'w' * 50}/hook/secrets").status_code == 201
    report(org, LONG[:190])
    runs = eventually(lambda: org.get("/runs")["items"], "a run")
    here = f"/orgs/{org.org}/workflows/{'w' * 50}"
    pages = {
        "workflows": f"/orgs/{org.org}/workflows",
        "workflow": here,
        "workflow-edit": f"{here}/edit",
        "workflow-new": f"/orgs/{org.org}/new-workflow",
        "workflow-version": f"{here}/versions/1",
        "workflow-try": f"{here}/try?days=1",
        "runs": f"/orgs/{org.org}/runs",
        "channels": f"/orgs/{org.org}/channels",
        "channel-edit": f"/orgs/{org.org}/channels/{'c' * 50}/edit",
        "channel-new": f"/orgs/{org.org}/new-channel?kind=webhook",
        "workflow-start": f"{here}/start",
        "workflow-hook": f"{here}/hook",
        "run": f"/orgs/{org.org}/runs/{runs[0]['id']}?node={'n' * 50}",
    }
    faults = []
    for name, path in pages.items():
        faults += faults_of(window, name, path, pictures, BRIEFLY)
    assert faults == []


@pytest.mark.slow
@pytest.mark.rule("AC-84")
def test_pages_of_admins_fit_their_window_and_can_be_read_by_everybody(
    window: Window, org: OrgApi, installed: Installation, pictures: Path
) -> None:
    unreadable(installed, org.org, WORD)
    org.new_token("ingest", WORD[:120])
    revoked = org.get("/tokens")["items"][-1]["id"]
    org.put(f"/subjects/device/{quote(WORD[:150])}", {"name": LONG})
    org.post("/tickets/999/start")
    org._call("PUT", "", json={"name": LONG})
    base = f"/orgs/{org.org}"
    window.go(f"{base}/dead-letters")
    window.until(lambda: letters(window), "the letter")
    letter = str(window.one("#dead-letters th a").get_attribute("href")).removeprefix(window.url)
    pages = {
        "org": f"{base}/settings",
        "tokens": f"{base}/tokens",
        "members": f"{base}/members",
        "revoke": f"{base}/tokens?revoke={revoked}",
        "audit": f"{base}/audit?actor=token/{org.get('/tokens')['items'][0]['id']}",
        "audit-none": f"{base}/audit?thing=nothing",
        "letters": f"{base}/dead-letters",
        "letters-none": f"{base}/dead-letters?topic=signals",
        "letter": letter,
    }
    faults = []
    for name, path in pages.items():
        faults += faults_of(window, name, path, pictures, BRIEFLY)
    assert faults == []
