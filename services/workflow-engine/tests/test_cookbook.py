"""The recipes of docs/cookbook: each is started by what it is for and by nothing else, and does what its page says."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from cookbook_kitchen import COOKBOOK, Asks, cook, hooked, transition
from engine_world import World, event, world_of
from ticket_event import AT

from fettle_contracts.people import Actor, ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.domain.waits import Sighting
from fettle_workflow_engine.handler import Event

RECIPES = sorted(COOKBOOK.glob("*.yaml"))
TICKET_ID = str(UUID(int=(1 << 96) + 42))
TICKET = {"id": TICKET_ID}
AWAY = Failure("unreachable", "Nobody answers there.")
NOT_FOUND = Failure("ticket_not_found", "There is no such ticket.")
SENT = {"outcome": "sent", "channel": "any", "refused": []}
TOKEN = {"authorization": "Bearer {{ secrets.fettle_token }}"}


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


async def begin(world: World, name: str, *events: Event) -> None:
    """Saves the recipe as it stands, alone in its org, and lets these things happen."""
    await world.save((COOKBOOK / f"{name}.yaml").read_text())
    await world.happen(*events)


def notify(channel: str, text: str, **fields: Any) -> Asks:
    return Asks("notify", {"channel": channel, "text": text, **fields}, SENT)


def comment(text: str, ticket: Mapping[str, Any] = TICKET) -> Asks:
    return Asks("comment", {"ticket": ticket, "comment": text})


def request(answer: Mapping[str, Any] | Failure, url: str, **fields: Any) -> Asks:
    return Asks("http.request", {"url": url, **fields}, answer)


def answered(body: Any, status: int = 200) -> Mapping[str, Any]:
    return {"status": status, "headers": {}, "body": body, "cut": False}


def at(moment: str, number: int = 42, **ticket: Any) -> Event:
    """A ticket that was opened at this moment."""
    opened = event(number=number, **ticket)
    entry = {**opened.data["entry"], "at": moment}
    return Event(opened.org, opened.trigger, opened.source, moment, {**opened.data, "entry": entry}, 0)


async def ended(world: World, *asks: Asks, state: str = "done") -> None:
    (run,) = await cook(world, *asks)
    assert run["state"] == state, run


@pytest.mark.rule("WF-124")
def test_lint_finds_no_fault_in_the_whole_cookbook() -> None:
    lint = [sys.executable, "-m", "fettle_cli", "workflows", "lint", str(COOKBOOK)]
    done = subprocess.run(lint, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(RECIPES) >= 11


@pytest.mark.rule("WF-124")
def test_the_page_links_every_recipe_and_names_what_each_needs() -> None:
    page = COOKBOOK.with_suffix(".md").read_text()
    sections = {part.partition("(cookbook/")[2].partition(")")[0]: part for part in page.split("\n## ")[1:]}
    assert {name for name in sections if name} == {recipe.name for recipe in RECIPES}
    for recipe in RECIPES:
        document = recipe.read_text()
        assert document.startswith(f"workflow: {recipe.stem}\n")
        for needed in (*re.findall(r"channel: ([\w-]+)", document), *re.findall(r"secrets\.(\w+)", document)):
            assert f"`{needed}`" in sections[recipe.name], f"{recipe.name}: say that it needs {needed}"


@pytest.mark.rule("WF-124")
def test_every_recipe_is_tried_here() -> None:
    tried = {name.removeprefix("test_try_") for name in globals() if name.startswith("test_try_")}
    for recipe in RECIPES:
        assert any(one.startswith(recipe.stem.replace("-", "_")) for one in tried), f"nobody tries {recipe.name}"


@pytest.mark.rule("WF-124")
async def test_try_escalate_when_nobody_starts(world: World) -> None:
    await begin(world, "escalate-when-nobody-starts", event(), event(EntryType.STARTED), event(EntryType.RESOLVED))
    assert await world.later(minutes=29) == 0
    await world.see(Sighting("acme", UUID(TICKET_ID), 2, "open", "comment-added"))
    assert await world.later(minutes=1) == 1
    assert await world.later(seconds=1) == 1
    told = "Device offline: T42 is open for 30 minutes. "
    await ended(
        world,
        notify("duty", told, subject="Nobody has started #42"),
        comment("Nobody had started after 30 minutes; duty was told."),
    )


@pytest.mark.rule("WF-124")
@pytest.mark.parametrize(("change", "state"), [("started", "in_progress"), ("resolved", "resolved")])
async def test_try_escalate_when_nobody_starts_but_somebody_did(world: World, change: str, state: str) -> None:
    await begin(world, "escalate-when-nobody-starts", event(EntryType.REOPENED))
    await world.see(Sighting("acme", UUID(TICKET_ID), 2, state, change))
    await world.later(minutes=31)
    await world.later(seconds=2)
    await ended(world)


GROUP = {
    "groupKey": '{}:{alertname="DiskFull"}',
    "externalURL": "https://alerts.example.com",
    "commonLabels": {"alertname": "DiskFull", "instance": "db-1:9100"},
    "commonAnnotations": {},
    "alerts": [
        {"labels": {"disk": "sda"}, "annotations": {"description": "sda is full."}},
        {"labels": {"disk": "sdb"}, "annotations": {}},
    ],
}
GROUP_KEY = 'alertmanager/{}:{alertname="DiskFull"}'


@pytest.mark.rule("WF-124")
async def test_try_alertmanager_that_fires(world: World) -> None:
    pending = hooked("alertmanager", {**GROUP, "status": "pending"})
    await begin(world, "alertmanager", hooked("alertmanager", {**GROUP, "status": "firing"}), pending, event())
    opened = {
        "title": "DiskFull",
        "kind": "DiskFull",
        "subject": {"type": "other", "id": "db-1:9100"},
        "description": '- sda is full.\n- {"disk": "sdb"}\n',
        "links": [{"label": "Alertmanager", "url": "https://alerts.example.com"}],
        "dedup_key": GROUP_KEY,
    }
    await ended(world, Asks("open", opened))


@pytest.mark.rule("WF-124")
@pytest.mark.parametrize(("answer", "state"), [(AWAY, "failed"), (NOT_FOUND, "done"), ({"outcome": "applied"}, "done")])
async def test_try_alertmanager_that_is_quiet(world: World, answer: Any, state: str) -> None:
    await begin(world, "alertmanager", hooked("alertmanager", {**GROUP, "status": "resolved"}))
    resolve = {"ticket": {"dedup_key": GROUP_KEY}, "comment": "All alerts of this group have resolved."}
    await ended(world, Asks("resolve", resolve, answer), state=state)


def kuma(status: int) -> Event:
    monitor = {"id": 7, "name": "Intranet"}
    return hooked("uptime-kuma", {"heartbeat": {"status": status, "msg": "timeout"}, "monitor": monitor, "msg": ""})


@pytest.mark.rule("WF-124")
async def test_try_uptime_kuma_down(world: World) -> None:
    await begin(world, "uptime-kuma", kuma(0), kuma(2), transition("firing"))
    opened = {
        "title": "Down: Intranet",
        "kind": "uptime_kuma",
        "subject": {"type": "other", "id": "kuma-7", "name": "Intranet"},
        "description": "timeout",
        "links": [],
        "dedup_key": "kuma/7",
    }
    await ended(world, Asks("open", opened))


@pytest.mark.rule("WF-124")
@pytest.mark.parametrize(("answer", "state"), [(AWAY, "failed"), (NOT_FOUND, "done"), ({"outcome": "applied"}, "done")])
async def test_try_uptime_kuma_up(world: World, answer: Any, state: str) -> None:
    await begin(world, "uptime-kuma", kuma(1))
    resolve = {"ticket": {"dedup_key": "kuma/7"}, "comment": "Up again: timeout"}
    await ended(world, Asks("resolve", resolve, answer), state=state)


@pytest.mark.rule("WF-124")
@pytest.mark.parametrize(
    ("moment", "space", "channel", "text"),
    [
        ("2026-11-23T10:00:00.000Z", "oslo/hq/3", "oslo", "Device offline: T42 at oslo/hq/3 "),
        ("2026-11-23T10:00:00.000Z", "bergen/1", "facilities", "Device offline: T42 "),
        ("2026-11-23T10:00:00.000Z", None, "facilities", "Device offline: T42 "),
        ("2026-11-23T16:00:00.000Z", "oslo/hq/3", "duty", "Device offline: T42 "),
        ("2026-11-22T10:00:00.000Z", "oslo/hq/3", "duty", "Device offline: T42 "),
    ],
)
async def test_try_teams_by_place_and_hour(
    world: World, moment: str, space: str | None, channel: str, text: str
) -> None:
    await begin(world, "teams-by-place-and-hour", at(moment, space=space), event(EntryType.RESOLVED))
    await ended(world, notify(channel, text))


@pytest.mark.rule("WF-124")
async def test_try_runbook_by_model(world: World) -> None:
    await begin(world, "runbook-by-model", event(), event(number=7, kind="user_report"))
    asked = "https://fettle.example.com/api/v1/orgs/acme/subjects/device/t42"
    linked = comment("Runbook: [T100](https://wiki.example.com/runbooks/t100)")
    await ended(world, request(answered({"model": "T100"}), asked, headers=TOKEN), linked)


@pytest.mark.rule("WF-124")
async def test_try_runbook_by_model_of_none(world: World) -> None:
    await begin(world, "runbook-by-model", event())
    asked = "https://fettle.example.com/api/v1/orgs/acme/subjects/device/t42"
    await ended(world, request(answered({"model": None}), asked, headers=TOKEN))


@pytest.mark.rule("WF-124")
@pytest.mark.parametrize(
    ("answer", "noted"),
    [
        (answered({}, 202), "Restart asked for; the controller answered 202."),
        (AWAY, "It could not be restarted: Nobody answers there."),
    ],
)
async def test_try_restart_gateway(world: World, answer: Any, noted: str) -> None:
    subject = {"type": "integration", "id": "hall 1/hue"}
    down = event(kind="integration_unreachable", subject=subject)
    await begin(
        world, "restart-gateway", down, event(number=7), event(EntryType.RESOLVED, kind="integration_unreachable")
    )
    asked = request(
        answer,
        "https://gateways.example.com/hall%201%2Fhue/restart",
        method="POST",
        headers={"authorization": "Bearer {{ secrets.gateway_token }}"},
        body={"reason": "Ticket #42"},
        timeout_s=20,
        expects="200-202",
    )
    await ended(world, asked, comment(noted))


LISTED = [{"number": 7, "title": "Lift 3"}, {"number": 9, "title": "Door"}]
TICKETS = "https://fettle.example.com/api/v1/orgs/acme/tickets"


@pytest.mark.rule("WF-124")
async def test_try_morning_reminder(world: World) -> None:
    await begin(world, "morning-reminder", event())
    assert await world.ring(hours=19) == 0  # Tuesday, 06:15 in Oslo
    assert await world.ring(minutes=45) == 1
    asked = request(
        answered({"items": LISTED, "next_cursor": "x"}), TICKETS, query={"state": "open", "limit": "20"}, headers=TOKEN
    )
    await ended(world, asked, notify("facilities", "#7 Lift 3\n#9 Door\n… and more", subject="Open tickets"))


@pytest.mark.rule("WF-124")
async def test_try_morning_reminder_of_nothing(world: World) -> None:
    await begin(world, "morning-reminder")
    assert await world.ring(hours=19, minutes=45) == 1
    query = {"state": "open", "limit": "20"}
    await ended(world, request(answered({"items": []}), TICKETS, query=query, headers=TOKEN))


@pytest.mark.rule("WF-124")
async def test_try_weekly_report(world: World) -> None:
    await begin(world, "weekly-report", event())
    assert await world.ring(days=6) == 0
    world.now = AT + timedelta(days=6, hours=18, minutes=45)  # Monday, 06:00:30 in Oslo
    assert await world.ring() == 1
    counts = {"open": 3, "in_progress": 1, "resolved": 118}
    report = request(
        AWAY,
        "https://reports.example.com/fleet",
        method="POST",
        headers={"authorization": "Bearer {{ secrets.report_token }}"},
        body={"tickets": counts},
    )
    asked = request(answered(counts), f"{TICKETS}/count", headers=TOKEN)
    await ended(world, asked, report, notify("facilities", "The weekly report was not made. The run says why."))


@pytest.mark.rule("WF-124")
async def test_try_flapping_devices(world: World) -> None:
    others = (transition("firing"), transition("flapping", type="integration"), event())
    await begin(world, "flapping-devices", transition("flapping"), *others)
    assert await world.later(seconds=29) == 0
    assert await world.later(seconds=1) == 1
    text = "Flaps: 5 changes. Look at its power supply and its cable first."
    await ended(world, comment(text, {"dedup_key": "device/t17:device_offline"}))


@pytest.mark.rule("WF-124")
async def test_try_back_too_soon(world: World) -> None:
    back = event(EntryType.REOPENED)
    person = Actor(type=ActorType.USER, id="ann").to_dict()
    entry = {**back.data["entry"], "actor": person}
    by_hand = Event(back.org, back.trigger, back.source, "by-hand", {**back.data, "entry": entry}, 0)
    await begin(world, "back-too-soon", back, by_hand, event())
    await ended(world, notify("chat", "#42 Device offline: T42 is back. "))


@pytest.mark.rule("WF-124")
async def test_try_quiet_weekend(world: World) -> None:
    saturday = rfc3339(AT + timedelta(days=5))
    await begin(world, "quiet-weekend", at(saturday), event(EntryType.STARTED))
    await ended(world)
    assert await world.ring(days=6) == 0
    assert await world.ring(hours=19, minutes=45) == 1
    query = {"state": "open", "sort": "opened", "limit": "20"}
    asked = request(answered({"items": LISTED}), TICKETS, query=query, headers=TOKEN)
    told = notify("facilities", "#7 Lift 3\n#9 Door\n", subject="Open after the weekend")
    assert [run["state"] for run in await cook(world, asked, told)] == ["done", "done"]
    await world.happen(event())
    assert len(await cook(world, notify("facilities", "Device offline: T42 "))) == 3
