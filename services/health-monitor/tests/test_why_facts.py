"""What is on record about one subject by an instant, and nothing of others or of later. On a real database."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import OFFLINE
from correlator_world import CorrelatorWorld
from sqlalchemy import text
from test_correlator_retention import put

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import from_ms
from fettle_health_monitor.adapters.correlator import why_facts
from fettle_health_monitor.adapters.correlator.why_facts import Blind, Ticket, Waiting
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints
from fettle_health_monitor.domain.why.newcomers import Unwatched

US = ("acme", "device/t17")
OTHERS = (("other", "device/t17"), ("acme", "device/t18"))
BATTERY = "battery_low"


def whose(org: str, subject: str) -> dict[str, Any]:
    return {"org": org, "subject": subject}


async def put_outcome(
    world: CorrelatorWorld, number: int, at: int, about: tuple[str, str] = US, late: int = 0, cause: str = "firing"
) -> None:
    fields = {"condition": OFFLINE, "cause": cause, "outcome": "opened", "reason": "", "policy_version": 1}
    more = {"verdict": UUID(int=number), "at": at, "evidence": "{}", "decided_at": from_ms(late)}
    await put(world, "outcome", **whose(*about), **fields, **more)
    await put(world, "called", verdict=UUID(int=number), org=about[0], cause="firing", at=at)


async def put_states(world: CorrelatorWorld, states: Iterable[tuple[int, str | None]], about: tuple[str, str]) -> None:
    for number, (at, state) in enumerate(states):
        id = UUID(int=hash((*about, number)) % 2**64)
        await put(world, "transition", **whose(*about), id=id, to_state=state, at=at, body="{}")


@pytest.mark.rule("HM-185", "HM-302")
async def test_the_last_verdicts_up_to_an_instant_come_in_their_order(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of one instant as they were decided."""
    async with CorrelatorWorld.open(environment, org=None) as world:
        for number, (at, late) in enumerate(((3, 0), (2, 8), (2, 9), (1, 7), (0, 7))):
            await put_outcome(world, number, at, late=late)
        for number, about in enumerate(OTHERS, 10):
            await put_outcome(world, number, 2, about)

        async def found(at: int) -> list[int]:
            async with world.database.reading() as connection:
                return [each.verdict.int for each in await why_facts.outcomes(connection, *US, at)]

        assert await found(2) == [4, 3, 1, 2]
        assert await found(1) == [4, 3]
        monkeypatch.setattr(why_facts, "VERDICTS_MAX", 3)
        assert await found(3) == [1, 2, 0]


@pytest.mark.rule("HM-185", "HM-302")
async def test_what_was_decided_at_once_about_one_instant_comes_as_it_happened(environment: dict[str, str]) -> None:
    """Tickets for what exists are asked for before what the same policy makes due, and that before anything else."""
    async with CorrelatorWorld.open(environment, org=None) as world:
        await put_outcome(world, 3, 2, cause="still_unhealthy")
        for number in (2, 1):
            await put_outcome(world, number, 2)
        await put_outcome(world, 0, 2, cause="publishing_began")
        for number in (1, 2):
            await put(world, "transition", **whose(*US), id=UUID(int=number), to_state="firing", at=2, body="{}")
        async with world.database.reading() as connection:
            assert [each.verdict.int for each in await why_facts.outcomes(connection, *US, 2)] == [0, 1, 2, 3]


