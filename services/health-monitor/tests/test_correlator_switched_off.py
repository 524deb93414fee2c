"""What ends, or is resolved by somebody, while its org is switched off."""

from collections.abc import Sequence
from uuid import UUID

import pytest
from correlator_facts import BRISK, OFFLINE, T0, change, next_place
from correlator_world import CorrelatorWorld
from silenced_world import FIRING, HEALTHY, PENDING, RESOLVING, fire, move

from fettle_contracts.people import ActorType
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import silence_views
from fettle_health_monitor.domain.correlator.clocks import ShardClock
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.early_resolve import Standing
from fettle_health_monitor.domain.correlator.refusals import after_refusal
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.correlator.watches import Watch
from fettle_health_monitor.domain.judgements import Evidence, InForce


async def switched(world: CorrelatorWorld, at: int, *, on: bool, generations: Sequence[int] = (1, 1)) -> list[InForce]:
    """What the shards say of the version that says so; their logs are of these generations."""
    version: int = (await world.put(BRISK.model_copy(update={"enabled": on}))).version.version
    return [
        InForce(shard=shard, generation=generation, place=next_place(), org="acme", version=version, enabled=on, at=at)
        for shard, generation in enumerate(generations)
    ]


async def switch(world: CorrelatorWorld, at: int, *, on: bool, generations: Sequence[int] = (1, 1)) -> int:
    """Answers with the version that says so."""
    said = await switched(world, at, on=on, generations=generations)
    for each in said:
        await world.feed(each)
    return said[0].version


@pytest.mark.rule("HM-285")
def test_while_the_org_is_switched_off_no_time_passes_after_a_refusal() -> None:
    stood = Standing("device/t17", FIRING, OFFLINE, ShardClock(0, 1, T0, 0), Switches(3, False, True), 90.0)
    watch = after_refusal(UUID(int=1), "org_unknown", org="acme", condition=OFFLINE, standing=stood, waited_s=0)
    assert isinstance(watch, Watch)
    assert watch.stands_still


HOUR = 3_600_000


@pytest.mark.rule("HM-323", "HM-132")
@pytest.mark.parametrize("waits", ["off", "just heard again"])
async def test_a_silence_is_shown_as_it_stands_while_its_end_waits(environment: dict[str, str], waits: str) -> None:
    """The end of its first occurrence, as its org is switched off, or its subject may fail again."""
    async with CorrelatorWorld.open(environment) as world:
        id = await world.silence(Schedule(T0, 60, "FREQ=HOURLY;COUNT=3", "Europe/Oslo"))
        await world.silence(Schedule(T0, 60), "device/other")
        await fire(world, T0 + 5_000)
        if waits == "off":
            await switch(world, T0 + 20_000, on=False)
        else:
            await move(world, FIRING, RESOLVING, at=T0 + 20_000)
        for at in (T0 + 61_000, T0 + 90_000):
            await world.tick(at)
        assert [row.until_at for row in await world.rows("SELECT until_at FROM silence WHERE rrule IS NOT NULL")] == [
            T0 + 60_000
        ]

        async def shown(now: int) -> tuple[str, int, int]:
            """The same of the silence itself, in lists, and of its subject."""
            async with world.database.reading() as connection:
                row = await silence_views.one(connection, "acme", id, now=now)
                assert row is not None
                for together in (True, False):
                    for state in ("active", "upcoming", "ended"):
                        found = await silence_views.page(
                            connection,
                            "acme",
                            now=now,
                            limit=9,
                            states=[state],
                            subject="device/t17",
                            together=together,
                        )
                        assert [(each.id, each.from_at) for each in found] == [(id, row.from_at)] * (state == row.state)
                listed = await silence_views.page(connection, "acme", now=now, limit=9)
                assert row in listed
                return row.state, row.from_at - T0, row.until_at - T0

        assert await shown(T0 + 59_999) == ("active", 0, 60_000)
        assert await shown(T0 + 60_000) == ("upcoming", HOUR, HOUR + 60_000)
        assert await shown(T0 + HOUR) == ("active", HOUR, HOUR + 60_000)
        assert await shown(T0 + HOUR + 60_000) == ("upcoming", 2 * HOUR, 2 * HOUR + 60_000)
        assert (await shown(T0 + 2 * HOUR + 60_000))[0] == "ended"


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


