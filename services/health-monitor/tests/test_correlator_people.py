"""What people do with the monitor's tickets, and what the monitor makes of it."""

import asyncio
from uuid import UUID

import msgspec
import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Judgement

USER = ActorType.USER


async def fire(world: CorrelatorWorld, *, refused: bool = False) -> None:
    """The device fires at T0 + 1 s, its ticket #1 opens, or is refused, and clocks are at T0 + 2 s."""
    await world.feed(
        change(from_state=None, to_state="healthy", at=T0 + 100),
        change(from_state="healthy", to_state="pending_open", at=T0 + 200),
        change(at=T0 + 1_000),
    )
    await world.tick(T0 + 2_000)
    (opened,) = await world.commands()
    if refused:
        await world.answer(opened, "rejected")
    else:
        await world.happen(EntryType.OPENED, answering=UUID(opened.event.id), at=T0 + 1_000)
    await world.clear()


async def verbs(world: CorrelatorWorld) -> list[str]:
    return [command.verb for command in await world.commands()]


@pytest.mark.rule("HM-70")
async def test_a_ticket_resolved_too_early_is_commented_and_asked_for_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        own = await world.happen(EntryType.RESOLVED, state="resolved", actor=USER, at=T0 + 1_500)
        (comment,) = await world.commands()
        assert comment.verb == "comment"
        assert comment.body["comment"] == (
            "Still offline. If that lasts until 2026-09-21T14:13:24.000Z, this ticket is reopened, unless a silence "
            "holds it back."
        )
        assert comment.event.causation_id == str(own.event.entry.id)
        await world.tick(T0 + 3_999)
        assert await verbs(world) == ["comment"]
        await world.tick(T0 + 4_000)
        _, again = await world.commands()
        assert again.verb == "open"
        assert again.body["dedup_key"] == "device/t17:device_offline"
        assert again.body["at"] == "2026-09-21T14:13:24.000Z"
        assert await world.outcomes() == [("firing", "opened"), ("still_unhealthy", "reopened")]
        await world.tick(T0 + 60_000)
        assert len(await world.commands()) == 2


