"""Judgements in, rows, commands and transitions out, on a real database."""

import itertools
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from correlator_facts import OFFLINE, T0, change, next_place
from correlator_world import CorrelatorWorld, Row

from fettle_chassis.copying import MANY
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.domain.judgements import Change, Judgement, Unobserved, Unwatched


def failing(*, at: int = T0 + 1_000, subject: str = "device/t17", **more: Any) -> list[Change]:
    """A device falls silent and fires: at `at`."""
    states = [(None, "healthy"), ("healthy", "pending_open"), ("pending_open", "firing")]
    return [
        change(subject, before, after, at=at - 200 + 100 * index, **more)
        for index, (before, after) in enumerate(states)
    ]


def recovering(*, at: int = T0 + 9_000, subject: str = "device/t17") -> list[Change]:
    return [
        change(subject, before, after, at=at + index, reason="reported")
        for index, (before, after) in enumerate([("firing", "pending_resolve"), ("pending_resolve", "healthy")])
    ]


def verbs(commands: list[Row]) -> list[str]:
    return [command.verb for command in commands]


@pytest.mark.rule("HM-65", "HM-63")
async def test_a_firing_becomes_one_signed_open(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        profile = world.profile(name="Thermostat 17", integration="hue-1", space="oslo/hq/3")
        fired = failing()
        await world.feed(profile, *fired)
        assert await world.commands() == []
        await world.tick(T0 + 2_000)
        (command,) = await world.commands()
        assert command.key == "acme"
        assert command.verb == "open"
        assert command.event.causation_id == fired[-1].id
        assert command.body["title"] == "Device offline: Thermostat 17"
        assert command.body["integration"] == "hue-1"
        assert command.body["space"] == "oslo/hq/3"
        assert command.body["evidence"]["policy_version"] == 3
        assert command.body["at"] == "2026-09-21T14:13:21.000Z"
        (row,) = await world.rows("SELECT * FROM outcome")
        assert (str(row.verdict), row.outcome, row.policy_version) == (fired[-1].id, "opened", 3)
        assert row.reason
        assert row.evidence == command.body["evidence"]


@pytest.mark.rule("HM-286")
@pytest.mark.parametrize("to_state", ["firing", "flapping"])
async def test_a_firing_without_a_condition_opens_nothing_and_holds_up_nobody(
    environment: dict[str, str], to_state: str
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change("device/a", "firing", to_state, at=T0 + 900, condition=None), *failing())
        await world.tick(T0 + 2_000)
        (command,) = await world.commands()
        assert command.body["subject"]["id"] == "t17"
        (told,) = (row for row in await world.outbox("health.transitions") if row.body["subject"]["id"] == "a")
        assert told.body["to"] == to_state


@pytest.mark.rule("HM-72")
async def test_every_change_is_told_to_the_world_once(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        profile = world.profile(name="Thermostat 17", integration="hue-1")
        fired = failing()
        await world.feed(profile, *fired)
        told = await world.outbox("health.transitions")
        assert [row.event.id for row in told] == [each.id for each in fired]
        assert {(row.event.type, row.event.source, row.key) for row in told} == {
            ("fettle.health.transition.v1", "fettle/health-monitor", "acme")
        }
        assert told[-1].body == {
            "org": "acme",
            "subject": {"type": "device", "id": "t17", "name": "Thermostat 17", "integration": "hue-1"},
            "from": "pending_open",
            "to": "firing",
            "condition": "device_offline",
            "at": "2026-09-21T14:13:21.000Z",
            "since": "2026-09-21T14:13:19.000Z",
            "policy_version": 3,
            "flap_count": 0,
            "evidence": {
                "reason": "silent for the whole open debounce",
                "last_heard": "2026-09-21T14:13:16.000Z",
                "deadline": "2026-09-21T14:13:19.000Z",
                "status": "ok",
                "timeout_s": 3.0,
                "debounce_s": 2.0,
                "partition": 0,
                "offset": fired[-1].place[0],
            },
        }


@pytest.mark.rule("HM-72")
@pytest.mark.parametrize("size", [100, MANY])
async def test_the_history_says_the_same_however_many_changes_come_together(
    environment: dict[str, str], size: int
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        moved = [change(f"device/{number // 2}", at=T0 + number) for number in range(MANY)]
        for start in range(0, MANY, size):
            await world.feed(*moved[start : start + size])
        rows = await world.rows("SELECT * FROM transition ORDER BY position")
        assert [(str(row.id), row.org, row.subject, row.at) for row in rows] == [
            (each.id, each.org, each.subject, each.at) for each in moved
        ]
        assert {(row.from_state, row.to_state, row.condition, row.calls, row.laid_over) for row in rows} == {
            ("pending_open", "firing", OFFLINE, True, False)
        }
        assert [row.body for row in rows] == [told.body for told in await world.outbox("health.transitions")]


@pytest.mark.rule("HM-64")
@pytest.mark.parametrize("size", [1, 2, 100])
async def test_whatever_is_read_twice_changes_nothing(environment: dict[str, str], size: int) -> None:
    async with CorrelatorWorld.open(environment) as world:
        story: list[Judgement] = [world.profile(name="T"), *failing(), *recovering()]
        story += [world.clock(shard, T0 + 20_000) for shard in range(2)]
        for start in range(0, len(story), size):
            await world.feed(*story[start : start + size])
        before = await world.rows("SELECT id, topics, value FROM outbox ORDER BY id")
        rows = await world.rows("SELECT * FROM outcome ORDER BY verdict")
        for again in (story, story[3:], list(reversed(story))):
            await world.feed(*again)
        assert await world.rows("SELECT id, topics, value FROM outbox ORDER BY id") == before
        assert await world.rows("SELECT * FROM outcome ORDER BY verdict") == rows
        assert verbs(await world.commands()) == ["open", "resolve"]


@pytest.mark.rule("HM-64")
async def test_the_same_place_of_another_log_or_shard_or_partition_is_news(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change(subject="device/a", place=(1_000_000, 0)))
        await world.feed(change(subject="device/b", place=(1_000_000, 0), shard=1))
        await world.feed(change(subject="device/c", place=(1, 0), generation=2))
        await world.feed(change(subject="device/d", place=(1_000_000, 0), org="other"), partition=1)
        assert len(await world.outbox("health.transitions")) == 4


@pytest.mark.rule("HM-60")
async def test_a_slow_shard_is_waited_for_and_then_named(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*failing(at=T0 + 1_000))
        await world.tick(T0 + 5_999, 0)
        assert await world.commands() == []
        await world.tick(T0 + 6_000, 0)
        (command,) = await world.commands()
        assert command.body["evidence"]["slower_shards"] == [1]
        await world.tick(T0 + 7_000, 1)
        assert len(await world.commands()) == 1


@pytest.mark.rule("HM-61")
async def test_a_shard_that_stands_still_is_not_waited_for_and_on_record(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.tick(T0 + 60_000, 0)
        (gap,) = await world.rows("SELECT * FROM shard_gap")
        assert (gap.shard, gap.kind, gap.from_at, gap.to_at) == (1, "stalled", T0, None)
        await world.feed(*failing(at=T0 + 60_500))
        await world.tick(T0 + 61_000, 0)
        (command,) = await world.commands()
        assert command.body["evidence"]["stalled_shards"] == [1]
        await world.tick(T0 + 61_000, 1)
        (gap,) = await world.rows("SELECT * FROM shard_gap")
        assert gap.to_at == T0 + 61_000


@pytest.mark.rule("HM-61")
async def test_a_shard_that_has_never_shown_a_clock_is_on_record_until_it_does(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment, org=None) as world:
        await world.feed(world.clock(0, T0))
        await world.feed(world.clock(0, T0 + 1_000))
        (gap,) = await world.rows("SELECT * FROM shard_gap")
        assert (gap.shard, gap.kind, gap.from_at, gap.to_at) == (1, "stalled", T0, None)
        await world.feed(world.clock(1, T0 + 2_000))
        (gap,) = await world.rows("SELECT * FROM shard_gap")
        assert gap.to_at == T0 + 2_000


@pytest.mark.rule("HM-62")
async def test_while_no_clock_moves_nothing_is_decided(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*failing(at=T0 + 1_000))
        world.later(86_400)
        await world.feed(world.profile(name="another name"))
        assert await world.commands() == []
        assert await world.outcomes() == []


@pytest.mark.rule("HM-68")
async def test_a_recovery_resolves_even_before_the_open_is_answered(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*failing(), *recovering())
        await world.tick(T0 + 20_000)
        opened, resolved = await world.commands()
        assert (opened.verb, resolved.verb) == ("open", "resolve")
        assert resolved.body["resolution"] == "recovered"
        assert resolved.body["ticket"] == {"dedup_key": "device/t17:device_offline"}
        assert await world.outcomes() == [("firing", "opened"), ("recovered", "resolved")]


@pytest.mark.rule("HM-68")
async def test_after_a_refused_open_there_is_nothing_to_resolve(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*failing())
        await world.tick(T0 + 2_000)
        (opened,) = await world.commands()
        await world.answer(opened, "rejected")
        await world.feed(*recovering())
        await world.tick(T0 + 20_000)
        assert verbs(await world.commands()) == ["open"]
        assert await world.outcomes() == [("firing", "refused"), ("recovered", "nothing_to_resolve")]
        (command,) = await world.rows("SELECT answer, answer_code FROM command")
        assert (command.answer, command.answer_code) == ("rejected", "org_unknown")


@pytest.mark.rule("HM-69")
async def test_what_is_forgotten_leaves_the_picture_and_its_tickets(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*failing())
        await world.tick(T0 + 2_000)
        await world.feed(change(from_state="firing", to_state=None, at=T0 + 3_000))
        await world.tick(T0 + 4_000)
        _, resolved = await world.commands()
        assert resolved.body["resolution"] == "removed"
        assert await world.rows("SELECT * FROM subject") == []


@pytest.mark.rule("HM-66")
async def test_without_publishing_the_picture_lives_and_no_ticket_opens(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change(policy_version=2))
        await world.tick(T0 + 2_000)
        assert await world.commands() == []
        assert await world.outcomes() == [("firing", "unpublished")]
        (subject,) = await world.rows("SELECT state, condition FROM subject")
        assert tuple(subject) == ("firing", "device_offline")


@pytest.mark.rule("HM-66")
async def test_an_unknown_org_gets_an_outcome_and_no_ticket(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change(org="nobody"))
        await world.tick(T0 + 2_000)
        assert await world.outcomes() == [("firing", "refused")]
        assert await world.commands() == []


def moves(subject: str, *states: str, at: int, shard: int, policy_version: int = 3) -> list[Judgement]:
    """The subject goes from each state to the next, a millisecond and a record apart."""
    return [
        change(subject, before, after, at=at + i, shard=shard, policy_version=policy_version)
        for i, (before, after) in enumerate(itertools.pairwise(states))
    ]


@pytest.mark.rule("HM-63")
@pytest.mark.parametrize("size", [1, 7, 500])
async def test_outcomes_add_up_to_verdicts(environment: dict[str, str], size: int) -> None:
    """A fleet fires and recovers over two shards, one of which does not publish, in batches of any size."""
    async with CorrelatorWorld.open(environment) as world:
        story: list[Judgement] = []
        for number in range(40):
            at, shard = T0 + 1_000 + 137 * number, number % 2
            states = ["healthy", "pending_open", "firing"]
            story += moves(f"device/{number}", *states, at=at, shard=shard, policy_version=2 + shard)
            if number % 3 == 0:
                states = ["firing", "pending_resolve", "healthy"]
                story += moves(f"device/{number}", *states, at=at + 5, shard=shard)
            story.append(world.clock(shard, at + 8))
        story += [world.clock(shard, T0 + 50_000) for shard in range(2)]
        for start in range(0, len(story), size):
            await world.feed(*story[start : start + size])
        assert Counter(await world.outcomes()) == {
            ("firing", "opened"): 20,
            ("firing", "unpublished"): 20,
            ("recovered", "resolved"): 7,
            ("recovered", "nothing_to_resolve"): 7,
        }
        assert await world.rows("SELECT * FROM verdict") == []
        assert Counter(verbs(await world.commands())) == {"open": 20, "resolve": 7}
        assert len(await world.rows("SELECT * FROM transition")) == sum(isinstance(each, Change) for each in story)


@pytest.mark.rule("HM-85")
async def test_what_was_not_observed_is_on_record_once(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        gap = Unobserved(shard=1, generation=1, place=next_place(), from_at=T0 + 100, to_at=T0 + 9_100)
        await world.feed(gap, partition=0)
        await world.feed(gap, partition=1)
        (row,) = await world.rows("SELECT * FROM shard_gap")
        assert (row.shard, row.kind, row.from_at, row.to_at) == (1, "unobserved", T0 + 100, T0 + 9_100)


@pytest.mark.rule("HM-86")
async def test_who_is_not_watched_is_listed_with_the_reason(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(
            Unwatched(
                shard=0, generation=1, place=next_place(), org="acme", subject="device/n", reason="subject_cap", at=T0
            )
        )
        (row,) = await world.rows("SELECT subject, state, unwatched FROM subject")
        assert tuple(row) == ("device/n", None, "subject_cap")
        await world.feed(change("device/n", None, "healthy"))
        (row,) = await world.rows("SELECT subject, state, unwatched FROM subject")
        assert tuple(row) == ("device/n", "healthy", None)


@pytest.mark.rule("HM-103", "HM-104")
async def test_flapping_holds_one_ticket_until_the_subject_is_stable(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(change(from_state="pending_open", to_state="flapping", at=T0 + 1_000, flap_count=5))
        await world.tick(T0 + 2_000)
        (opened,) = await world.commands()
        assert (opened.verb, opened.body["flap_count"]) == ("open", 5)
        await world.happen(EntryType.OPENED, answering=UUID(opened.event.id), at=T0 + 1_000)
        await world.clear()
        await world.feed(
            change(from_state="flapping", to_state="firing", at=T0 + 3_000),
            change(from_state="firing", to_state="pending_resolve", at=T0 + 4_000),
            change(from_state="pending_resolve", to_state="flapping", at=T0 + 5_000, flap_count=12),
        )
        await world.tick(T0 + 6_000)
        assert await world.commands() == []
        await world.feed(change(from_state="flapping", to_state="healthy", at=T0 + 7_000))
        await world.tick(T0 + 8_000)
        (resolved,) = await world.commands()
        assert (resolved.verb, resolved.body["resolution"]) == ("resolve", "recovered")
        outcomes = [("firing", "opened"), ("firing", "already_open"), ("recovered", "resolved")]
        assert await world.outcomes() == outcomes
