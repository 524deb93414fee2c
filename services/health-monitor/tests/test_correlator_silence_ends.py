"""What the end of a silence brings, in the log's time."""

import random
from itertools import pairwise
from uuid import UUID

import msgspec
import pytest
from correlator_facts import T0, change, next_place
from correlator_world import CorrelatorWorld
from silenced_world import DAY, FIRING, HEALTHY, PENDING, RESOLVING, fire, held, move, opened
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Change, Judgement


@pytest.mark.rule("HM-126")
async def test_who_still_fails_when_the_silence_ends_gets_its_ticket_with_a_note(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        id = await world.silence(Schedule(T0, 60), reason="Battery swap")
        await world.feed(world.profile(name="Thermostat 17"))
        await fire(world, T0 + 5_000)
        await move(world, FIRING, RESOLVING, HEALTHY, PENDING, FIRING, at=T0 + 30_000)
        await world.tick(T0 + 59_999)
        assert await world.commands() == []
        await world.tick(T0 + 60_000)
        assert await world.rows("SELECT id FROM silence WHERE due_at IS NOT NULL") == []
        await world.tick(T0 + 60_001)
        asked, note = await world.commands()
        assert (asked.verb, note.verb) == ("open", "comment")
        assert asked.body["title"] == "Device offline: Thermostat 17"
        assert asked.body["at"] == "2026-09-21T14:14:20.000Z"
        assert asked.body["evidence"]["held_back"] == 2
        assert asked.body["evidence"]["silence"] == {
            "id": str(id),
            "by": "ann@acme.test",
            "from": "2026-09-21T14:13:20.000Z",
            "until": "2026-09-21T14:14:20.000Z",
            "reason": "Battery swap",
        }
        assert note.body["ticket"] == {"dedup_key": "device/t17:device_offline"}
        assert note.body["comment"] == (
            "Held back by a silence of ann@acme.test until 2026-09-21T14:14:20.000Z: 2 times."
        )
        await world.answer(asked)
        await world.answer(note, version=2)
        assert len(await world.rows("SELECT condition FROM incident")) == 1
        await world.tick(T0 + 600_000)
        assert len(await world.commands()) == 2
        assert [outcome for _, outcome in await world.outcomes()].count("opened") == 1


@pytest.mark.rule("HM-126")
async def test_nothing_follows_where_the_subject_is_well_or_has_its_ticket(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000, "device/open")
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id), subject="device/open")
        await world.clear()
        for subject in ("device/open", "device/well", "device/recovered", "device/pending", "device/nobody"):
            await world.silence(Schedule(T0, 60), subject)
        await move(world, None, HEALTHY, at=T0 + 1_000, subject="device/well")
        await move(world, HEALTHY, PENDING, at=T0 + 1_000, subject="device/pending")
        await fire(world, T0 + 3_000, "device/recovered")
        await move(world, FIRING, RESOLVING, HEALTHY, at=T0 + 30_000, subject="device/recovered")
        await world.tick(T0 + 61_000)
        await world.tick(T0 + 62_000)
        assert await world.commands() == []
        assert [each for each in await world.outcomes() if each[0] == "silence_ended"] == [
            ("silence_ended", "already_open")
        ]


@pytest.mark.rule("HM-127")
async def test_an_end_is_measured_by_the_log_of_the_subjects_shard(environment: dict[str, str]) -> None:
    """The wall is hours ahead, another shard is past the end; then the monitor's backlog comes in one batch."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60))
        await fire(world, T0 + 5_000)
        await world.tick(T0 + 6_000)
        world.later(7_200)
        (row,) = await world.rows("SELECT shard FROM silence")
        await world.tick(T0 + 63_000, 1 - row.shard)
        assert await world.commands() == []
        await world.feed(
            change(from_state=FIRING, to_state=RESOLVING, at=T0 + 61_000),
            change(from_state=RESOLVING, to_state=HEALTHY, at=T0 + 63_000),
            *(world.clock(shard, T0 + 100_000) for shard in range(2)),
        )
        assert [command.verb for command in await world.commands()] == ["open", "comment", "resolve"]
        assert [each for each in await world.outcomes() if each[1] != "silenced"] == [
            ("silence_ended", "opened"),
            ("recovered", "resolved"),
        ]


@pytest.mark.rule("HM-127")
async def test_what_was_well_at_the_end_is_not_opened_by_a_backlog_that_ends_in_trouble(
    environment: dict[str, str],
) -> None:
    """It recovers a millisecond before the end and fires again later: that calls for a ticket of its own."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60))
        await fire(world, T0 + 5_000)
        await world.feed(
            change(from_state=FIRING, to_state=RESOLVING, at=T0 + 50_000),
            change(from_state=RESOLVING, to_state=HEALTHY, at=T0 + 59_999),
            change(from_state=HEALTHY, to_state=PENDING, at=T0 + 70_000),
            change(from_state=PENDING, to_state=FIRING, at=T0 + 80_000),
            *(world.clock(shard, T0 + 100_000) for shard in range(2)),
        )
        assert await world.outcomes() == [
            ("firing", "silenced"),
            ("recovered", "nothing_to_resolve"),
            ("firing", "opened"),
        ]


