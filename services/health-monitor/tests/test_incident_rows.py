"""What is kept of incidents, and which of a subject that comes up well no recovery has ended or will end."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest
from correlator_facts import OFFLINE
from correlator_world import CorrelatorWorld
from rollup_facts import MANY, UNREACHABLE
from test_correlator_retention import put

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.ticket import TicketState
from fettle_contracts.times import from_ms
from fettle_health_monitor.adapters.correlator import incidents
from fettle_health_monitor.domain.correlator.incident import Asked, Incident, KnownTicket

Rows = Sequence[tuple[str, Mapping[str, Any]]]
AT = 1_000
OPEN = {"condition": OFFLINE, "ticket_id": uuid4(), "ticket_state": "open", "opened_at": AT}
RESOLVED = {**OPEN, "ticket_state": "resolved"}
MEMBER = {"condition": OFFLINE, "parent": "integration/hue-1", "parent_condition": UNREACHABLE, "joined_at": AT}
FORMER = {"parent": "integration/hue-1", "parent_condition": MANY}


def asking(verb: str) -> dict[str, Any]:
    return {"asked_verb": verb, "asked_command": uuid4()}


def verdict(cause: str, at: int = AT, **more: Any) -> tuple[str, Mapping[str, Any]]:
    fields = {"partition": 0, "condition": OFFLINE, "since_at": 0, "policy_version": 1, "flap_count": 0}
    return "verdict", {"cause": cause, "at": at, "evidence": "{}", **fields, **more}


def outcome(cause: str, at: int = AT) -> tuple[str, Mapping[str, Any]]:
    fields = {"condition": OFFLINE, "outcome": "resolved", "reason": "", "policy_version": 1}
    return "outcome", {"cause": cause, "at": at, "evidence": "{}", "decided_at": from_ms(at), **fields}


def watch(kind: str) -> tuple[str, Mapping[str, Any]]:
    clock = {"partition": 0, "shard": 0, "generation": 1, "start_clock": 0, "due_clock": 9}
    return "watch", {"condition": OFFLINE, "kind": kind, "cause": uuid4(), "start_at": AT, **clock}


STORIES: dict[str, tuple[Rows, bool, bool]] = {
    "open": ([("incident", OPEN)], True, True),
    "resolved": ([("incident", RESOLVED)], False, False),
    "open, its resolve asked for": ([("incident", {**OPEN, **asking("resolve")})], False, False),
    "resolved, another asked for": ([("incident", {**RESOLVED, **asking("open")})], True, True),
    "about many": ([("incident", {**OPEN, "condition": MANY})], False, False),
    "about to be recovered": ([("incident", OPEN), verdict("recovered")], False, False),
    "about to be forgotten": ([("incident", OPEN), verdict("forgotten")], False, False),
    "about to fire": ([verdict("firing")], True, True),
    "waits for its integration": ([verdict("firing", waits_for="integration/hue-1")], False, False),
    "about to fire behind that": ([verdict("firing", AT + 11)], False, False),
    "open, about to be recovered behind that": ([("incident", OPEN), verdict("recovered", AT + 11)], True, True),
    "open, recovered behind that": ([("incident", OPEN), outcome("recovered", AT + 11)], True, True),
    "about to be merged": ([verdict("merged")], False, False),
    "recovered before": ([("incident", OPEN), verdict("recovered", AT - 1), outcome("recovered", AT - 1)], True, True),
    "reopened since": ([("incident", OPEN), outcome("recovered")], False, True),
    "forgotten": ([("incident", OPEN), outcome("forgotten")], True, True),
    "resolved early": ([watch("early_resolve")], True, True),
    "refused": ([watch("open_refused")], True, True),
    "judged afresh": ([watch("judged_afresh")], False, True),
    "resolved early, recovered before": ([watch("early_resolve"), outcome("recovered", AT - 1)], True, True),
    "on a list": ([("rollup_member", MEMBER), outcome("recovered")], True, True),
    "on a list, well": ([("rollup_member", {**MEMBER, "recovered_at": AT})], False, False),
    "has left a list": ([("former_member", FORMER), outcome("recovered")], True, True),
}
"""What is on record, and whether something is open for who is well since `AT + 10`: who was judged all the while, and
who comes up anew."""


@pytest.mark.rule("HM-82", "HM-302")
@pytest.mark.forgets
async def test_what_is_open_is_told_of_each_subject(environment: dict[str, str]) -> None:
    """And nothing of it of who is called the same, nor by what ends others'."""
    async with CorrelatorWorld.open(environment, org=None) as world:
        names = {story: f"device/d{number}" for number, story in enumerate(STORIES)}
        for story, (rows, _, _) in STORIES.items():
            for table, values in rows:
                ids = {"id": uuid4()} if table == "verdict" else {"verdict": uuid4()} if table == "outcome" else {}
                await put(world, table, org="acme", subject=names[story], **values, **ids)
        for table, values in (verdict("recovered", 2 * AT), outcome("recovered", 2 * AT)):
            ids = {"id": uuid4()} if table == "verdict" else {"verdict": uuid4()}
            await put(world, table, org="other", subject=names["open"], **values, **ids)
        for anew in (False, True):
            async with world.database.reading() as connection:
                asked = {(org, name): (AT + 10, anew) for org in ("acme", "other") for name in names.values()}
                found = await incidents.left_open(connection, asked)
            expected = {story for story, (_, before, after) in STORIES.items() if (after if anew else before)}
            assert {story for story, name in names.items() if ("acme", name, OFFLINE) in found} == expected
            assert len(found) == len(expected)


@pytest.mark.rule("HM-302")
async def test_what_is_known_of_an_incident_replaces_what_was_and_goes_alone(environment: dict[str, str]) -> None:
    """Not that of another org, subject or condition."""
    ours = ("acme", "device/a", OFFLINE)
    others = [("other", "device/a", OFFLINE), ("acme", "device/b", OFFLINE), ("acme", "device/a", UNREACHABLE)]
    old = Incident(KnownTicket(uuid4(), 1, TicketState.OPEN, 1), Asked("open", uuid4()), 1)
    new = Incident(KnownTicket(uuid4(), 2, TicketState.RESOLVED, 2), Asked("resolve", uuid4()), 2)
    async with CorrelatorWorld.open(environment, org=None) as world, unit_of_work(world.database) as work:

        async def kept() -> dict[tuple[str, str, str], Incident]:
            return await incidents.of_subjects(work.connection, [about[:2] for about in (ours, *others)])

        await incidents.save(work.connection, dict.fromkeys([ours, *others], old))
        await incidents.save(work.connection, {ours: new})
        assert await kept() == {ours: new, **dict.fromkeys(others, old)}
        await incidents.save(work.connection, {ours: Incident(None, None, 3)})
        assert await kept() == dict.fromkeys(others, old)
