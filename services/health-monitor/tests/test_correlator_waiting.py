"""What is decided while other verdicts about the same subject wait for the clocks. On a real database."""

import pytest
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import fails, recovers

DEVICE = "device/d1"
AT = T0 + 10_000


async def verbs(world: CorrelatorWorld) -> list[str]:
    return [command.verb for command in await world.commands()]


@pytest.mark.rule("HM-82")
async def test_a_recovery_from_before_it_failed_again_does_not_end_what_it_failed_for(
    environment: dict[str, str],
) -> None:
    """All of it waits for the other shard: it failed, recovered and failed again, and then its shard began anew."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT), *recovers(DEVICE, AT + 500), *fails(DEVICE, AT + 3_000))
        await world.feed(
            change(DEVICE, None, "healthy", at=AT + 3_500, generation=2),
            world.clock(0, AT + 3_500, generation=2, clock=0),
        )
        await world.feed(world.clock(0, AT + 3_900, generation=2, clock=400))
        assert await verbs(world) == []
        await world.feed(world.clock(1, AT + 7_000), world.clock(0, AT + 7_000, generation=2, clock=3_500))
        assert await verbs(world) == ["open", "resolve", "open", "resolve"]


async def comes_up_healthy(world: CorrelatorWorld) -> None:
    """Out of a new log while its ticket is open: two seconds later that is to be resolved."""
    await world.feed(*fails(DEVICE, AT))
    await world.tick(AT + 500)
    await world.feed(
        change(DEVICE, None, "healthy", at=AT + 3_500, generation=2),
        world.clock(0, AT + 3_500, generation=2, clock=0),
    )


@pytest.mark.rule("HM-82", "HM-227")
@pytest.mark.parametrize("batches", [1, 2])
async def test_who_had_been_healthy_for_long_enough_is_resolved_however_late_that_is_noticed(
    environment: dict[str, str], batches: int
) -> None:
    """It is pending again by then; what says so may come before the clocks do."""
    async with CorrelatorWorld.open(environment) as world:
        await comes_up_healthy(world)
        again = change(DEVICE, "healthy", "pending_open", at=AT + 5_501, generation=2)
        clocks = world.clock(0, AT + 6_000, generation=2, clock=2_500), world.clock(1, AT + 6_000)
        if batches == 2:
            await world.feed(again)
        await world.feed(again, *clocks)
        assert await verbs(world) == ["open", "resolve"]


@pytest.mark.rule("HM-82", "HM-227")
async def test_who_fails_again_just_before_that_is_not(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await comes_up_healthy(world)
        await world.feed(change(DEVICE, "healthy", "pending_open", at=AT + 5_499, generation=2))
        await world.feed(world.clock(0, AT + 6_000, generation=2, clock=2_500), world.clock(1, AT + 6_000))
        assert await verbs(world) == ["open"]


@pytest.mark.rule("HM-63", "HM-144")
async def test_a_recovery_calls_off_nothing_that_its_subject_fails_for_afterwards(environment: dict[str, str]) -> None:
    """Both are there when it is decided, and the clocks have not passed the second one yet."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(DEVICE, AT))
        await world.feed(*recovers(DEVICE, AT + 500), *fails(DEVICE, AT + 9_000))
        await world.tick(AT + 5_000)
        assert await world.outcomes() == [("firing", "opened"), ("recovered", "resolved")]
        await world.tick(AT + 20_000)
        assert await world.outcomes() == [("firing", "opened"), ("recovered", "resolved"), ("firing", "opened")]
        assert await verbs(world) == ["open", "resolve", "open"]