@pytest.mark.rule("HM-71")
async def test_health_in_between_ends_the_watch(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        await world.feed(
            change(from_state="firing", to_state="pending_resolve", at=T0 + 2_100),
            change(from_state="pending_resolve", to_state="healthy", at=T0 + 3_900),
        )
        await world.tick(T0 + 10_000)
        assert await verbs(world) == ["comment"]
        assert await world.outcomes() == [("firing", "opened"), ("recovered", "nothing_to_resolve")]


@pytest.mark.rule("HM-71")
async def test_a_subject_that_is_heard_again_is_not_reopened_until_it_fails_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.feed(change(from_state="firing", to_state="pending_resolve", at=T0 + 2_100))
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        (comment,) = await world.commands()
        assert comment.body["comment"].startswith("Heard again")
        await world.tick(T0 + 10_000)
        assert await verbs(world) == ["comment"]
        await world.feed(change(from_state="pending_resolve", to_state="firing", at=T0 + 10_100))
        await world.tick(T0 + 11_000)
        assert await verbs(world) == ["comment", "open"]


@pytest.mark.rule("HM-105")
async def test_another_condition_has_its_own_ticket_and_ends_the_watch_on_the_old_one(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        other = "integration_credentials_invalid"
        await world.feed(change(from_state="firing", condition=other, at=T0 + 2_100))
        await world.tick(T0 + 60_000)
        asked = [(command.verb, command.body.get("dedup_key")) for command in await world.commands()]
        assert asked == [("comment", None), ("open", f"device/t17:{other}")]


@pytest.mark.rule("HM-105", "HM-227")
@pytest.mark.parametrize(("at", "reopened"), [(4_199, False), (4_201, True)])
async def test_a_resolve_that_was_early_before_the_condition_changed_is_taken_back_first(
    environment: dict[str, str], at: int, reopened: bool
) -> None:
    """What says that it changed comes before the clocks do."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.tick(T0 + 2_200)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        await world.tick(T0 + 4_100)
        other = "integration_credentials_invalid"
        await world.feed(change(from_state="firing", condition=other, at=T0 + at))
        await world.tick(T0 + 5_000)
        asked = [command.body["dedup_key"] for command in await world.commands() if command.verb == "open"]
        assert asked == [*["device/t17:device_offline"] * reopened, f"device/t17:{other}"]


@pytest.mark.rule("HM-105", "HM-126")
async def test_who_fires_on_for_another_condition_while_silenced_is_held_back_once(environment: dict[str, str]) -> None:
    """The watch on the old condition would have been over during the silence."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.silence(Schedule(T0 + 2_050, 10))
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        other = "integration_credentials_invalid"
        await world.feed(change(from_state="firing", condition=other, at=T0 + 2_100))
        await world.tick(T0 + 60_000)
        assert await world.outcomes() == [("firing", "opened"), ("firing", "silenced"), ("silence_ended", "opened")]
        _, again, _ = await world.commands()
        assert (again.body["dedup_key"], again.body["evidence"]["held_back"]) == (f"device/t17:{other}", 1)


@pytest.mark.rule("HM-70", "HM-106", "HM-210")
async def test_a_ticket_of_a_flapping_subject_is_asked_for_again(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.feed(change(from_state="firing", to_state="flapping", at=T0 + 2_100, flap_count=5))
        await world.tick(T0 + 2_200)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        (comment,) = await world.commands()
        assert comment.body["comment"].startswith("Still flapping")
        await world.tick(T0 + 4_199)
        assert await verbs(world) == ["comment"]
        await world.tick(T0 + 4_200)
        _, again = await world.commands()
        assert (again.verb, again.body["flap_count"]) == ("open", 5)


@pytest.mark.rule("HM-70")
async def test_time_that_nobody_observed_does_not_count(environment: dict[str, str]) -> None:
    """The broker's time jumps by an hour; the shard has observed a second of it."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        hour = T0 + 3_600_000
        await world.feed(*(world.clock(shard, hour, clock=1_003_000) for shard in range(2)))
        assert await verbs(world) == ["comment"]
        await world.feed(*(world.clock(shard, hour + 1_000, clock=1_004_000) for shard in range(2)))
        assert await verbs(world) == ["comment", "open"]


@pytest.mark.rule("HM-83")
async def test_a_new_policy_retimes_what_is_watched(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        await world.put(BRISK.model_copy(update={"open_debounce_s": 30}))
        await world.in_force(4, at=T0 + 3_000)
        await world.tick(T0 + 31_999)
        assert await verbs(world) == ["comment"]
        await world.tick(T0 + 32_000)
        assert await verbs(world) == ["comment", "open"]


@pytest.mark.rule("HM-64", "HM-70")
async def test_old_news_of_a_ticket_changes_nothing(environment: dict[str, str]) -> None:
    """The ticket was resolved early and reopened since; the resolve is heard of last."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.happen(EntryType.REOPENED, state="open", actor=USER, version=9)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER, version=8)
        await world.tick(T0 + 60_000)
        assert await world.commands() == []


@pytest.mark.rule("HM-70")
async def test_the_monitors_own_resolve_leads_to_nothing(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.happen(EntryType.RESOLVED, state="resolved")
        await world.tick(T0 + 60_000)
        assert await world.commands() == []


@pytest.mark.rule("HM-68")
async def test_a_recovery_after_a_persons_resolve_resolves_nothing(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.feed(
            change(from_state="firing", to_state="pending_resolve", at=T0 + 2_100),
            change(from_state="pending_resolve", to_state="healthy", at=T0 + 3_000),
        )
        await world.happen(EntryType.RESOLVED, state="resolved", actor=USER)
        await world.tick(T0 + 10_000)
        assert await world.commands() == []


@pytest.mark.rule("HM-63", "HM-70")
async def test_a_resolve_and_a_recovery_at_the_same_moment_are_taken_in_one_after_the_other(
    environment: dict[str, str],
) -> None:
    """Both change what is known of the ticket and may send commands: whoever holds the org's row goes first."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        recovery: list[Judgement] = [
            change(from_state="firing", to_state="pending_resolve", at=T0 + 2_100),
            change(from_state="pending_resolve", to_state="healthy", at=T0 + 3_000),
            *(world.clock(shard, T0 + 10_000) for shard in range(2)),
        ]
        async with unit_of_work(world.database) as work:
            await world.judgements.handle(work, [Received(0, judgement) for judgement in recovery])
            resolving = asyncio.create_task(world.happen(EntryType.RESOLVED, state="resolved", actor=USER))
            await world.somebody_waits_for_a_lock()
        await resolving
        assert await verbs(world) == ["resolve"]
        (incident,) = await world.rows("SELECT ticket_state, asked_verb FROM incident")
        assert tuple(incident) == ("resolved", "resolve")


@pytest.mark.rule("HM-82")
@pytest.mark.parametrize(("last_heard", "healthy_for_s"), [(T0 + 3_000, 2), (None, 5)])
async def test_who_comes_up_healthy_in_a_new_log_loses_the_ticket_of_the_old_one(
    environment: dict[str, str], last_heard: int | None, healthy_for_s: int
) -> None:
    """Heard: for the resolve debounce (2 s). Only registered: for the timeout (3 s) before, as it may be silent."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        anew = change(from_state=None, to_state="healthy", at=T0 + 3_000, generation=2, place=(1, 0))
        evidence = msgspec.structs.replace(anew.evidence, last_heard=last_heard)
        await world.feed(msgspec.structs.replace(anew, evidence=evidence))
        await world.feed(world.clock(0, T0 + 3_500, generation=2, clock=500))
        due = 500 + healthy_for_s * 1000
        await world.feed(world.clock(0, T0 + 3_000 + due - 1, generation=2, clock=due - 1))
        assert await world.commands() == []
        await world.feed(world.clock(0, T0 + 3_000 + due, generation=2, clock=due))
        assert await world.commands() == [], "another shard may have something to say of before"
        await world.tick(T0 + 3_000 + due, 1)
        (resolved,) = await world.commands()
        assert resolved.body["resolution"] == "recovered"


@pytest.mark.rule("HM-82")
async def test_time_in_the_old_log_does_not_count_in_the_new_one(environment: dict[str, str]) -> None:
    """The broker of the new one is behind: the old log was judged up to a later time."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.tick(T0 + 10_000)
        await world.feed(change(from_state=None, to_state="healthy", at=T0 + 3_000, generation=2, place=(1, 0)))
        await world.tick(T0 + 20_000, 1)
        assert await verbs(world) == []
        await world.feed(world.clock(0, T0 + 3_500, generation=2, clock=500))
        await world.feed(world.clock(0, T0 + 5_499, generation=2, clock=2_499))
        assert await verbs(world) == []
        await world.feed(world.clock(0, T0 + 5_500, generation=2, clock=2_500))
        assert await verbs(world) == ["resolve"]


@pytest.mark.rule("HM-82")
async def test_who_fails_again_in_a_new_log_keeps_its_ticket(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.feed(
            change(from_state=None, to_state="healthy", at=T0 + 3_000, generation=2),
            world.clock(0, T0 + 3_500, generation=2, clock=500),
            change(from_state="healthy", to_state="pending_open", at=T0 + 4_000, generation=2),
            change(from_state="pending_open", to_state="firing", at=T0 + 6_000, generation=2),
            world.clock(0, T0 + 30_000, generation=2, clock=27_000),
        )
        assert await world.commands() == []
        assert await world.outcomes() == [("firing", "opened"), ("firing", "already_open")]


@pytest.mark.rule("HM-82")
@pytest.mark.parametrize("first", ["healthy", "pending_open"])
async def test_who_is_pending_in_a_new_log_and_then_healthy_loses_the_ticket_too(
    environment: dict[str, str], first: str
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.feed(change(from_state=None, to_state=first, at=T0 + 3_000, generation=2))
        if first == "healthy":
            await world.feed(change(from_state="healthy", to_state="pending_open", at=T0 + 3_500, generation=2))
        await world.feed(
            change(from_state="pending_open", to_state="healthy", at=T0 + 4_000, generation=2),
            world.clock(0, T0 + 4_500, generation=2, clock=1_500),
        )
        await world.feed(world.clock(0, T0 + 5_999, generation=2, clock=2_999))
        await world.tick(T0 + 6_000, 1)
        assert await verbs(world) == []
        await world.feed(world.clock(0, T0 + 6_000, generation=2, clock=3_000))
        assert await verbs(world) == ["resolve"]


@pytest.mark.rule("HM-82")
async def test_a_ticket_that_is_only_about_to_open_is_resolved_too(environment: dict[str, str]) -> None:
    """The shard starts anew while the other one is waited for: the firing is decided behind the change to healthy."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change(at=T0 + 1_000))
        anew = change(from_state=None, to_state="healthy", at=T0 + 1_500, generation=2)
        await world.feed(anew, world.clock(0, T0 + 1_500, generation=2, clock=0))
        await world.feed(world.clock(0, T0 + 3_000, generation=2, clock=1_500))
        assert await verbs(world) == []
        await world.feed(world.clock(1, T0 + 4_000), world.clock(0, T0 + 4_000, generation=2, clock=2_500))
        assert await verbs(world) == ["open", "resolve"]


@pytest.mark.rule("HM-82")
@pytest.mark.parametrize("there_is_none", ["as it was resolved early", "as it was refused"])
async def test_a_ticket_that_is_asked_for_again_just_before_is_resolved_too(
    environment: dict[str, str], there_is_none: str
) -> None:
    """One batch brings that the ticket is due to be asked for again, and that the subject is healthy in a new log."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, refused=there_is_none == "as it was refused")
        if there_is_none == "as it was resolved early":
            await world.happen(EntryType.RESOLVED, state="resolved", actor=USER, at=T0 + 1_500)
            await world.clear()
        anew = change(from_state=None, to_state="healthy", at=T0 + 71_000, generation=2)
        await world.feed(*(world.clock(shard, T0 + 70_000) for shard in range(2)), anew)
        assert await verbs(world) == ["open"]
        await world.feed(world.clock(0, T0 + 71_000, generation=2, clock=0))
        await world.feed(world.clock(0, T0 + 80_000, generation=2, clock=9_000), world.clock(1, T0 + 80_000))
        assert await verbs(world) == ["open", "resolve"]


@pytest.mark.rule("HM-82")
async def test_a_ticket_that_somebody_reopened_stays_open_when_its_subject_is_pending_for_a_while(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world)
        await world.feed(
            change(from_state="firing", to_state="pending_resolve", at=T0 + 2_100),
            change(from_state="pending_resolve", to_state="healthy", at=T0 + 4_100),
        )
        await world.tick(T0 + 5_000)
        (resolve,) = await world.commands()
        await world.happen(EntryType.RESOLVED, state="resolved", answering=UUID(resolve.event.id))
        await world.happen(EntryType.REOPENED, actor=USER)
        await world.feed(
            change(from_state="healthy", to_state="pending_open", at=T0 + 6_000),
            change(from_state="pending_open", to_state="healthy", at=T0 + 7_000),
        )
        await world.tick(T0 + 60_000)
        assert await verbs(world) == ["resolve"]
