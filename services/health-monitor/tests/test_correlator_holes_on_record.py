"""What a change ends before the clocks have come behind a hole in the log that is on record. On a real database."""

from functools import partial
from uuid import UUID

import pytest
from correlator_facts import BRISK, change, next_place
from correlator_world import CorrelatorWorld
from test_correlator_waiting import AT

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Unobserved

HUE = "integration/hue-1"
UNREACHABLE, REFUSED = "integration_unreachable", "integration_credentials_invalid"


@pytest.mark.rule("HM-227")
@pytest.mark.parametrize(("begins", "opened"), [(2_500, []), (6_000, [UNREACHABLE])])
async def test_an_early_resolve_that_had_not_run_out_by_what_was_observed_is_ended(
    environment: dict[str, str], begins: int, opened: list[str]
) -> None:
    """Five seconds from two on, and of a hole of ten seconds two count; just behind it the condition
    is another, which is silenced."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(BRISK.model_copy(update={"open_debounce_s": 5}))
        await world.in_force(4)
        await world.feed(change(HUE, at=AT, condition=UNREACHABLE, policy_version=4))
        await world.tick(AT + 500)
        (first,) = await world.commands()
        happen = partial(world.happen, subject=HUE, condition=UNREACHABLE)
        await happen(EntryType.OPENED, answering=UUID(first.event.id))
        await world.tick(AT + 2_000)
        await happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=AT + 2_000, version=2)
        await world.clear()
        await world.silence(Schedule(AT + 9_000, 60), HUE)
        behind = AT + begins + 10_000
        gap = Unobserved(shard=0, generation=1, place=next_place(), from_at=AT + begins, to_at=behind)
        other = change(HUE, "firing", "firing", at=behind + 100, condition=REFUSED, policy_version=4)
        await world.feed(gap, other)
        for later in (500, 9_000):
            clock = AT + begins + 2_000 + later - (AT - 10_000) + 1_000_000
            await world.feed(world.clock(0, behind + later, clock=clock), world.clock(1, behind + later))
        causes = {cause for cause, _ in await world.outcomes()}
        assert ("still_unhealthy" in causes) == bool(opened)
        asked = [command.body["dedup_key"] for command in await world.commands() if command.verb == "open"]
        assert asked == [f"{HUE}:{condition}" for condition in opened]
