"""The page of one subject: how it is, its day as a picture, and why at any instant of it."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from console_health_fake import Health, transition, watched
from console_html import elements
from console_world import World

from fettle_console.views.day import WINDOW_S, Day, Window, picture
from fettle_console.views.heard import ticks
from fettle_console.views.subjects import subject_sentence
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import rfc3339

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
EVIL = '<script>alert(1)</script>"><b>'


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def drawn(
    transitions: list[dict[str, Any]], silenced: list[dict[str, Any]] | None = None, tickets: list[Ticket] | None = None
) -> Day:
    subject = watched("t17", NOW, silenced=silenced or [])
    return picture(Window(NOW), subject, transitions[::-1], tickets or [], {"token/1": "ann"})


@pytest_asyncio.fixture(loop_scope="session")
async def health(world: World) -> AsyncIterator[Health]:
    fake = Health()
    async with fake.running(world.settings):
        yield fake


@pytest.mark.rule("AC-86")
async def test_states_fill_the_window_from_its_beginning_to_its_end() -> None:
    day = drawn(
        [
            transition("healthy", ago(3000), was=None),
            transition("pending_open", ago(700), was="healthy", heard=ago(702)),
            transition("firing", ago(600), was="pending_open", heard=ago(702)),
        ]
    )
    assert [(one.kind, one.x, one.x + one.width) for one in day.states] == [
        ("healthy", 0, WINDOW_S - 700 * 60),
        ("pending_open", WINDOW_S - 700 * 60, WINDOW_S - 600 * 60),
        ("firing", WINDOW_S - 600 * 60, WINDOW_S),
    ]
    assert [one.words for one in day.states][1] == "Unhealthy, waiting for 1 h"
    assert [(one.kind, one.width) for one in drawn([]).states] == [("firing", WINDOW_S)]
    came = drawn([transition("healthy", ago(60), was=None)])
    assert [(one.kind, one.width) for one in came.states] == [("healthy", 3600)]


@pytest.mark.rule("AC-86")
async def test_gaps_reach_from_the_last_heartbeat_to_the_next() -> None:
    day = drawn(
        [
            transition("pending_open", ago(100), was="healthy", heard=ago(102)),
            transition("firing", ago(99), was="pending_open", heard=ago(102)),
            transition("pending_resolve", ago(90), was="firing", heard=ago(90)),
            transition("healthy", ago(89), was="pending_resolve"),
            transition("pending_open", ago(20), was="healthy", heard=ago(22)),
        ]
    )
    assert [(one.x, one.x + one.width) for one in day.gaps] == [
        (WINDOW_S - 102 * 60, WINDOW_S - 90 * 60),
        (WINDOW_S - 22 * 60, WINDOW_S),
    ]
    said = transition("firing", ago(5), was="healthy")
    assert drawn([said]).gaps == []


@pytest.mark.rule("AC-86")
async def test_silences_tickets_and_blind_stretches_lie_where_they_were() -> None:
    silenced = [
        {"since": rfc3339(ago(since)), "until": rfc3339(ago(until)), "made_by": "token/1", "reason": reason}
        for since, until, reason in ((2000, -2000, "Swap"), (2000, 30, "Swap"), (2000, 1500, "Swap"), (90, 30, None))
    ]
    day = drawn([], silenced)
    assert [(one.x, one.width, one.words) for one in day.silences] == [
        (0, WINDOW_S, "Silenced by ann: Swap"),
        (0, WINDOW_S - 30 * 60, "Silenced by ann: Swap"),
        (WINDOW_S - 90 * 60, 3600, "Silenced by ann"),
    ]
    assert [(one.kind, one.x, one.width) for one in day.blind] == [("unobserved", WINDOW_S - 9 * 3600, 3600)]
    hours = [f"{hour:%H:%M}" for hour in day.window.hours]
    assert hours == ["12:00", "16:00", "20:00", "00:00", "04:00", "08:00", "12:00"]


@pytest.mark.rule("AC-86")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "Thermostat t17 has been down for 12 min; last heard 14 min ago."),
        ({"state": "healthy", "last_heard": None}, "Thermostat t17 has been healthy for 12 min."),
        ({"state": None, "unwatched": None, "name": None}, "t17 is not judged."),
        (
            {"state": None, "unwatched": "list_only"},
            "It is not watched: when it last reported, the org's policy watched only what is registered.",
        ),
        (
            {"state": "pending_open"},
            "Thermostat t17 has been unhealthy for 12 min, not yet long enough for a ticket; last heard 14 min ago.",
        ),
    ],
)
async def test_a_page_begins_with_how_the_subject_is(more: dict[str, Any], said: str) -> None:
    assert subject_sentence(watched("t17", NOW, **more), NOW) == said


@pytest.mark.rule("AC-86")
async def test_a_subjects_page_shows_its_day_and_asks_why(world: World, health: Health) -> None:
    now = datetime.now(UTC)
    health.subjects = [watched("hall/3 b", now, name=EVIL)]
    health.transitions = [
        transition("firing", now - timedelta(minutes=12), was="healthy", heard=now - timedelta(minutes=14))
    ]
    world.tickets.open("acme", EVIL, ago_s=700, subject={"type": "device", "id": "hall/3 b"})
    await world.sign_in("acme", "viewer")
    listed = await world.http.get("/orgs/acme/health")
    assert 'href="/orgs/acme/health/device/hall/3%20b"' in listed.text
    page = await world.http.get("/orgs/acme/health/device/hall/3%20b")
    found = [(tag, attributes) for tag, attributes in elements(page.text) if tag in ("rect", "script", "b")]
    drawn_as = [attributes.get("class") for tag, attributes in found if tag == "rect"]
    assert drawn_as == ["ground", "band", "band", "gap", "flag", "unseen"]
    assert "<script>alert" not in page.text
    assert not [attributes for _, attributes in elements(page.text) if "style" in attributes]
    assert "Silence" not in re.sub(r"<[^>]*>", "", page.text)
    at = re.findall(r'data-why="([^"]+)"', page.text)
    assert datetime.fromisoformat(at[0]) == datetime.fromisoformat(health.transitions[0]["at"])
    plain = await world.http.get("/orgs/acme/why?subject=device/hall&at=2026-11-23T12:04:11")
    assert (plain.status_code, "It has been silent since" in plain.text) == (200, True)
    assert health.whys[-1] == "2026-11-23T12:04:11Z"
    assert (await world.http.get("/orgs/acme/health/device/nobody")).status_code == 404
    theirs = await world.http.get("/orgs/zoo/health/device/hall/3%20b")
    assert theirs.status_code == 404


def beats(*at: tuple[float, str | None], since: float = 60) -> dict[str, Any]:
    told = [{"at": rfc3339(ago(minutes)), "status": status} for minutes, status in at]
    return {"subject": "device/t17", "since": rfc3339(ago(since)), "until": rfc3339(NOW), "heartbeats": told}


@pytest.mark.rule("AC-105")
async def test_heartbeats_of_an_hour_are_ticks() -> None:
    drawn = ticks(beats((59, "ok"), (30, "offline"), (20, None), (1, "ok")))
    assert (drawn.well, drawn.unwell) == ("M60 0V32M3540 0V32", "M1800 0V32")
    assert (drawn.unreadable, drawn.unread) == ("M2400 0V32", 0)
    assert drawn.sentence == "3 heartbeats within 1 h; at the longest none for 29 min."
    assert (drawn.minutes[0], drawn.minutes[-1]) == (ago(60), NOW)
    part = ticks(beats((1, "ok"), since=10))
    assert (part.unread, part.sentence) == (3000, "1 heartbeat within 10 min; at the longest none for 9 min.")
    assert ticks(beats()).sentence == "No heartbeat within 1 h."
    assert "too busy" in ticks(beats(since=0)).sentence


@pytest.mark.rule("AC-105")
async def test_heartbeats_are_asked_for_on_the_subjects_page(world: World, health: Health) -> None:
    health.subjects = [watched("t17", datetime.now(UTC))]
    health.heard = beats((1, "ok"), since=10)
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/health/device/t17")
    assert 'formaction="/orgs/acme/heard"' in page.text
    heard = await world.http.get("/orgs/acme/heard?subject=device/t17&at=2026-11-27T12:00:00")
    assert (heard.status_code, health.whys[-1]) == (200, "2026-11-27T12:00:00Z")
    assert "1 heartbeat within 10 min" in heard.text
    assert "not read: the log is too busy, or begins later" in heard.text
    gone = await world.http.get("/orgs/acme/heard?subject=device/forgotten")
    assert (gone.status_code, "does not reach back that far" in gone.text) == (404, True)


@pytest.mark.rule("AC-79", "AC-86")
async def test_a_subject_is_silenced_on_its_page(world: World, health: Health) -> None:
    health.subjects = [watched("t17", datetime.now(UTC))]
    await world.sign_in("acme", "operator")
    page = await world.http.get("/orgs/acme/health/device/t17?edit=silence")
    assert re.search(r'<dialog id="silence"[^>]* open>', page.text)
    form = {"command_id": "1", "subject": "device/t17", "length_s": "3600", "next": "/orgs/acme/health/device/t17"}
    answer = await world.post("/orgs/acme/silence", **form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/orgs/acme/health/device/t17")
    [made] = health.silences
    held = {"since": made["from"], "until": made["until"], "made_by": made["made_by"], "reason": None}
    later = datetime.now(UTC) + timedelta(minutes=1)  # judged for another minute
    health.subjects = [watched("t17", later, silenced=[held])]
    page = await world.http.get("/orgs/acme/health/device/t17")
    assert "is silenced until" in page.text
    assert page.text.count('<rect class="quieted"') == 1
    assert "Silenced by operator of acme</title>" in page.text