@pytest.mark.rule("HM-285", "HM-63")
async def test_it_is_so_where_the_subject_has_recovered_in_the_batch_that_tells_that_the_org_is_on_again(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.silence(Schedule(T0, 60))
        await fire(world, T0 + 5_000)
        await switch(world, T0 + 20_000, on=False)
        await world.tick(T0 + 90_000)
        on = (await world.put(BRISK)).version.version
        told = [
            InForce(
                shard=shard, generation=1, place=next_place(), org="acme", version=on, enabled=True, at=T0 + 100_000
            )
            for shard in (0, 1)
        ]
        moves = [(FIRING, RESOLVING, T0 + 101_000), (RESOLVING, HEALTHY, T0 + 103_000)]
        changes = [change("device/t17", before, after, at=at, since=T0 + 101_000) for before, after, at in moves]
        await world.feed(*told, *changes, world.clock(0, T0 + 105_000), world.clock(1, T0 + 105_000))
        opened, _, resolved = await world.commands()
        assert (opened.verb, opened.body["at"]) == ("open", "2026-09-21T14:15:00.000Z")
        assert (resolved.verb, resolved.body["at"]) == ("resolve", "2026-09-21T14:15:03.000Z")


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


async def begins_anew(world: CorrelatorWorld, version: int, at: int, *, known: Sequence[str] = ("device/t17",)) -> None:
    """The log of shard 0 is another one from this instant on: its shard is told that the org is switched off, and of
    these subjects, whom it does not judge."""
    told = InForce(shard=0, generation=2, place=next_place(), org="acme", version=version, enabled=False, at=at)
    unheard = Evidence(
        last_heard=None, deadline=None, partition=0, offset=1, status=None, timeout_s=0.0, debounce_s=0.0
    )
    await world.feed(
        told,
        *(
            change(
                subject,
                None,
                HEALTHY,
                at=at,
                since=at,
                generation=2,
                condition=None,
                policy_version=version,
                reason="registered",
                evidence=unheard,
            )
            for subject in known
        ),
    )


async def tick(world: CorrelatorWorld, at: int, since: int) -> None:
    """Both shards have judged up to `at`; the log of shard 0 has begun anew at `since`."""
    await world.feed(world.clock(0, at, generation=2, clock=at - since), world.clock(1, at))


@pytest.mark.rule("HM-296", "HM-82", "HM-229", "HM-264")
@pytest.mark.parametrize("fails_again", [False, True])
async def test_who_comes_up_in_a_new_log_while_the_org_is_switched_off_has_not_recovered(
    environment: dict[str, str], fails_again: bool
) -> None:
    """Switched on again it has when it has been healthy for its timeout of 3 s and the resolve debounce of 2 s."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (asked,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(asked.event.id))
        await world.clear()
        off = await switch(world, T0 + 5_000, on=False)
        await world.tick(T0 + 6_000)
        assert await world.commands() == []
        anew, on = T0 + 10_000, T0 + 100_000
        await begins_anew(world, off, anew)
        for at in (anew, anew + 1, T0 + 90_000):
            await tick(world, at, anew)
        assert await world.commands() == []
        await switch(world, on, on=True, generations=(2, 1))
        if fails_again:
            await world.feed(change("device/t17", HEALTHY, PENDING, at=on + 3_000, since=on + 3_000, generation=2))
        await tick(world, on + 4_999, anew)
        assert await world.commands() == []
        await tick(world, on + 5_001, anew)
        assert [each.verb for each in await world.commands()] == ([] if fails_again else ["resolve"])


@pytest.mark.rule("HM-296", "HM-285")
async def test_what_was_resolved_while_the_org_was_switched_off_comes_back_out_of_a_new_log_too(
    environment: dict[str, str],
) -> None:
    """Its shard shows it healthy from then on, and judges it when the org is on again."""
    async with CorrelatorWorld.open(environment) as world:
        await fire(world, T0 + 1_000)
        await world.tick(T0 + 2_000)
        (asked,) = await world.commands()
        await world.happen(EntryType.OPENED, answering=UUID(asked.event.id))
        off = await switch(world, T0 + 5_000, on=False)
        await world.happen(EntryType.RESOLVED, state="resolved", actor=ActorType.USER, at=T0 + 7_000, version=2)
        anew, on = T0 + 10_000, T0 + 100_000
        await begins_anew(world, off, anew)
        await tick(world, T0 + 90_000, anew)
        await world.clear()
        version = await switch(world, on, on=True, generations=(2, 1))
        for before, after, at in ((HEALTHY, PENDING, on + 3_000), (PENDING, FIRING, on + 5_000)):
            moved = change("device/t17", before, after, at=at, generation=2, policy_version=version)
            await world.feed(moved)
        await tick(world, on + 20_000, anew)
        assert [each.verb for each in await world.commands()] == ["open"]
