"""What the correlator counts of what it does, where it is rolled back and done again. On a real database."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

import pytest
import pytest_asyncio
import structlog
from correlator_facts import BRISK, T0, change, next_place
from correlator_world import SHARDS, CorrelatorWorld, own_event
from loss_facts import GONE, fires, fleet, silent
from rollup_facts import devices, fails

from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.people import ActorType
from fettle_contracts.results import CommandResult, Outcome, Reason
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor import metrics
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.domain.judgements import Hello, Judgement

Doing: TypeAlias = Callable[[UnitOfWork], Awaitable[object]]

COUNTED = {
    "judgements": metrics.JUDGEMENTS,
    "outcomes": metrics.OUTCOMES,
    "commands": metrics.COMMANDS,
    "refusals": metrics.REFUSALS,
    "early resolves": metrics.EARLY_RESOLVES,
    "losses": metrics.LOSSES,
    "hellos": metrics.HELLOS,
    "control records": metrics.CONTROL_RECORDS,
}


class Away(Exception):
    """The database, at the commit."""


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world


def counted() -> Counter[str]:
    """By name, whatever the labels."""
    found = Counter[str]()
    for name, counter in COUNTED.items():
        samples = (sample for family in counter.collect() for sample in family.samples)
        found[name] = int(sum(sample.value for sample in samples if sample.name.endswith("_total")))
    return found


async def roll_back(world: CorrelatorWorld, do: Doing) -> None:
    async with unit_of_work(world.database) as work:
        await do(work)
        await work.finish()
        raise Away


async def in_two_tries(world: CorrelatorWorld, do: Doing) -> Counter[str]:
    """What is counted of what is done twice, and committed the second time."""
    before = counted()
    with structlog.testing.capture_logs() as logs, pytest.raises(Away):
        await roll_back(world, do)
    assert counted() == before
    assert [log for log in logs if log["event"] in ("verdict.decided", "verdicts.decided")] == []
    async with unit_of_work(world.database) as work:
        await do(work)
    return counted() - before


def taking(world: CorrelatorWorld, *judgements: Judgement) -> Doing:
    """Both shards have judged up to eleven seconds, or have said these."""
    said = judgements or tuple(world.clock(shard, T0 + 11_000) for shard in range(SHARDS))
    return lambda work: world.judgements.handle(work, [Received(world.partition, each) for each in said])


@pytest.mark.rule("HM-249")
async def test_a_ticket_that_is_asked_for_is_counted_when_that_is_committed(world: CorrelatorWorld) -> None:
    await world.feed(*fails("device/d1", T0 + 10_000))
    assert await in_two_tries(world, taking(world)) == {"judgements": SHARDS, "commands": 1}
    assert len(await world.commands()) == 1


@pytest.mark.rule("HM-249")
async def test_an_outcome_is_counted_and_told_when_it_is_committed(world: CorrelatorWorld) -> None:
    await world.tell("zeta")
    await world.feed(change("device/z", org="zeta", at=T0 + 10_000, policy_version=1))
    with structlog.testing.capture_logs() as logs:
        assert await in_two_tries(world, taking(world)) == {"judgements": SHARDS, "outcomes": 1}
    assert [log["org"] for log in logs if log["event"] == "verdicts.decided"] == ["zeta"]


@pytest.mark.rule("HM-249")
@pytest.mark.parametrize(("many", "lines"), [(100, ["verdict.decided"] * 100), (101, ["verdicts.decided"])])
async def test_each_ticket_that_is_asked_for_has_its_line_unless_they_are_too_many(
    world: CorrelatorWorld, many: int, lines: list[str]
) -> None:
    """Four times as many stay well: nobody thinks that the heartbeats of all were lost."""
    well = [change(each, None, "healthy", at=T0 + 1_000) for each in devices(4 * many, start=many + 1)]
    await world.feed(*well, *(each for one in devices(many) for each in fails(one, T0 + 10_000)))
    with structlog.testing.capture_logs() as logs:
        await world.tick(T0 + 11_000)
    assert len(await world.commands()) == many
    told = [log for log in logs if log["event"] in ("verdict.decided", "verdicts.decided")]
    assert [log["event"] for log in told] == lines
    assert sum(log.get("subjects", 1) for log in told) == many


@pytest.mark.rule("HM-249")
async def test_an_answer_is_counted_when_what_it_ends_is_committed(world: CorrelatorWorld) -> None:
    await world.feed(*fails("device/d1", T0 + 10_000))
    await world.tick(T0 + 11_000)
    (asked,) = await world.commands()
    reason = Reason(code="org_unknown", message="There is no such org.")
    answer = CommandResult(
        org="acme", command_id=asked.event.id, verb="open", outcome=Outcome.REJECTED, reason=reason, ticket=None
    )
    done = await in_two_tries(world, lambda work: world.tickets.take_results(work, [answer]))
    assert done == {"outcomes": 1, "refusals": 1}


@pytest.mark.rule("HM-249")
@pytest.mark.parametrize(("by", "asked"), [(ActorType.USER, 1), (ActorType.HEALTH_MONITOR, 0)])
async def test_a_resolve_is_counted_when_what_follows_is_committed(
    world: CorrelatorWorld, by: ActorType, asked: int
) -> None:
    """Who is down is watched when somebody resolves its ticket, which a comment says."""
    await world.feed(*fails("device/d1", T0 + 10_000))
    await world.tick(T0 + 11_000)
    resolve = own_event(EntryType.RESOLVED, 1, "resolved", by, T0 + 12_000, None, 2, "device/d1")
    done = await in_two_tries(world, lambda work: world.tickets.take_events(work, [resolve]))
    assert done == Counter({"early resolves": 1, "commands": asked})


@pytest.mark.rule("HM-249")
async def test_lost_heartbeats_are_counted_when_they_are_committed(world: CorrelatorWorld) -> None:
    everybody = await fleet(world)
    await world.feed(*(silent(each, GONE - 2_000) for each in everybody))
    await world.feed(*(fires(each, GONE) for each in everybody))
    clocks = [world.clock(shard, GONE + 1_000) for shard in range(SHARDS)]
    done = await in_two_tries(world, taking(world, *clocks))
    assert done == {"judgements": SHARDS, "outcomes": len(everybody), "commands": 1, "losses": 1}


@pytest.mark.rule("HM-249")
async def test_an_answer_to_a_hello_is_counted_when_it_is_committed(world: CorrelatorWorld) -> None:
    hello = Hello(shard=0, generation=1, place=next_place(), nonce="n1")
    done = await in_two_tries(world, taking(world, hello))
    assert done == {"judgements": 1, "hellos": 1, "control records": len(await world.controls_written())}


@pytest.mark.rule("HM-249")
async def test_what_shards_are_told_is_counted_when_it_is_committed(world: CorrelatorWorld) -> None:
    await world.feed(change("device/d1", None, "healthy", at=T0))
    key = HeartbeatKey.parse("acme/device/d1")
    policy = BRISK.model_copy(update={"rollup_threshold": 6})

    async def do(work: UnitOfWork) -> None:
        await world.registry.remove(work, key)
        await world.policies.put(work, "acme", policy, publish_existing=False, seen=None, by="ann@acme.test")

    assert (await in_two_tries(world, do))["control records"] == 1 + SHARDS


@pytest.mark.rule("HM-249")
async def test_what_a_removal_calls_off_is_counted_when_it_is_committed(world: CorrelatorWorld) -> None:
    """No shard will speak of it: its log has begun anew."""
    await world.feed(*fails("device/d1", T0 + 10_000))
    await world.feed(world.clock(0, T0 + 11_000, generation=2, clock=5))
    key = HeartbeatKey.parse("acme/device/d1")
    done = await in_two_tries(world, lambda work: world.registry.remove(work, key))
    assert await world.outcomes() == [("forgotten", "nothing_to_resolve"), ("firing", "called_off")]
    assert done == {"outcomes": 2, "control records": 1}
