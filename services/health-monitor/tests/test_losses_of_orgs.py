"""Heartbeats of several orgs that stop arriving at once."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from uuid import uuid4

import pytest
import pytest_asyncio
from correlator_facts import BRISK, QUIET, change, next_place
from correlator_world import CorrelatorWorld
from loss_facts import GONE, LONG_AGO, everything_is_on_record, evidence, fires, fleet, silent
from msgspec.structs import replace

from fettle_health_monitor.domain.judgements import Change

OTHER = "umbrella"


@pytest_asyncio.fixture
async def world(environment: Mapping[str, str]) -> AsyncIterator[CorrelatorWorld]:
    async with CorrelatorWorld.open(environment) as world:
        yield world
        await everything_is_on_record(world)


def of_other(one: Change) -> Change:
    return replace(one, org=OTHER, place=next_place(), id=str(uuid4()))


def of_both(told: Callable[[str, int], Change], subjects: Sequence[str], at: int) -> Iterator[Change]:
    """One org's device after the other's, a millisecond between them and the next."""
    for number, subject in enumerate(subjects):
        one = told(subject, at + number)
        yield one
        yield of_other(one)


@pytest.mark.rule("HM-150", "HM-152")
async def test_each_org_has_one_ticket_when_the_whole_installation_is_affected(world: CorrelatorWorld) -> None:
    await world.tell(OTHER)
    await world.put(QUIET, org=OTHER)
    await world.put(BRISK, org=OTHER)
    await world.in_force(3, org=OTHER)
    everybody = await fleet(world)
    for number, subject in enumerate(everybody):
        profile = world.profile(subject, integration=f"hue-{number % 2 + 1}", name=subject[7:])
        await world.feed(replace(profile, org=OTHER, place=next_place()))
    well = evidence(LONG_AGO, deadline=None)
    first = [change(each, None, "healthy", at=LONG_AGO, condition=None, evidence=well) for each in everybody]
    await world.feed(*map(of_other, first))
    await world.clear()
    await world.feed(*of_both(silent, everybody, GONE - 2_000))
    await world.tick(GONE - 1_000)
    await world.feed(*of_both(fires, everybody, GONE))
    await world.tick(GONE + 1_000)
    asked = Counter((command.key, command.body["kind"]) for command in await world.commands())
    assert asked == {("acme", "heartbeats_lost"): 1, (OTHER, "heartbeats_lost"): 1}
    rows = await world.rows("SELECT org, state FROM subject WHERE subject LIKE 'device/%'")
    assert Counter((row.org, row.state) for row in rows) == {("acme", "unknown"): 12, (OTHER, "unknown"): 12}
