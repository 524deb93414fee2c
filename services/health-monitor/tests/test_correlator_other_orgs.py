"""What becomes of one org changes nothing of another, whose subjects are called the same and whose judgements come by
another partition: its own is as far as it was."""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld, Row
from loss_facts import GONE, fall_silent, fleet
from loss_facts import heard as heard_well
from msgspec.structs import replace
from rollup_facts import MANY, UNREACHABLE, behind, devices, fails, fires, heard, recovers, together

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Judgement

AT = T0 + 10_000
INTEGRATION = "integration/hue-1"
Step = Callable[[CorrelatorWorld], Awaitable[None]]


class Elsewhere(CorrelatorWorld):
    """The same database."""

    org = "umbrella"
    partition = 1

    async def feed(self, *judgements: Judgement, partition: int | None = None) -> None:
        await super().feed(*(self._ours(each) for each in judgements), partition=partition)

    def _ours(self, said: Judgement) -> Any:
        return replace(said, org=self.org) if hasattr(said, "org") else said

    async def commands(self) -> list[Row]:
        return [command for command in await super().commands() if command.key == self.org]


async def everything(world: CorrelatorWorld) -> Mapping[str, list[str]]:
    """All rows of the org."""
    tables = "SELECT table_name FROM information_schema.columns WHERE column_name = 'org' AND table_schema = 'public'"
    found = {}
    for (table,) in await world.rows(tables):
        rows = await world.rows(f"SELECT to_jsonb(one) AS one FROM {table} AS one WHERE org = :org", org=world.org)
        found[table] = sorted(json.dumps(row.one, sort_keys=True) for row in rows)
    return found


async def tale(world: CorrelatorWorld) -> tuple[list[Any], list[Any]]:
    """What was shown of the org's subjects, and what became of verdicts about them."""
    shown = "SELECT at, subject, from_state, to_state FROM transition WHERE org = :org ORDER BY 1, 2, 3, 4"
    ended = "SELECT at, subject, condition, cause, outcome FROM outcome WHERE org = :org ORDER BY 1, 2, 3, 4, 5"
    return await world.rows(shown, org=world.org), await world.rows(ended, org=world.org)


async def each_by_itself(environment: Mapping[str, str], steps: Sequence[Step], first: int) -> None:
    """Both go so many steps, one goes on to the end, and then the other."""
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(CorrelatorWorld.open(environment))
        other = await stack.enter_async_context(Elsewhere.open(environment, org=Elsewhere.org))
        for step in steps[:first]:
            await step(one)
            await step(other)
        before = await everything(other)
        for step in steps[first:]:
            await step(one)
        assert await everything(other) == before
        after = await everything(one)
        for step in steps[first:]:
            await step(other)
        assert await everything(one) == after
        assert await tale(other) == await tale(one)


async def lost(world: CorrelatorWorld) -> None:
    everybody = await fleet(world, 13)
    await fall_silent(world, everybody[:12])


async def one_is_heard(world: CorrelatorWorld) -> None:
    """And another one, whose turn has not come yet."""
    await world.feed(heard_well("device/d1", GONE + 2_000))
    await world.tick(GONE + 3_000)
    await world.feed(heard_well("device/d2", GONE + 3_500))


async def they_are_heard_again(world: CorrelatorWorld) -> None:
    """Two stay silent, and so is one that was not before."""
    await world.tick(GONE + 4_000)
    await world.feed(change("device/d13", "healthy", "pending_open", at=GONE + 4_500, since=GONE + 4_500))
    await world.tick(GONE + 5_000)
    await world.feed(*(heard_well(f"device/d{number}", GONE + 5_100 + number) for number in range(3, 11)))
    await world.tick(GONE + 6_000)


async def another_policy(world: CorrelatorWorld) -> None:
    await world.put(BRISK.model_validate(BRISK.to_dict() | {"timeout_s": 4}), org=world.org)
    await world.in_force(4, org=world.org, at=GONE + 6_500)
    await world.tick(GONE + 7_000)


async def the_silent_fire(world: CorrelatorWorld) -> None:
    await world.tick(GONE + 9_000)
    await world.tick(GONE + 60_000)


@pytest.mark.rule("HM-302")
@pytest.mark.parametrize("first", [1, 2, 3, 4])
async def test_heartbeats_that_one_org_loses_are_lost_there(environment: dict[str, str], first: int) -> None:
    steps = (lost, one_is_heard, they_are_heard_again, another_policy, the_silent_fire)
    await each_by_itself(environment, steps, first)


