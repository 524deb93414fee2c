"""Devices behind an integration that fail and recover, and what was asked for, a line a command."""

from typing import Any
from uuid import UUID

from correlator_facts import T0, change
from correlator_world import CorrelatorWorld, Row

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.judgements import Change

MANY = "multiple_devices_offline"
UNREACHABLE = "integration_unreachable"


def pending(subject: str, at: int, **more: Any) -> Change:
    return change(subject, "healthy", "pending_open", at=at, since=at, **more)


def fires(subject: str, at: int, **more: Any) -> Change:
    return change(subject, "pending_open", "firing", at=at, since=at - 2_000, **more)


def fails(subject: str, at: int, **more: Any) -> list[Change]:
    """Silent two seconds before `at`, and firing then."""
    return [pending(subject, at - 2_000, **more), fires(subject, at, **more)]


def heard(subject: str, at: int, **more: Any) -> Change:
    return change(subject, "firing", "pending_resolve", at=at, since=at, reason="reported", **more)


def recovers(subject: str, at: int, **more: Any) -> list[Change]:
    """Heard two seconds before `at`, and healthy then."""
    return [
        heard(subject, at - 2_000, **more),
        change(subject, "pending_resolve", "healthy", at=at, since=at - 2_000, **more),
    ]


def devices(count: int, start: int = 1) -> list[str]:
    return [f"device/d{number}" for number in range(start, start + count)]


async def behind(world: CorrelatorWorld, *subjects: str, integration: str = "hue-1") -> None:
    await world.feed(*(world.profile(subject, integration=integration, name=subject[7:]) for subject in subjects))


def told(commands: list[Row]) -> list[str]:
    """Each command in a line: `open device/d1`, `merge d1 -> integration/hue-1`, `list hue-1: +2 -1`."""
    return [_line(command.verb, command.body) for command in commands]


def _line(verb: str, body: dict[str, Any]) -> str:
    if verb == "open":
        kind = "many " if body["kind"] == MANY else ""
        after = f" after {body['parent']['dedup_key']}" if body.get("parent") else ""
        return f"open {kind}{body['subject']['type']}/{body['subject']['id']}{after}"
    key = body["ticket"].get("dedup_key") or f"#{UUID(body['ticket']['id']).int}"
    if verb == "update-checklist":
        return f"list {key}: +{len(body.get('add', []))} -{len(body.get('recovered', []))}"
    if verb == "comment":
        return "comment"
    return f"{body['resolution']} {key}" + (f" -> {body['parent']['dedup_key']}" if body.get("parent") else "")


async def said(world: CorrelatorWorld) -> list[str]:
    """What was sent since the last time."""
    lines = told(await world.commands())
    await world.clear()
    return lines


async def together(world: CorrelatorWorld, at: int = T0 + 10_000) -> list[str]:
    """Five devices behind hue-1 have fallen silent one after the other, and the first fires at `at`."""
    subjects = devices(5)
    await behind(world, *devices(9))
    for number, subject in enumerate(subjects):
        await world.feed(pending(subject, at - 2_000 + number))
    await world.feed(*(fires(subject, at + number) for number, subject in enumerate(subjects)))
    await world.tick(at + 1_000)
    return subjects


async def opened(world: CorrelatorWorld, kind: str = MANY, subject: str = "integration/hue-1") -> None:
    """The ticket service has opened the shared ticket and says so."""
    query = "SELECT asked_command FROM incident WHERE subject = :subject AND condition = :condition"
    (asked,) = await world.rows(query, subject=subject, condition=kind)
    await world.happen(EntryType.OPENED, subject=subject, condition=kind, version=1, answering=asked.asked_command)


async def resolved_by_somebody(world: CorrelatorWorld, at: int, kind: str = MANY) -> None:
    """A person resolves the integration's ticket, the one about many devices or its own, at this instant."""
    await world.happen(
        EntryType.RESOLVED,
        state="resolved",
        actor=ActorType.USER,
        at=at,
        subject="integration/hue-1",
        condition=kind,
        version=2,
    )


async def opens(world: CorrelatorWorld) -> list[str]:
    """The tickets that were asked for since the last look, a line each."""
    return [line for line in await said(world) if line.startswith("open")]


async def tick_on(world: CorrelatorWorld, at: int) -> None:
    """Both shards judge on for so long that whatever waits is over."""
    for after in range(0, 100_000, 5_000):
        await world.tick(at + after)