@pytest.mark.rule("HM-185", "HM-302")
async def test_the_first_verdict_that_waits_is_told(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        for number, (at, about) in enumerate(((5, US), (4, US), (3, US), (1, OTHERS[0]), (1, OTHERS[1]))):
            fields = {"condition": OFFLINE, "cause": "firing", "since_at": 0, "policy_version": 1, "flap_count": 0}
            more = {"id": UUID(int=number), "partition": 0, "at": at, "evidence": "{}", "waits_for": f"by {at}"}
            await put(world, "verdict", **whose(*about), **fields, **more)
            await put(world, "called", verdict=UUID(int=number), org=about[0], cause="firing", at=at)
        async with world.database.reading() as connection:
            found = [await why_facts.waiting(connection, *US, at) for at in (2, 3, 5)]
        assert found == [None, Waiting(3, "by 3"), Waiting(3, "by 3")]


@pytest.mark.rule("HM-185", "HM-302")
async def test_only_what_was_refused_is_said_to_be_asked_for_again(environment: dict[str, str]) -> None:
    """Not an early resolve that is watched, nor what was refused of another condition, subject or org."""
    refused, early = "open_refused", "early_resolve"
    watches = [(*US, OFFLINE, early), (*US, BATTERY, refused), *((*each, OFFLINE, refused) for each in OTHERS)]
    async with CorrelatorWorld.open(environment, org=None) as world:
        for number, (org, subject, condition, kind) in enumerate([*watches, (*US, OFFLINE, refused)]):
            fields = {"partition": 0, "shard": 0, "generation": 1, "cause": UUID(int=number), "start_clock": 1}
            more = {"condition": condition, "kind": kind, "start_at": 10, "due_clock": 100 + number}
            await put(world, "watch", **whose(org, subject), **fields, **more)
        async with world.database.reading() as connection:
            found = [await why_facts.asked_again_at(connection, *US, OFFLINE, at) for at in (9, 10)]
        assert found == [None, 109 + len(watches)]


@pytest.mark.rule("HM-185", "HM-302")
async def test_since_when_heartbeats_were_lost_is_told_of_who_was_unknown_then(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        await put_states(world, [(2, "unknown"), (6, "unknown"), (6, "healthy"), (8, None)], US)
        for about in OTHERS:
            await put_states(world, [(1, "unknown"), (2, "healthy"), (6, "unknown"), (8, "unknown")], about)
        for number, (org, since, begun) in enumerate((("acme", 0, 2), ("other", 1, 3), ("acme", 4, 5))):
            counts = {"counted": 12, "lost": 12, "unknown": 0, "policy_version": 3, "heard": [], "heard_behind": []}
            await put(world, "loss", id=UUID(int=number), org=org, since_at=since, begun_at=begun, **counts)
        async with world.database.reading() as connection:
            lost = [await why_facts.unknown_since(connection, *US, at) for at in (1, 2, 3, 5, 6, 8)]
            unwatched = [await why_facts.unwatched(connection, *US, at) for at in (1, 2, 6, 8)]
        assert lost == [None, 0, 0, 4, None, None]
        assert unwatched == [Unwatched(), None, None, Unwatched(removed_at=8)]


@pytest.mark.rule("HM-186")
async def test_whether_a_shard_has_begun_anew_is_told(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        for shard, generation in ((0, 1), (1, 2)):
            assert await Checkpoints(world.database, address="").begin(shard, generation, 3)
        async with world.database.reading() as connection:
            assert [await why_facts.begun_anew(connection, shard) for shard in range(3)] == [False, True, False]


@pytest.mark.rule("HM-185")
async def test_what_nobody_could_see_is_told_of_the_shard_and_the_time(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gaps = [(0, 1, 4), (0, 5, 6), (0, 7, None), (0, 9, 12), (1, 5, 6)]
    async with CorrelatorWorld.open(environment, org=None) as world:
        for shard, from_at, to_at in gaps:
            await put(world, "shard_gap", shard=shard, kind="unobserved", from_at=from_at, to_at=to_at)

        async def blind(since: int, until: int) -> list[Blind]:
            async with world.database.reading() as connection:
                return await why_facts.blind(connection, 0, since=since, until=until)

        first, second, open_, _ = told = [Blind("unobserved", *gap[1:]) for gap in gaps if gap[0] == 0]
        assert await blind(4, 7) == [open_, second, first]
        assert await blind(5, 6) == [second]
        monkeypatch.setattr(why_facts, "_GAPS_MAX", 2)
        assert await blind(0, 20) == told[:1:-1]


@pytest.mark.rule("HM-185", "HM-302")
async def test_the_ticket_that_was_asked_for_last_is_told_as_it_is_now(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:

        async def asked(
            number: int, at: int, about: tuple[str, str] = US, condition: str = OFFLINE, **more: Any
        ) -> None:
            await put_outcome(world, 100 + number, at, about)
            fields = {"id": UUID(int=number), "verdict": UUID(int=100 + number), "sent_at": from_ms(at), "verb": "open"}
            told = {"ticket_id": UUID(int=number), "ticket_number": number}
            await put(world, "command", **whose(*about), condition=condition, **{**fields, **told, **more})

        async def found(at: int) -> Ticket | None:
            async with world.database.reading() as connection:
                return await why_facts.ticket(connection, *US, OFFLINE, at)

        await asked(1, 1)
        await asked(2, 3)
        await asked(3, 8)
        await asked(4, 4, ticket_id=None, ticket_number=None)
        await asked(5, 4, verb="resolve")
        await asked(6, 4, condition=BATTERY)
        for number, about in enumerate(OTHERS, 7):
            await asked(number, 4, about)
        second = Ticket(UUID(int=2), 2, "resolved")
        assert [await found(at) for at in (0, 1, 5)] == [None, Ticket(UUID(int=1), 1, "resolved"), second]
        state = {"ticket_version": 1, "opened_at": 8}
        for number, (about, condition) in enumerate(((US, BATTERY), *((one, OFFLINE) for one in OTHERS)), 20):
            last = {"ticket_id": UUID(int=number), "ticket_number": number, "ticket_state": "open"}
            await put(world, "incident", **whose(*about), condition=condition, **last, **state)
        assert await found(9) == Ticket(UUID(int=3), 3, "resolved")
        await put(world, "incident", **whose(*US), condition=OFFLINE, **{**state, "ticket_version": None})
        assert await found(9) == Ticket(UUID(int=3), 3, "resolved")
        for number, state_now in ((2, "in_progress"), (30, "open")):
            async with unit_of_work(world.database) as work:
                now = {"id": UUID(int=number), "number": number, "state": state_now}
                await work.connection.execute(text(_IS_NOW), now)
            kept = Ticket(UUID(int=number), number, state_now)
            assert await found(5) == (kept if number == 2 else second)
            assert await found(9) == kept


_IS_NOW = """
    UPDATE incident SET ticket_id = :id, ticket_number = :number, ticket_state = :state
    WHERE org = 'acme' AND subject = 'device/t17' AND condition = 'device_offline'
"""
