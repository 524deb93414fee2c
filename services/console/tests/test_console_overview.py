"""The overview: the whole fleet in a sentence, over its day, by integration, and what changed."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
from console_health_fake import Health, overview
from console_html import elements
from console_world import World

from fettle_console.views.day import WINDOW_S
from fettle_console.views.overview import LANES, PLOT, counts, outline, picture, sentence, tiles, told
from fettle_contracts.ticket import Ticket
from fettle_contracts.times import rfc3339

pytestmark = pytest.mark.asyncio(loop_scope="session")

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
EVIL = '<script>alert(1)</script>"><b>'


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def fleet(**more: Any) -> dict[str, Any]:
    """As of NOW; `states` are added to none."""
    states = {**overview()["states"], **more.pop("states", {})}
    return overview(since=rfc3339(ago(1440)), as_of=rfc3339(NOW), states=states, **more)


def storm(number: int, opened: datetime, resolved: datetime | None = None, **more: Any) -> Ticket:
    state = "resolved" if resolved else "open"
    return Ticket.model_validate(
        {
            "id": str(uuid4()),
            "number": number,
            "title": "Multiple devices offline: hue-1",
            "description": "",
            "description_version": 1,
            "state": state,
            "source": "health_monitor",
            "kind": "multiple_devices_offline",
            "subject": {"type": "integration", "id": "hue-1"},
            "opened_at": rfc3339(opened),
            "opened_by": {"type": "health_monitor"},
            "resolved_at": rfc3339(resolved) if resolved else None,
            "updated_at": rfc3339(resolved or opened),
            "version": 1,
            **more,
        }
    )


@pytest.mark.rule("AC-95")
@pytest.mark.parametrize(
    ("states", "more", "said"),
    [
        ({"healthy": 40}, {}, "All 40 subjects are healthy."),
        ({"healthy": 1}, {}, "The one subject is healthy."),
        ({"healthy": 39, "pending_open": 1}, {}, "All 40 subjects are healthy; 1 is in doubt."),
        ({"pending_open": 1}, {}, "The one subject is healthy, but in doubt."),
        (
            {"healthy": 37, "firing": 2, "pending_open": 1},
            {},
            "38 of 40 subjects are healthy; 2 are down and 1 is in doubt.",
        ),
        ({"healthy": 37, "firing": 2, "pending_resolve": 1}, {}, "37 of 40 subjects are healthy; 3 are down."),
        ({"healthy": 1, "firing": 1}, {}, "1 of 2 subjects is healthy; 1 is down."),
        (
            {"healthy": 10_000, "firing": 1, "flapping": 2, "unknown": 3},
            {},
            "10,000 of 10,006 subjects are healthy; 1 is down, 2 are coming and going and 3 are out of sight.",
        ),
        (
            {"unknown": 38, "healthy": 2},
            {"lost": [{"since": rfc3339(ago(12)), "until": None, "subjects": 38}]},
            "Heartbeats have not been arriving for 12 min: 38 subjects out of sight.",
        ),
        ({"unjudged": 3}, {}, "Nobody has been heard yet."),
        ({}, {"enabled": False}, "Nobody is judged yet."),
    ],
)
async def test_the_page_begins_with_how_the_fleet_is(states: dict[str, int], more: dict[str, Any], said: str) -> None:
    assert sentence(fleet(states=states, **more), NOW) == said


@pytest.mark.rule("AC-95")
async def test_states_are_counted_with_what_is_wrong_first() -> None:
    found = fleet(states={"healthy": 37, "firing": 2, "flapping": 1})
    assert counts(found) == [("firing", "Firing", 2), ("flapping", "Flapping", 1), ("healthy", "Healthy", 37)]


@pytest.mark.rule("AC-95")
async def test_storms_losses_and_blind_stretches_lie_on_one_axis() -> None:
    steps = [0] * 96
    steps[48], steps[49] = 12, 6
    found = fleet(
        unhealthy=steps,
        blind=[{"since": rfc3339(ago(120)), "until": rfc3339(ago(60)), "shards": 2}],
        lost=[{"since": rfc3339(ago(30)), "until": None, "subjects": 9}],
    )
    checklist = {"total": 12, "recovered": 12, "items": []}
    drawn = picture(
        found,
        NOW,
        [
            storm(2, ago(700), None),
            storm(1, ago(720), ago(600), checklist=checklist),
            storm(3, ago(2000), ago(1500)),
        ],
    )
    assert drawn.most == 12
    assert [(x, width, height) for x, width, height, _ in drawn.bars] == [(43_200, 900, PLOT), (44_100, 900, PLOT / 2)]
    assert [(one.x, one.width) for one in drawn.blind] == [(WINDOW_S - 7_200, 3_600)]
    assert [(one.x, one.width, one.words) for one in drawn.lost] == [
        (WINDOW_S - 1_800, 1_800, "Heartbeats of 9 subjects did not arrive")
    ]
    assert [(one.ticket.number, one.lane, one.words) for one in drawn.storms] == [
        (1, 0, "lasted 2 h, 12 of 12 devices recovered"),
        (2, 1, "for 11 h now"),
    ]
    many = [storm(number, ago(60 + number)) for number in range(1, 10)]
    assert {one.lane for one in picture(found, NOW, many).storms} == set(range(LANES))


@pytest.mark.rule("AC-95")
async def test_an_integration_is_a_tile() -> None:
    steps = [0] * 96
    steps[10] = 4
    devices = {**overview()["states"], "healthy": 199, "firing": 1}
    found = fleet(
        integrations=[
            {"id": "hue 1", "name": "Hue bridge", "state": "firing", "devices": devices, "unhealthy": steps},
            {"id": None, "name": None, "state": None, "devices": overview()["states"], "unhealthy": [0] * 96},
        ]
    )
    hue, none = tiles("acme", found, [storm(7, ago(5), subject={"type": "integration", "id": "hue 1"})])
    assert (hue.name, hue.path, hue.state) == ("Hue bridge", "/orgs/acme/health?integration=hue+1", "Firing")
    assert (hue.healthy, hue.judged, hue.share, hue.most, hue.ticket) == (199, 200, 99, 4, 7)
    assert (none.name, none.path, none.share, none.spark, none.ticket) == (
        "Without an integration",
        None,
        0,
        None,
        None,
    )
    assert outline([0, 0, 2, 2, 4, 0], 4) == "M0 24H2V12H4V0H5V24H6V24Z"
    over = tiles("acme", found, [storm(7, ago(50), ago(5), subject={"type": "integration", "id": "hue 1"})])
    assert over[0].ticket is None


@pytest.mark.rule("AC-95")
async def test_what_changed_is_said_in_words() -> None:
    one = {"integration": "hue-1", "became": "firing", "subjects": 12, "latest": rfc3339(ago(3))}
    device = {"type": "device", "id": "t/17", "name": "Thermostat 17"}
    changes = [
        {**one, "example": device},
        {**one, "subjects": 1, "became": "flapping", "example": device},
        {**one, "subjects": 1, "became": "healthy", "example": {"type": "integration", "id": "hue-1", "name": None}},
        {**one, "became": "new", "integration": None, "example": device},
        {**one, "subjects": 1, "became": "forgotten", "integration": None, "example": {**device, "name": None}},
    ]
    said = told("acme", fleet(changes=changes))
    assert [(each.words, each.path) for each in said] == [
        (
            "12 devices behind hue-1 went down",
            "/orgs/acme/health?type=device&integration=hue-1&sort=-since",
        ),
        ("Thermostat 17 began to come and go, behind hue-1", "/orgs/acme/health/device/t/17"),
        ("hue-1 came back", "/orgs/acme/health/integration/hue-1"),
        ("12 devices without an integration were first seen", "/orgs/acme/health?type=device&sort=-since"),
        ("t/17 was removed", "/orgs/acme/health/device/t/17"),
    ]


@pytest_asyncio.fixture(loop_scope="session")
async def health(world: World) -> AsyncIterator[Health]:
    fake = Health()
    async with fake.running(world.settings):
        yield fake


@pytest.mark.rule("AC-95")
async def test_the_overview_is_a_page(world: World, health: Health) -> None:
    now = datetime.now(UTC)
    devices = {**overview()["states"], "healthy": 1}
    hue = {"id": "hue-1", "name": EVIL, "state": "healthy", "devices": devices, "unhealthy": [0] * 95 + [1]}
    change = {"integration": "hue-1", "became": "firing", "subjects": 1, "latest": rfc3339(now)}
    example = {"type": "device", "id": "x", "name": EVIL}
    health.overview = overview(
        states=devices, integrations=[hue], changes=[{**change, "example": example}], publish_tickets=False
    )
    world.tickets.open("acme", EVIL, kind="multiple_devices_offline", ago_s=600)
    world.tickets.open("acme", "Lift", kind="user_report", ago_s=600)
    await world.sign_in("acme", "viewer")
    page = await world.http.get("/orgs/acme/health/overview")
    assert page.status_code == 200
    assert "The one subject is healthy." in page.text
    assert "publishing is switched off" in page.text
    assert "<script>alert" not in page.text
    assert "Lift" not in page.text
    found = elements(page.text)
    assert not [attributes for _, attributes in found if "style" in attributes]
    flags = [attributes for _, attributes in found if "flag" in (attributes.get("class") or "").split()]
    assert [one["data-state"] for one in flags if "x" in one] == ["open"]
    health.overview = overview(enabled=False, publish_tickets=False)
    world.tickets.forget()
    empty = await world.http.get("/orgs/acme/health/overview")
    for words in ("Nobody is judged yet.", "Judging is switched off", "nobody was unhealthy", "Nothing: nobody"):
        assert words in empty.text


@pytest.mark.rule("AC-103")
async def test_pages_say_that_judging_is_late(world: World, health: Health) -> None:
    await world.sign_in("acme", "viewer")
    assert (await world.http.get("/orgs/acme/judging")).text.strip() == ""
    health.as_of = rfc3339(datetime.now(UTC) - timedelta(seconds=20))
    assert (await world.http.get("/orgs/acme/judging")).text.strip() == ""
    health.as_of = rfc3339(datetime.now(UTC) - timedelta(seconds=200))
    health.overview = overview(as_of=health.as_of)
    for path in ("judging", "health", "health/overview", "health/silences", "health/policies"):
        page = await world.http.get(f"/orgs/acme/{path}")
        assert "Heartbeats are judged up to" in page.text, path
        assert ">3 min ago</time>" in page.text, path
    world.tickets.open("acme", "Lift")
    for path in ("tickets", "tickets/1"):
        page = await world.http.get(f"/orgs/acme/{path}")
        assert 'data-from="/orgs/acme/judging"' in page.text, path


@pytest.mark.rule("AC-109")
async def test_the_day_of_a_large_fleet_comes_after_the_page(world: World, health: Health) -> None:
    devices = {**overview()["states"], "healthy": 10_001}
    hue = {"id": "hue-1", "name": "Hue", "state": "healthy", "devices": devices, "unhealthy": [0] * 95 + [1]}
    change = {"integration": "hue-1", "became": "firing", "subjects": 1, "latest": rfc3339(datetime.now(UTC))}
    example = {"type": "device", "id": "x", "name": "Lamp 7"}
    health.overview = overview(
        states=devices, unhealthy=[0] * 95 + [1], integrations=[hue], changes=[{**change, "example": example}]
    )
    await world.sign_in("acme", "viewer")
    first, whole = [(await world.http.get(f"/orgs/acme/health/overview{query}")).text for query in ("", "?day=true")]
    for page in (first, whole):
        assert "All 10,001 subjects are healthy." in page
        assert "10,001 of 10,001 healthy" in page
    said = ("at most 1 unhealthy at once", "Lamp 7")
    assert [word in first for word in (*said, "being counted")] == [False, False, True]
    assert [word in whole for word in (*said, "being counted")] == [True, True, False]
    health.overview["states"] = {**devices, "healthy": 10_000}
    assert "Lamp 7" in (await world.http.get("/orgs/acme/health/overview")).text
