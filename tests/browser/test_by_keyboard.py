"""Lists and the ticket's page by the keyboard alone, in a real browser on a whole installation."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from tests.browser.test_admin_work import letters, unreadable
from tests.browser.test_live_pages import NOTE, report
from tests.browser.test_ticket_work import _post
from tests.browser.window import Window
from tests.installation import Installation, OrgApi, eventually

ENTER = "\n"
AT = """
const rows = [...document.querySelectorAll("#rows > tr")];
return [rows.length, rows.findIndex((row) => row.contains(document.activeElement))];
"""
"""How many rows there are, and which of them has the focus."""


@pytest.mark.slow
@pytest.mark.rule("AC-184")
def test_every_list_is_gone_through_by_j_and_k(window: Window, org: OrgApi, installed: Installation) -> None:
    assert org.post_yaml("/workflows", NOTE).status_code == 201
    for title in ("Lift", "Door"):
        report(org, title)
        unreadable(installed, org.org, title)
        org.new_token("viewer", title)
        assert org.put("/members", {"person": f"{title.lower()}@acme.example", "role": "viewer"}).status_code < 300
        assert org.put(f"/channels/{title.lower()}", {"kind": "email", "settings": MAIL}).status_code == 201
        _post(org, [{"type": "device", "id": title, "interval_s": 600}])
        eventually(lambda title=title: org.try_get(f"/subjects/device/{title}"), "it is known")  # type: ignore[misc]
        assert org.post("/silences", {"subject": f"device/{title}", "length_s": 3600}).status_code < 300
    eventually(lambda: len(org.get("/runs")["items"]) >= 2, "two runs")
    window.go(f"/orgs/{org.org}/dead-letters")
    window.until(lambda: letters(window, 2), "two letters")
    lists = ("tickets", "health", "workflows", "runs", "channels", "health/silences", "members", "tokens", "audit")
    for path in (*lists, "dead-letters"):
        window.go(f"/orgs/{org.org}/{path}")
        many, at = window.script(AT)
        assert (path, many >= 2, at) == (path, True, -1)
        seen = []
        for key in ("j", "j", "k", *["j"] * many, *["k"] * many):
            window.press(key)
            seen.append(window.script(AT)[1])
        assert (path, seen) == (path, [0, 1, 0, *range(1, many), many - 1, *reversed(range(many - 1)), 0])

    before = window.chrome.current_url
    window.press(ENTER)
    window.until(lambda: window.chrome.current_url.startswith(f"{before}/"), "the letter, opened")
    window.go(f"/orgs/{org.org}/members")
    window.press("j", ENTER)
    assert len(org.get("/members")["items"]) == 2, "on a row, Enter takes nobody out"


MAIL = {"host": "mail.example.com", "from": "a@example.com", "to": ["b@example.com"]}

SILENCE = ".about > :is(.silence, .silenced)"
"""The button that silences; while a silence holds, what says so and ends it."""

ORDER = (
    *(".crumbs .number", ".crumbs [data-copy]", ".crumbs .state", "#ticket h1", "#why-here"),
    *(".about > dl:not(.related)", SILENCE),
    *(".about .links", ".recovered", ".description", ".checklist", "#timeline", "#told", "#update"),
)
"""The parts of a ticket's page from top to bottom."""
_PLACES = """
return arguments[0].map((part) => {
  const { left, top, bottom } = document.querySelector(part).getBoundingClientRect();
  return [(top + bottom) / 2 + scrollY, left];
});
"""
_PART = "return arguments[0].findIndex((part) => document.activeElement.closest(part))"


def follows(one: list[float], other: list[float]) -> bool:
    """Whether it stands below, or beside and to the right."""
    return other[0] > one[0] + 2 or (other[0] > one[0] - 2 and other[1] > one[1])


def places(window: Window) -> list[list[float]]:
    """The middle and the left edge of each part."""
    found: list[list[float]] = window.chrome.execute_script(_PLACES, list(ORDER))
    return found


def stops(window: Window) -> list[int]:
    """In which part each stop of the Tab key is, from the way back to the list to the end of the page."""
    window.script("document.getElementById('back').focus()")
    found: list[int] = []
    for _ in range(80):
        window.press("\t")
        part: Any = window.chrome.execute_script(_PART, list(ORDER))
        if not window.script("return document.getElementById('ticket').contains(document.activeElement)"):
            return found
        found.append(part)
    raise AssertionError("the page has no end")


@pytest.mark.slow
@pytest.mark.rule("AC-185")
def test_on_a_phone_a_tickets_parts_are_seen_and_reached_in_one_order(window: Window, org: OrgApi) -> None:
    fleet = [{"type": "device", "id": f"d{n}", "integration": "hue-1", "interval_s": 600} for n in range(6)]
    _post(org, fleet)
    eventually(lambda: len(org.get("/subjects")["items"]) == 6, "the fleet")
    _post(org, [{**one, "status": "offline"} for one in fleet])
    [ticket] = eventually(lambda: org.tickets(kind="multiple_devices_offline"), "the ticket of all of them")
    window.resize(375, 812)
    for silence in ("", f"integration/{ticket['subject']['id']}"):
        if silence:
            assert org.post("/silences", {"subject": silence, "length_s": 3600}).status_code < 300
        window.go(f"/orgs/{org.org}/tickets/{ticket['number']}")
        window.until(lambda: "Nobody yet" in window.text("#told"), "who was told")
        assert bool(window.all(".silenced")) is bool(silence)
        seen = places(window)
        assert [ORDER[after] for after, (one, other) in enumerate(pairwise(seen), 1) if not follows(one, other)] == []
        reached = stops(window)
        assert reached == sorted(reached)
        assert {ORDER[part] for part in reached if part >= 0} >= {SILENCE, ".about .links", "#update"}
