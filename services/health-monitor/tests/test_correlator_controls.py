"""What shards are told, and what follows when a policy takes effect."""

import asyncio
from collections import defaultdict
from datetime import timedelta

import pytest
from correlator_facts import BRISK, QUIET, T0, change, next_place
from correlator_world import SHARDS, CorrelatorWorld

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_health_monitor.adapters.correlator import control_log
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.policies import Changed, Unchanged
from fettle_health_monitor.domain.correlator.registration import Entering, Registration
from fettle_health_monitor.domain.judgements import Hello


def hello(shard: int, nonce: str = "n1", generation: int = 1) -> Hello:
    return Hello(shard=shard, generation=generation, place=next_place(), nonce=nonce)


async def register(world: CorrelatorWorld, subject: str, said: Registration) -> object:
    whom = SubjectRef.parse(subject)
    async with unit_of_work(world.database) as work:
        became = await world.registry.enter(work, "acme", {whom: said}, by="ann@acme.test")
    assert became is not None
    return became[whom]


async def remove(world: CorrelatorWorld, subject: str) -> bool:
    async with unit_of_work(world.database) as work:
        return await world.registry.remove(work, HeartbeatKey.parse(f"acme/{subject}"))


@pytest.mark.rule("HM-75")
async def test_a_new_org_begins_with_both_switches_off_and_every_shard_is_told(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        await world.tell("acme")
        written = await world.controls_written()
        assert [partition for partition, _, _ in written] == list(range(SHARDS))
        for _, _, statement in written:
            assert isinstance(statement, control.Policy)
            assert (statement.version, statement.enabled) == (1, False)
        await world.tell("acme")
        assert len(await world.controls_written()) == SHARDS


@pytest.mark.rule("HM-75")
async def test_an_org_that_is_deleted_is_judged_no_more(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        long_ago = world.now()
        world.later(10)
        await world.tell("acme", deleted=True)
        (_, _, first), *_ = written = await world.controls_written()
        assert len(written) == SHARDS
        assert isinstance(first, control.Policy)
        assert (first.version, first.enabled) == (4, False)
        await world.tell("acme", told_at=long_ago)
        assert await world.put(BRISK) is None


@pytest.mark.rule("TS-115", "HM-75")
async def test_a_deletion_counts_behind_a_clock_that_was_ahead_and_stays(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        ahead = world.now() + timedelta(days=9_000)
        await world.tell("acme", told_at=ahead)
        world.later(10)
        await world.tell("acme", deleted=True)
        assert len(await world.controls_written()) == SHARDS
        for told_at in (world.now(), ahead, ahead + timedelta(days=1)):
            await world.tell("acme", told_at=told_at)
            assert await world.put(BRISK) is None


@pytest.mark.rule("HM-75")
async def test_an_org_that_is_deleted_publishes_no_more_whether_it_was_judged_or_not(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.put(BRISK.model_copy(update={"enabled": False}))
        world.later(10)
        await world.tell("acme", deleted=True)
        (last,) = await world.rows("SELECT policy FROM policy_version WHERE org = 'acme' ORDER BY version DESC LIMIT 1")
        assert (last.policy["enabled"], last.policy["publish_tickets"]) == (False, False)


@pytest.mark.rule("HM-73")
async def test_a_change_reaches_every_shard_signed_and_numbered_upwards(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        for debounce in (5, 6, 7):
            assert isinstance(await world.put(BRISK.model_copy(update={"open_debounce_s": debounce})), Changed)
        per_shard = defaultdict(list)
        for partition, number, statement in await world.controls_written():
            assert isinstance(statement, control.Policy)
            per_shard[partition].append((number, statement.version, statement.open_debounce_s))
        assert set(per_shard) == set(range(SHARDS))
        for told in per_shard.values():
            assert [(version, debounce) for _, version, debounce in told] == [(4, 5), (5, 6), (6, 7)]
            numbers = [number for number, _, _ in told]
            assert numbers == sorted(set(numbers))
        assert isinstance(await world.put(BRISK.model_copy(update={"open_debounce_s": 7})), Unchanged)


@pytest.mark.rule("HM-77")
async def test_a_shard_that_starts_anew_is_told_everything_once(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("zeta")
        for number in range(8):
            await register(world, f"device/{number}", Registration(name=f"D{number}"))
        belongs = {world.controls.shard_of(HeartbeatKey.parse(f"acme/device/{number}")) for number in range(8)}
        assert belongs == set(range(SHARDS))
        before = max(number for _, number, _ in await world.controls_written())
        await world.clear()
        greeting = hello(1)
        await world.feed(greeting, partition=0)
        await world.feed(greeting, partition=1)
        written = await world.controls_written()
        assert {partition for partition, _, _ in written} == {1}
        numbers = [number for _, number, _ in written]
        assert numbers == list(range(numbers[0], numbers[0] + len(written)))
        assert numbers[0] > before
        kinds = [control.kind(statement) for _, _, statement in written]
        ours = sum(world.controls.shard_of(HeartbeatKey.parse(f"acme/device/{number}")) == 1 for number in range(8))
        assert kinds == ["policy"] * 2 + ["register"] * ours + ["announced"]
        versions = [statement.version for _, _, statement in written if isinstance(statement, control.Policy)]
        assert versions == [3, 1]
        await world.feed(hello(1, "another nonce"))
        assert len(await world.controls_written()) == 2 * len(written)


@pytest.mark.rule("HM-77")
async def test_a_shard_that_starts_anew_is_told_whom_it_judged_without_a_registration(
    environment: dict[str, str],
) -> None:
    """Its interval counts until it says another; who was listed only is not among them."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(
            world.profile("device/t1", interval_s=600.0, model="T100"), change("device/t1", None, "healthy")
        )
        await world.feed(world.profile("device/t2", interval_s=600.0))
        await world.feed(hello(0))
        written = [statement for _, _, statement in await world.controls_written()]
        told = [statement for statement in written if isinstance(statement, control.Register)]
        assert told == [control.Register(model="T100", interval_s=600.0), control.Register()]


@pytest.mark.rule("HM-77")
async def test_a_shard_that_starts_anew_is_told_what_entered_subjects_have_said(environment: dict[str, str]) -> None:
    """Who was entered with a name only keeps the timeout of the interval that it gave."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(world.profile("device/t1", interval_s=600.0), change("device/t1", None, "healthy"))
        await register(world, "device/t1", Registration(name="Thermostat 17"))
        await world.clear()
        await world.feed(hello(0))
        told = [said for _, _, said in await world.controls_written() if isinstance(said, control.Register)]
        assert told == [control.Register(name="Thermostat 17", heard=control.Heard(interval_s=600.0))]


@pytest.mark.rule("HM-263")
async def test_a_shard_is_told_what_counts_where_the_registry_says_less(environment: dict[str, str]) -> None:
    """Not of one that was not entered yet: that its shard knows better, or has forgotten."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(world.profile("device/t1", model="T100"), change("device/t1", None, "healthy"))
        for said in (Registration(model="T1"), Registration()):
            await register(world, "device/t1", said)
        told = [said for _, _, said in await world.controls_written()]
        assert told == [control.Register(model="T1"), control.Register(heard=control.Heard(model="T100"))]


@pytest.mark.rule("HM-73", "HM-77")
async def test_no_number_is_given_twice(environment: dict[str, str]) -> None:
    """Not for what is entered at once, nor behind the answer to a hello: the shard would skip it."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change("device/heard", None, "healthy"))
        entries = {SubjectRef.parse(f"device/{number}"): Registration() for number in range(8)}
        async with unit_of_work(world.database) as work:
            await world.registry.enter(work, "acme", entries, by="ann@acme.test")
        await world.feed(hello(0))
        await world.put(QUIET)
        numbers = [number for _, number, _ in await world.controls_written()]
        assert numbers[-SHARDS:] == [numbers[-1]] * SHARDS
        once = numbers[: 1 - SHARDS]
        assert once == sorted(set(once))


@pytest.mark.rule("HM-75", "HM-77")
async def test_a_shard_that_starts_anew_is_told_nobody_of_another_shard_or_of_an_org_that_is_gone(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("gone")
        async with unit_of_work(world.database) as work:
            said = {SubjectRef.parse(f"device/{number}"): Registration() for number in range(8)}
            await world.registry.enter(work, "gone", said, by="ann@acme.test")
        await world.feed(change("device/heard", None, "healthy", org="gone"))
        await world.feed(change("device/elsewhere", None, "healthy", shard=1))
        for key, shard in (("gone/device/removed", 0), ("acme/device/removed-elsewhere", 1)):
            org, _, subject = key.partition("/")
            await world.feed(change(subject, None, "healthy", org=org, shard=shard))
            async with unit_of_work(world.database) as work:
                assert await world.registry.remove(work, HeartbeatKey.parse(key))
        world.later(10)
        await world.tell("gone", deleted=True)
        await world.clear()
        await world.feed(hello(0))
        kinds = [control.kind(statement) for _, _, statement in await world.controls_written()]
        assert set(kinds) == {"policy", "announced"}


@pytest.mark.rule("HM-73", "HM-77")
async def test_a_hello_during_a_change_is_answered_with_the_change(environment: dict[str, str]) -> None:
    """Whoever numbers first is read by whoever numbers next: the shard never ends with the older policy."""
    async with CorrelatorWorld.open(environment) as world:
        async with unit_of_work(world.database) as work:
            await world.policies.put(work, "acme", QUIET, publish_existing=False, seen=None, by="ann@acme.test")
            greeting = asyncio.create_task(world.feed(hello(1)))
            await world.somebody_waits_for_a_lock()
        await greeting
        told = [
            (number, statement.version)
            for partition, number, statement in await world.controls_written()
            if partition == 1 and isinstance(statement, control.Policy)
        ]
        assert [version for _, version in told] == [4, 4]
        assert told == sorted(told)


@pytest.mark.rule("HM-67")
async def test_switching_publishing_on_opens_nothing_for_what_fires_already(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change("device/a", policy_version=2))
        await world.put(BRISK.model_copy(update={"open_debounce_s": 9}))
        await world.in_force(4, at=T0 + 500)
        await world.tick(T0 + 60_000)
        assert await world.commands() == []


@pytest.mark.rule("HM-67", "HM-210")
async def test_with_publish_existing_what_fires_gets_its_ticket(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.put(QUIET)
        await world.in_force(4)
        await world.feed(
            change("device/fires", policy_version=4, flap_count=4),
            change("device/half", "firing", "pending_resolve", policy_version=4),
            change("device/well", "pending_resolve", "healthy", policy_version=4),
        )
        await world.tick(T0 + 1_000)
        await world.put(BRISK, publish_existing=True)
        await world.put(BRISK.model_copy(update={"resolve_debounce_s": 5}))
        await world.in_force(6, at=T0 + 1_500)
        await world.in_force(6, at=T0 + 1_600)
        await world.tick(T0 + 2_000)
        opened = await world.commands()
        assert [(command.body["dedup_key"], command.body["flap_count"]) for command in opened] == [
            ("device/fires:device_offline", 4),
            ("device/half:device_offline", 0),
        ]
        assert ("publishing_began", "opened") in await world.outcomes()


@pytest.mark.rule("HM-67")
@pytest.mark.parametrize(("quiet_between", "opened"), [(False, 1), (True, 0)])
async def test_who_asked_before_publishing_was_switched_off_again_is_not_heard(
    environment: dict[str, str], quiet_between: bool, opened: int
) -> None:
    """A shard that was away for a while comes to judge by the last of several versions at once."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(QUIET)
        await world.in_force(4)
        await world.feed(change(policy_version=4))
        await world.tick(T0 + 1_000)
        await world.put(BRISK, publish_existing=True)
        await world.put(QUIET if quiet_between else BRISK.model_copy(update={"resolve_debounce_s": 5}))
        await world.put(BRISK)
        await world.in_force(7, at=T0 + 1_500)
        await world.tick(T0 + 2_000)
        assert len(await world.commands()) == opened


@pytest.mark.rule("HM-78")
async def test_an_entry_of_the_registry_goes_to_the_subjects_shard_once(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        said = Registration(name="Thermostat 17", interval_s=3)
        assert await register(world, "device/t17", said) is Entering.ADDED
        assert await register(world, "device/t17", said) is Entering.UNCHANGED
        shard = world.controls.shard_of(HeartbeatKey.parse("acme/device/t17"))
        ((partition, _, statement),) = await world.controls_written()
        assert partition == shard
        assert statement == control.Register(name="Thermostat 17", interval_s=3)
        await world.feed(world.profile(name="what it calls itself", model="T100"))
        (row,) = await world.rows("SELECT name, model, interval_s, state FROM subject")
        assert tuple(row) == ("Thermostat 17", "T100", 3.0, None)


@pytest.mark.rule("HM-69", "HM-78")
async def test_removing_tells_the_shard_and_waits_for_it(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await register(world, "device/t17", Registration(name="T"))
        await world.feed(change(from_state=None, to_state="healthy"))
        await world.clear()
        assert await remove(world, "device/t17")
        ((_, _, statement),) = await world.controls_written()
        assert statement == control.Forget()
        assert len(await world.rows("SELECT * FROM subject")) == 1
        await world.feed(change(from_state="healthy", to_state=None))
        assert await world.rows("SELECT * FROM subject") == []
        assert not await remove(world, "device/t17")


@pytest.mark.rule("HM-69")
async def test_what_no_shard_knows_is_removed_with_its_ticket_at_once(environment: dict[str, str]) -> None:
    """The shard began anew and has not heard the device since: nobody would ever say that it is forgotten."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change(at=T0 + 100))
        await world.tick(T0 + 1_000)
        await world.feed(world.clock(0, T0 + 2_000, generation=2, clock=5))
        assert await remove(world, "device/t17")
        assert await world.rows("SELECT * FROM subject") == []
        opened, resolved = await world.commands()
        assert (opened.verb, resolved.body["resolution"]) == ("open", "removed")
        assert resolved.body["evidence"]["policy_version"] == opened.body["evidence"]["policy_version"] > 0


@pytest.mark.rule("HM-23")
async def test_replicas_that_answer_some_hellos_in_common_do_not_stand_in_each_others_way(
    environment: dict[str, str],
) -> None:
    """One answers the hello of shard 1 while the other is given those of both."""
    async with CorrelatorWorld.open(environment) as world:
        async with unit_of_work(world.database) as work:
            assert await control_log.greet(work.connection, 1, "n1", world.now())
            both = asyncio.create_task(world.feed(hello(0), hello(1)))
            await world.somebody_waits_for_a_lock()
            await control_log.next_number(work.connection)
        await both
        written = await world.controls_written()
        assert [partition for partition, _, said in written if isinstance(said, control.Announced)] == [0]