@pytest.mark.rule("HM-128")
async def test_overlapping_silences_hold_until_the_last_has_ended(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        first = await world.silence(Schedule(T0, 60))
        last = await world.silence(Schedule(T0 + 30_000, 60), by="bob@acme.test")
        twin = await world.silence(Schedule(T0 + 40_000, 50))
        await fire(world, T0 + 5_000)
        await world.tick(T0 + 61_000)
        await world.tick(T0 + 62_000)
        assert await world.commands() == []
        assert await world.outcomes() == [("firing", "silenced"), ("silence_ended", "silenced")]
        await world.tick(T0 + 90_000)
        await world.tick(T0 + 91_000)
        assert len(await opened(world)) == 1
        assert (await world.outcomes())[-1] == ("silence_ended", "opened")
        assert len(await world.outcomes()) == 3
        found = await held(world)
        assert found[first] == 1
        assert found.get(last, 0) + found.get(twin, 0) == 1


@pytest.mark.rule("HM-129")
@pytest.mark.parametrize("fails_again", [True, False])
async def test_who_is_just_heard_again_at_the_end_is_waited_for(environment: dict[str, str], fails_again: bool) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60))
        await fire(world, T0 + 5_000)
        await move(world, FIRING, RESOLVING, at=T0 + 59_000)
        await world.tick(T0 + 60_500)
        await world.tick(T0 + 60_800)
        assert await world.commands() == []
        await move(world, RESOLVING, FIRING if fails_again else HEALTHY, at=T0 + 60_900)
        for more in (62_000, 63_000, 200_000):
            await world.tick(T0 + more)
        asked = await opened(world)
        assert [row.body["at"] for row in asked] == (["2026-09-21T14:14:20.900Z"] if fails_again else [])
        assert await world.rows("SELECT id FROM silence WHERE due_at IS NOT NULL") == []


@pytest.mark.rule("HM-124", "HM-126")
async def test_each_occurrence_ends_on_its_own(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60, "FREQ=DAILY;COUNT=2", "Europe/Oslo"))
        for day in range(3):
            night = T0 + day * DAY
            await fire(world, night + 5_000)
            await world.tick(night + 61_000)
            await world.tick(night + 62_000)
            (asked, *_) = await opened(world)
            await world.happen(EntryType.OPENED, number=day + 1, answering=UUID(asked.event.id))
            await move(world, FIRING, RESOLVING, HEALTHY, at=night + 90_000)
            await world.tick(night + 91_000)
            resolve = (await world.commands())[-1]
            await world.happen(EntryType.RESOLVED, number=day + 1, state="resolved", answering=UUID(resolve.event.id))
            await world.clear()
        causes = [each for each in await world.outcomes() if each[0] != "recovered"]
        night_of_silence = [("firing", "silenced"), ("silence_ended", "opened")]
        assert causes == [*night_of_silence, *night_of_silence, ("firing", "opened")]


