"""What pages show of one installation is what its API answers: counts, rows, states and times."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import pytest

from fettle_console.views.words import HEALTH, KINDS, SOURCES, STATES
from fettle_contracts.ticket import TicketSource, TicketState
from fettle_contracts.transitions import HealthState
from tests.browser.test_health_work import beat, patient
from tests.browser.test_live_pages import NOTE, report
from tests.browser.window import Window
from tests.installation import OrgApi, eventually

Rows = list[tuple[Any, ...]]


def seed(org: OrgApi) -> None:
    """Two integrations, one of them in trouble; tickets in each state; a silence; a workflow that has run."""
    patient(org)
    assert org.post_yaml("/workflows", NOTE).status_code in (200, 201)
    beat(org, *(f"n{number}" for number in range(4)), integration="gateway-north", space="bergen")
    beat(org, "a", "b", "c")
    eventually(lambda: len(org.get("/subjects", state="healthy")["items"]) == 7, "all are healthy")
    beat(org, "a", "b", status="offline")
    eventually(lambda: len(org.tickets(source="health_monitor")) == 2, "both have their tickets")
    started, resolved = report(org, "Lift 3 makes a noise"), report(org, "Door 14 does not lock")
    assert org.post(f"/tickets/{started}/start").status_code == 200
    assert org.post(f"/tickets/{resolved}/resolve").status_code == 200
    assert org.post("/silences", {"subject": "device/c", "length_s": 3600, "reason": "Rewiring"}).status_code < 300
    eventually(lambda: [run["state"] for run in org.runs("note-what-opens")] == ["done"] * 4, "the workflow has run")


def when(text: str) -> datetime:
    return datetime.fromisoformat(text)


def shown(window: Window, table: str, *cells: str) -> Rows:
    """Of each row its cells by selector: a time as a time, a state by its mark and word, else the text."""
    code = """
        const [table, cells] = arguments;
        return [...document.querySelectorAll(table + ' tbody tr')].map((row) => cells.map((cell) => {
            const found = row.querySelector(cell);
            return found && (found.getAttribute('datetime') || found.textContent.trim().replace(/\\s+/g, ' '));
        }))"""
    rows = window.chrome.execute_script(code, table, list(cells))
    return [tuple(when(cell) if re.match(r"\d{4}-\d\d-\d\dT", cell or "") else cell for cell in row) for row in rows]


def agreeing(
    window: Window, org: OrgApi, path: str, on_screen: Callable[[], object], by_the_api: Callable[[], object]
) -> None:
    """Goes to a page of the org, whose screen and API both go on by themselves, each in its time: they are asked until
    they meet."""
    window.go(f"/orgs/{org.org}{path}")
    seen: list[object] = []

    def same() -> bool:
        seen[:] = on_screen(), by_the_api()
        return bool(seen[1]) and seen[0] == seen[1]

    try:
        window.until(same, f"{path} agrees with the API")
    except AssertionError as error:
        error.add_note(f"on screen {seen[0]}\nby the API {seen[1]}")
        raise


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.rule("AC-160", "AC-182")
def test_what_is_on_screen_is_what_the_api_answers(window: Window, org: OrgApi) -> None:
    seed(org)

    agrees = partial(agreeing, window, org)
    agrees("/tickets", lambda: window.text("#open-count"), lambda: str(org.get("/tickets/count")["open"]))
    agrees(
        "/tickets?state=all",
        lambda: sorted(
            shown(window, "#list", ".c-number", ".c-title a", ".c-state", ".c-kind", ".c-source", ".c-opened time")
        ),
        lambda: sorted(map(_ticket, org.tickets(state="all"))),
    )
    agrees("/tickets", lambda: tabs(window), lambda: _counts(org))
    for state in ("healthy", "firing"):
        agrees(
            f"/health?state={state}",
            lambda: shown(
                window,
                "#subjects",
                *("td .word", "th code", "td:nth-of-type(2)", "td:nth-of-type(4)", "td time", ".last-heard time"),
            ),
            lambda state=state: [  # type: ignore[misc]
                _subject(one) for one in org.get("/subjects", state=state, heard="true")["items"]
            ],
        )
    agrees("/health/overview", lambda: fleet(window), lambda: _states(org))
    agrees("/health/overview", lambda: tiles(window), lambda: _integrations(org))
    agrees(
        "/health/silences",
        lambda: shown(window, "#silences", "th code", "td:nth-of-type(2)", "td time"),
        lambda: [
            (one["subject"], one["reason"], when(one["until"])) for one in org.get("/silences", state="active")["items"]
        ],
    )
    agrees(
        "/runs",
        lambda: shown(window, "#runs", "td:first-child", "th a", "td time"),
        lambda: [("Done", run["workflow"], when(run["started_at"])) for run in org.get("/runs")["items"]],
    )
    for number in range(1, 5):
        ticket = org.get(f"/tickets/{number}")
        agrees(
            f"/tickets/{number}",
            lambda: (window.text("#ticket h1"), window.text(".crumbs .state")),
            lambda ticket=ticket: (ticket["title"], STATES[TicketState(ticket["state"])]),  # type: ignore[misc]
        )
    for id in ("a", "n1"):
        agrees(
            f"/health/device/{id}",
            lambda: (window.text("#subject h1"), window.text(".crumbs .word"), changes(window)),
            lambda id=id: _day(org, id),  # type: ignore[misc]
        )


def tabs(window: Window) -> dict[str, int]:
    found = [re.fullmatch(r"(.+?)\s+(\d+)", text) for text in window.texts("#tabs a")]
    return {each[1]: int(each[2]) for each in found if each}


def fleet(window: Window) -> dict[str, int]:
    return {
        str(mark.get_attribute("data-state")): int(mark.text.split()[0].replace(",", ""))
        for mark in window.all(".fleet .state")
    }


def tiles(window: Window) -> dict[str, str]:
    return dict(zip(window.texts(".tiles h3"), window.texts(".tiles .share .hint"), strict=True))


def changes(window: Window) -> Rows:
    marks, times = window.texts(".changes .word"), window.all(".changes time")
    return [(mark, when(str(at.get_attribute("datetime")))) for mark, at in zip(marks, times, strict=True)]


def _counts(org: OrgApi) -> dict[str, int]:
    return {STATES[TicketState(state)]: count for state, count in org.get("/tickets/count").items()}


def _ticket(ticket: dict[str, Any]) -> tuple[Any, ...]:
    return (
        f"#{ticket['number']}",
        ticket["title"],
        STATES[TicketState(ticket["state"])],
        KINDS[ticket["kind"]],
        SOURCES[TicketSource(ticket["source"])],
        when(ticket["opened_at"]),
    )


def _subject(subject: dict[str, Any]) -> tuple[Any, ...]:
    return (
        HEALTH[HealthState(subject["state"])],
        f"{subject['type']}/{subject['id']}",
        subject["integration"],
        f"#{subject['ticket']['number']}" if subject["ticket"] else "",
        when(subject["since"]),
        when(subject["last_heard"]),
    )


def _states(org: OrgApi) -> dict[str, int]:
    return {state: count for state, count in org.get("/overview")["states"].items() if count}


def _integrations(org: OrgApi) -> dict[str, str]:
    """How many of the judged devices behind each are healthy; these integrations report of nobody but their devices."""
    shares = {}
    for one in org.get("/overview")["integrations"]:
        judged = sum(count for state, count in one["devices"].items() if state != "unjudged")
        shares[one["name"] or one["id"]] = f"{one['devices']['healthy']} of {judged} healthy"
    return shares


def _day(org: OrgApi, id: str) -> tuple[Any, ...]:
    subject = org.get(f"/subjects/device/{id}")
    moved = org.get("/transitions", subject=f"device/{id}")["items"]
    told = [(HEALTH[HealthState(one["to"])], when(one["at"])) for one in moved]
    return subject["name"], HEALTH[HealthState(subject["state"])], told
