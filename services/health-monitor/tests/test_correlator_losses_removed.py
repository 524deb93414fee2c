"""Subjects that are removed shortly before heartbeats are lost. On a real database."""

import pytest
from correlator_facts import change
from correlator_world import CorrelatorWorld
from loss_facts import GONE, fires, fleet, silent
from rollup_facts import said


@pytest.mark.rule("HM-282")
@pytest.mark.parametrize("at_once", [True, False], ids=["in one batch", "in two batches"])
async def test_those_who_are_removed_do_not_keep_heartbeats_from_being_lost(
    environment: dict[str, str], at_once: bool
) -> None:
    """Of 24 half are removed, and the others fall silent."""
    async with CorrelatorWorld.open(environment) as world:
        everybody = await fleet(world, 24)
        stay, gone = everybody[:12], everybody[12:]
        removed = [change(each, "healthy", None, at=GONE - 20_000, condition=None) for each in gone]
        if not at_once:
            await world.feed(*removed)
            await world.tick(GONE - 10_000)
            removed = []
        lost = [silent(each, GONE - 2_000 + number) for number, each in enumerate(stay)]
        lost += [fires(each, GONE + number) for number, each in enumerate(stay)]
        await world.feed(*removed, *lost)
        await world.tick(GONE + 10_000)
        await world.tick(GONE + 11_000)
        assert await said(world) == ["open other/heartbeats"]