@pytest.mark.rule("HM-134", "HM-126")
async def test_a_removed_silence_ends_at_that_moment(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        id = await world.silence(Schedule(T0, 3_600, "FREQ=DAILY;COUNT=9", "UTC"))
        later = await world.silence(Schedule(T0 + DAY, 3_600))
        await fire(world, T0 + 5_000)
        world.later(10)
        assert await world.unsilence(id)
        assert await world.unsilence(later)
        assert not await world.unsilence(UUID(int=7))
        await world.tick(T0 + 9_999)
        assert await world.outcomes() == [("firing", "silenced")]
        await world.tick(T0 + 10_000)
        await world.tick(T0 + 10_001)
        assert (await world.outcomes())[-1] == ("silence_ended", "opened")
        world.later(60)
        assert await world.unsilence(id)
        (row,) = await world.rows("SELECT removed_at, removed_by, due_at FROM silence WHERE id = :id", id=id)
        assert tuple(row) == (T0 + 10_000, "bob@acme.test", None)
        await fire(world, T0 + DAY + 1_000, "device/t18")
        await world.tick(T0 + DAY + 5_000)
        assert len(await opened(world)) == 2


@pytest.mark.rule("HM-129")
async def test_a_watch_over_an_early_resolve_goes_its_own_way(environment: dict[str, str]) -> None:
    """The ticket of before the silence is resolved by somebody; the silence ends, and the debounce after that."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id))
        await world.clear()
        await world.silence(Schedule(T0, 60))
        await world.tick(T0 + 59_000)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=T0 + 59_000)
        await world.tick(T0 + 60_500)
        await world.tick(T0 + 60_600)
        assert await opened(world) == []
        await world.tick(T0 + 61_000)
        assert await world.outcomes() == [("firing", "opened"), ("still_unhealthy", "reopened")]


@pytest.mark.rule("HM-120", "HM-126")
async def test_an_early_resolve_is_silenced_too_and_reopened_afterwards(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (first,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(first.event.id))
        await world.silence(Schedule(T0, 60))
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=T0 + 2_000)
        await world.tick(T0 + 10_000)
        assert await world.outcomes() == [("firing", "opened"), ("still_unhealthy", "silenced")]
        await world.tick(T0 + 60_000)
        await world.tick(T0 + 60_001)
        assert (await world.outcomes())[-1] == ("silence_ended", "opened")


@pytest.mark.rule("HM-127")
async def test_an_end_that_is_read_again_after_a_crash_calls_once(environment: dict[str, str]) -> None:
    """The transaction that dealt with the end is lost before its commit; then it is done, and everything read again."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60))
        await world.silence(Schedule(T0 + 1_000, 59))
        await fire(world, T0 + 5_000)
        await world.tick(T0 + 59_000)
        ends = [world.clock(shard, T0 + 61_000) for shard in range(2)]

        async def killed_before_the_commit() -> None:
            async with unit_of_work(world.database) as work:
                await world.judgements.handle(work, [Received(0, clock) for clock in ends])
                raise RuntimeError("killed")

        with pytest.raises(RuntimeError):
            await killed_before_the_commit()
        assert await world.outcomes() == [("firing", "silenced")]
        for _ in range(2):
            await world.feed(*ends)
        await world.tick(T0 + 62_000)
        assert await world.outcomes() == [("firing", "silenced"), ("silence_ended", "opened")]
        assert len(await opened(world)) == 1


@pytest.mark.rule("HM-127")
async def test_an_end_that_was_unreadable_is_dealt_with_later_unless_it_is_overtaken(
    environment: dict[str, str],
) -> None:
    """What recovered meanwhile must not get a ticket that nothing would resolve."""
    async with CorrelatorWorld.open(environment) as world:
        for subject in ("device/t17", "device/t18"):
            await world.silence(Schedule(T0, 60), subject)
            await fire(world, T0 + 5_000, subject)
        await world.tick(T0 + 59_000)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("ALTER TABLE silence RENAME TO away"))
        await move(world, FIRING, RESOLVING, HEALTHY, at=T0 + 63_000)
        await world.tick(T0 + 70_000)
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("ALTER TABLE away RENAME TO silence"))
        await world.tick(T0 + 71_000)
        (asked,) = await opened(world)
        assert asked.body["dedup_key"] == "device/t18:device_offline"
        assert asked.body["at"] == "2026-09-21T14:14:20.000Z"


@pytest.mark.rule("HM-127")
async def test_two_silences_with_one_end_call_once_even_if_the_second_is_made_behind_it(
    environment: dict[str, str],
) -> None:
    """The wall is behind the log: the second has ended there before it is made."""
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60))
        await fire(world, T0 + 5_000)
        for more in (60_000, 61_000):
            await world.tick(T0 + more)
        await world.silence(Schedule(T0 + 1_000, 59))
        for more in (62_000, 63_000):
            await world.tick(T0 + more)
        assert await world.outcomes() == [("firing", "silenced"), ("silence_ended", "opened")]