async def many_share_a_ticket(world: CorrelatorWorld) -> None:
    await together(world, AT)
    await answered(world, MANY, INTEGRATION)
    await world.feed(*fails("device/d6", AT + 3_000), *recovers("device/d1", AT + 4_000))
    await world.tick(AT + 5_000)


async def others_have_their_own(world: CorrelatorWorld) -> None:
    """One is resolved early, one refused, one held back."""
    early, refused, silenced = "device/early", "device/refused", "device/silenced"
    await behind(world, early, refused, silenced, integration="hue-2")
    await world.silence(Schedule(AT, 60), silenced)
    for each in (early, refused, silenced):
        await world.feed(*fails(each, AT + 8_000))
    await world.tick(AT + 9_000)
    await answered(world, "device_offline", early)
    (asked,) = [one for one in await world.commands() if one.verb == "open" and one.body["subject"]["id"] == "refused"]
    await world.answer(asked, "rejected")
    resolve: dict[str, Any] = {"state": "resolved", "actor": ActorType.USER, "version": 2, "subject": early}
    await world.happen(EntryType.RESOLVED, at=AT + 9_000, **resolve)


async def the_integration_fires(world: CorrelatorWorld) -> None:
    """It takes the list over; one of it recovers."""
    await world.feed(
        change(INTEGRATION, "healthy", "pending_open", at=AT + 12_000, condition=UNREACHABLE),
        change(INTEGRATION, "pending_open", "firing", at=AT + 14_000, condition=UNREACHABLE),
    )
    await world.tick(AT + 15_000)
    await answered(world, UNREACHABLE, INTEGRATION)
    await world.feed(*recovers("device/d2", AT + 18_000), heard("device/d3", AT + 18_500))
    await world.tick(AT + 19_000)


async def the_integration_recovers(world: CorrelatorWorld) -> None:
    """Whom its list still names is judged afresh."""
    await world.feed(
        change(INTEGRATION, "firing", "pending_resolve", at=AT + 20_000, condition=UNREACHABLE),
        change(INTEGRATION, "pending_resolve", "healthy", at=AT + 22_000, condition=UNREACHABLE),
    )
    await world.tick(AT + 23_000)
    await world.feed(change("device/d3", "pending_resolve", "healthy", at=AT + 23_500))


async def all_of_it_ends(world: CorrelatorWorld) -> None:
    for second in (30, 61, 62, 75, 140):
        await world.tick(AT + second * 1_000)
    await world.feed(*recovers("device/refused", AT + 150_000), *recovers("device/d4", AT + 150_000))
    await world.tick(AT + 151_000)


async def a_new_log(world: CorrelatorWorld) -> None:
    """Of shard 0, for this org: some come up well there, one is failing."""
    anew: dict[str, Any] = {"generation": 2}
    await world.feed(world.clock(0, AT + 160_000, generation=2, clock=0))
    await world.feed(*(change(each, None, "healthy", at=AT + 161_000, **anew) for each in devices(5)))
    await world.feed(change("device/early", None, "pending_open", at=AT + 161_000, **anew))
    await world.feed(fires("device/early", AT + 163_000, **anew))
    for second in (164, 170):
        await world.feed(world.clock(0, AT + second * 1_000, generation=2, clock=(second - 160) * 1_000))
        await world.tick(AT + second * 1_000, 1)


async def answered(world: CorrelatorWorld, condition: str, subject: str) -> None:
    """The ticket service has opened it and says so."""
    query = "SELECT asked_command FROM incident WHERE org = :org AND subject = :subject AND condition = :condition"
    (asked,) = await world.rows(query, org=world.org, subject=subject, condition=condition)
    assert isinstance(asked.asked_command, UUID)
    of_it: dict[str, Any] = {"subject": subject, "condition": condition, "version": 1}
    await world.happen(EntryType.OPENED, answering=asked.asked_command, **of_it)


@pytest.mark.rule("HM-302")
@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
async def test_tickets_of_one_org_say_nothing_of_anothers(environment: dict[str, str], first: int) -> None:
    steps = (
        many_share_a_ticket,
        others_have_their_own,
        the_integration_fires,
        the_integration_recovers,
        all_of_it_ends,
        a_new_log,
    )
    await each_by_itself(environment, steps, first)
