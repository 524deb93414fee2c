"""What ends, or is resolved by somebody, while its org is switched off."""

from uuid import UUID

import pytest
from correlator_facts import BRISK, OFFLINE, T0
from correlator_world import CorrelatorWorld
from silenced_world import FIRING, RESOLVING, fire, move

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.early_resolve import Standing
from fettle_health_monitor.domain.correlator.refusals import after_refusal
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.correlator.watches import Watch


async def switch(world: CorrelatorWorld, at: int, *, on: bool) -> None:
    decided = await world.put(BRISK.model_copy(update={"enabled": on}))
    await world.in_force(decided.version.version, at=at, enabled=on)


@pytest.mark.rule("HM-285")
def test_while_the_org_is_switched_off_no_time_passes_after_a_refusal() -> None:
    stood = Standing("device/t17", FIRING, OFFLINE, ShardClock(0, 1, T0, 0), Switches(3, False, True), 90.0)
    watch = after_refusal(UUID(int=1), "org_unknown", org="acme", condition=OFFLINE, standing=stood, waited_s=0)
    assert isinstance(watch, Watch)
    assert watch.stands_still


@pytest.mark.rule("HM-285")
@pytest.mark.parametrize("moved", [(), (RESOLVING,)], ids=["firing", "just heard again"])
async def test_a_silence_that_ends_while_the_org_is_switched_off_is_looked_at_when_it_is_on_again(
    environment: dict[str, str], moved: tuple[str, ...]
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60))
        await fire(world, T0 + 5_000)
        await move(world, FIRING, *moved, at=T0 + 9_000)
        await world.tick(T0 + 10_000)
        await switch(world, T0 + 20_000, on=False)
        for at in (T0 + 61_000, T0 + 90_000):
            await world.tick(at)
        assert await world.commands() == []
        await switch(world, T0 + 100_000, on=True)
        await world.tick(T0 + 101_000)
        if moved:
            assert await world.commands() == []
            await move(world, RESOLVING, FIRING, at=T0 + 102_000)
        await world.tick(T0 + 103_000)
        await world.tick(T0 + 105_000)
        asked, note = await world.commands()
        assert (asked.verb, note.verb) == ("open", "comment")
        assert asked.body["at"] == ("2026-09-21T14:15:02.000Z" if moved else "2026-09-21T14:15:00.000Z")
        assert [outcome for _, outcome in await world.outcomes()].count("opened") == 1


@pytest.mark.rule("HM-285")
async def test_a_ticket_resolved_while_the_org_is_switched_off_is_watched_from_when_it_is_on_again(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id))
        await switch(world, T0 + 5_000, on=False)
        await world.tick(T0 + 6_000)
        await world.clear()
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=T0 + 7_000, version=2)
        for at in (T0 + 8_000, T0 + 90_000):
            await world.tick(at)
        assert [command.verb for command in await world.commands()] == ["comment"]
        await switch(world, T0 + 100_000, on=True)
        debounce_ms = BRISK.open_debounce_s * 1_000
        await world.tick(T0 + 99_999 + debounce_ms)
        assert len(await world.commands()) == 1
        await world.tick(T0 + 100_001 + debounce_ms)
        assert [command.verb for command in await world.commands()] == ["comment", "open"]