@pytest.mark.rule("HM-120", "HM-128")
@pytest.mark.parametrize("lengths", [(60, 90), (90, 60)])
async def test_of_two_silences_the_one_that_lasts_longer_holds(
    environment: dict[str, str], lengths: tuple[int, int]
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        made = {length: await world.silence(Schedule(T0, length)) for length in lengths}
        await fire(world, T0 + 5_000)
        await world.tick(T0 + 6_000)
        assert await held(world) == {made[90]: 1}


SUBJECTS = [f"device/{number}" for number in range(7)]


def story() -> list[Change]:
    """Seven devices around the end of their silence at T0 + 60 s."""
    end, told = T0 + 60_000, list[Change]()

    def say(subject: str, *moves: tuple[str, int]) -> None:
        states = [HEALTHY, *(state for state, _ in moves)]
        for (before, after), (_, at) in zip(pairwise(states), moves, strict=True):
            told.append(change(subject, before, after, at=at))

    fired = ((PENDING, T0 + 8_000), (FIRING, T0 + 10_000))
    heard = (*fired, (RESOLVING, end - 1))
    say(SUBJECTS[0], *fired)
    say(SUBJECTS[1], *fired, (RESOLVING, end - 5_001), (HEALTHY, end - 1))
    say(SUBJECTS[2], *heard, (HEALTHY, end + 5_000))
    say(SUBJECTS[3], *heard, (FIRING, end + 4_000), (RESOLVING, end + 9_000), (HEALTHY, end + 14_000))
    again = ((PENDING, end + 8_000), (FIRING, end + 9_000))
    say(SUBJECTS[4], *fired, (RESOLVING, end + 1_000), (HEALTHY, end + 7_000), *again)
    say(SUBJECTS[5], (PENDING, end - 3_000), (FIRING, end), (RESOLVING, end + 1), (HEALTHY, end + 2))
    say(SUBJECTS[6], *heard, (FIRING, end))
    return sorted(told, key=lambda each: each.at)


@pytest.mark.rule("HM-127", "HM-129")
@pytest.mark.parametrize("seed", range(6))
async def test_the_same_becomes_of_the_same_log_in_whatever_batches_it_is_read(
    environment: dict[str, str], seed: int
) -> None:
    draw = random.Random(seed)
    async with CorrelatorWorld.open(environment) as world:
        for subject in SUBJECTS:
            await world.silence(Schedule(T0, 60), subject)
        waiting, batch, at = story(), list[Judgement](), T0
        while at < T0 + 90_000:
            at += draw.choice([500, 5_000, 20_000])
            said = [msgspec.structs.replace(each, place=next_place()) for each in waiting if each.at <= at]
            waiting = [each for each in waiting if each.at > at]
            batch += [*said, *(world.clock(shard, at) for shard in range(2))]
            if draw.random() < 0.5:
                await world.feed(*batch)
                batch = []
        await world.feed(*batch, *(world.clock(shard, at + 10_000) for shard in range(2)))
        await world.tick(at + 20_000)
        rows = await world.rows("SELECT subject, cause, outcome, at FROM outcome ORDER BY subject, outcome.at, cause")
        end = T0 + 60_000
        assert [(row.subject[-1], row.cause, row.outcome, row.at - end) for row in rows] == [
            ("0", "firing", "silenced", -50_000),
            ("0", "silence_ended", "opened", 0),
            ("1", "firing", "silenced", -50_000),
            ("1", "recovered", "nothing_to_resolve", -1),
            ("2", "firing", "silenced", -50_000),
            ("2", "recovered", "nothing_to_resolve", 5_000),
            ("3", "firing", "silenced", -50_000),
            ("3", "silence_ended", "opened", 4_000),
            ("3", "recovered", "resolved", 14_000),
            ("4", "firing", "silenced", -50_000),
            ("4", "silence_ended", "opened", 0),
            ("4", "recovered", "resolved", 7_000),
            ("4", "firing", "opened", 9_000),
            ("5", "firing", "opened", 0),
            ("5", "recovered", "resolved", 2),
            ("6", "firing", "silenced", -50_000),
            ("6", "silence_ended", "opened", 0),
        ]
