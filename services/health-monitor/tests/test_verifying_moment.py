"""What is held back while it is verified is not missing. On a real database."""

import asyncio

import pytest
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, LONG_AGO, evidence, fall_silent, fires, fleet, silent, states
from msgspec.structs import replace
from rollup_facts import devices
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.correlator.published import Span
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.correlator.verifying import in_history

OTHERS = replace(evidence(LONG_AGO, deadline=None), partition=1)
SPAN = Span("acme", 0, 0, 1, min(LONG_AGO, T0), 0, 1 << 40)


@pytest.mark.rule("HM-279")
async def test_what_is_released_while_the_history_is_read_is_not_missing(environment: dict[str, str]) -> None:
    """A firing waits until the other shard has told who is silent, which comes between the history and what is not
    shown."""
    async with CorrelatorWorld.open(environment) as world:
        four, others = devices(4), devices(8, 5)
        for number, subject in enumerate((*four, *others)):
            await world.feed(world.profile(subject, integration=f"hue-{number % 2}"))
        well = evidence(LONG_AGO, deadline=None)
        await world.feed(
            *(change(each, None, "healthy", at=LONG_AGO, condition=None, evidence=well) for each in four),
            *(change(each, None, "healthy", at=LONG_AGO, condition=None, shard=1, evidence=OTHERS) for each in others),
        )
        await world.tick(GONE - 3_000)
        await world.feed(*(silent(each, GONE - 1_900) for each in four))
        await world.feed(*(fires(each, GONE + 100) for each in four), world.clock(0, GONE + 1_000))
        held = await world.rows("SELECT 1 FROM held_judgement WHERE judgement ->> 'kind' = 'change'")
        assert len(held) == 4
        told = [each for each in world.fed.values() if each.shard == 0]
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("LOCK TABLE hidden_change IN ACCESS EXCLUSIVE MODE"))
            reads = asyncio.create_task(in_history(world.database, SPAN, told))
            await world.somebody_waits_for_a_lock()
            await world.judgements.handle(work, [Received(0, world.clock(1, GONE + 1_000))])
        assert (await reads).differences == ()
        after = await in_history(world.database, SPAN, told)
        assert (after.differences, after.same) == ((), len(told))


@pytest.mark.rule("HM-279")
async def test_what_is_laid_over_what_a_shard_says_is_nothing_that_it_should_have_said(
    environment: dict[str, str],
) -> None:
    """That they became unknown stands in the history, with the evidence of what the shard had said."""
    async with CorrelatorWorld.open(environment) as world:
        everybody = await fleet(world)
        await fall_silent(world, everybody)
        assert await states(world) == {"unknown": 12}
        laid_over = "SELECT 1 FROM transition WHERE laid_over AND (body -> 'evidence' ->> 'partition')::integer = 0"
        assert len(await world.rows(laid_over)) == 12
        found = await in_history(world.database, SPAN, list(world.fed.values()))
        assert found.differences == ()
