"""An integration's condition comes back to a ticket that somebody has reopened. On a real database."""

from typing import Any

import pytest
from correlator_facts import T0, change
from correlator_world import CorrelatorWorld
from rollup_facts import UNREACHABLE, behind, fails, opened, said

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Change

INTEGRATION, CREDENTIALS = "integration/hue-1", "integration_credentials_invalid"
DAY_S = 86_400


def turns_to(condition: str, at: int) -> Change:
    return change(INTEGRATION, "firing", "firing", at=at, condition=condition, reason="condition_changed")


async def is_reopened(world: CorrelatorWorld) -> None:
    """#1 was superseded by #2, and somebody has reopened it."""
    await behind(world, "device/d1")
    await world.feed(*fails(INTEGRATION, T0 + 5_000, condition=UNREACHABLE))
    await world.tick(T0 + 6_000)
    await opened(world, UNREACHABLE)
    await world.feed(turns_to(CREDENTIALS, T0 + 10_000))
    await world.tick(T0 + 11_000)
    asked = {row.verb: row.id for row in await world.rows("SELECT id, verb FROM command")}
    about: dict[str, Any] = {"subject": INTEGRATION, "condition": UNREACHABLE}
    await world.happen(EntryType.RESOLVED, state="resolved", version=2, answering=asked["resolve"], **about)
    (second,) = await world.rows("SELECT asked_command FROM incident WHERE condition = :of", of=CREDENTIALS)
    await world.happen(
        EntryType.OPENED,
        number=2,
        version=1,
        subject=INTEGRATION,
        condition=CREDENTIALS,
        answering=second.asked_command,
    )
    await world.happen(EntryType.REOPENED, version=3, actor=ActorType.USER, **about)
    await world.feed(*fails("device/d1", T0 + 15_000))
    await world.tick(T0 + 16_000)
    await world.clear()


@pytest.mark.rule("HM-319")
@pytest.mark.parametrize("silenced", [False, True])
async def test_the_ticket_about_the_other_one_ends_as_superseded(environment: dict[str, str], silenced: bool) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await is_reopened(world)
        if silenced:
            await world.silence(Schedule(T0, DAY_S), INTEGRATION)
        await world.feed(turns_to(UNREACHABLE, T0 + 20_000))
        await world.tick(T0 + 21_000)
        assert await said(world) == [
            f"superseded {INTEGRATION}:{CREDENTIALS}",
            f"list {INTEGRATION}:{UNREACHABLE}: +1 -0",
        ]
        (last,) = await world.rows("SELECT outcome, reason FROM outcome ORDER BY at DESC LIMIT 1")
        assert tuple(last) == ("already_open", "ticket #1 is unresolved")
        listed = await world.rows("SELECT subject, parent_condition FROM rollup_member")
        assert [tuple(one) for one in listed] == [("device/d1", UNREACHABLE)]
