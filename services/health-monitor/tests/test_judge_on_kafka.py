"""The judge on a real broker and a real database: opening, saving, refusing, and the log that goes away."""

import asyncio
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete
from judge_bugs import bury_what_was_cut_off, judging, leave_one_out
from judge_log import policy
from judge_world import BRISK, World
from prometheus_client import REGISTRY

from fettle_chassis.failures import StartRefused
from fettle_chassis.kafka import build_admin, build_consumer
from fettle_chassis.topics import ensure_topics
from fettle_contracts.partitions import partition_for
from fettle_contracts.times import parse_time
from fettle_contracts.topics import HEARTBEATS, JUDGEMENTS, dead_letters_of
from fettle_health_monitor.adapters.judge.heartbeat_log import Bounds, HeartbeatLog
from fettle_health_monitor.domain.control import CONTROL_HEADER, Skip, decode
from fettle_health_monitor.domain.judgements import Clock, Hello, InForce, Judgement, Unobserved
from fettle_health_monitor.entrypoints.judge import seen

UNHURRIED = policy("acme", **{**BRISK, "open_debounce_s": 5})
"""For who is pending when its judge is told to stop, and still is when it has stopped."""


@pytest.mark.rule("HM-40", "HM-41")
async def test_a_silent_device_fires_and_resolves_when_heard(environment: dict[str, str]) -> None:
    async with World(environment).open() as world, world.judge():
        await world.until(judging)
        await world.beat("acme/device/x1", interval_s=1)
        await world.reaches("device/x1", "firing")
        await world.beat("acme/device/x1", interval_s=1)
        await world.reaches("device/x1", "healthy")

    first, pending, firing, resolving, *_ = world.changes("device/x1")
    assert pending.at == first.at + 2_000
    assert firing.at == first.at + 3_000
    assert resolving.evidence.last_heard == resolving.at


@pytest.mark.rule("HM-41")
async def test_a_clock_never_overtakes_what_stands_before_it(environment: dict[str, str]) -> None:
    async with World(environment).open() as world, world.judge():
        await world.until(judging)
        for number in range(20):
            await world.beat(f"acme/device/d{number}", status="offline")
        await world.until(lambda _: len(world.changes()) >= 40)
        await world.until(lambda said: sum(isinstance(one, Clock) for one in said) >= 2 * world.partitions[JUDGEMENTS])

    for partition in range(world.partitions[JUDGEMENTS]):
        for shard in (0, 1):
            places = [(one.generation, *one.place) for one in world.in_partition[partition] if one.shard == shard]
            assert places == sorted(places)


@pytest.mark.rule("HM-40")
@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed: apt-get install kcat")
async def test_a_heartbeat_with_a_header_name_that_is_no_text_is_heard_like_any_other(
    environment: dict[str, str],
) -> None:
    """Any sender can write such a name; aiokafka's own parser raises at it, and would at every look at the log."""
    key = "acme/device/x1"
    async with World(environment).open() as world:
        async with world.judge():
            await world.until(judging)
            place = str(partition_for(key.encode(), world.partitions[HEARTBEATS]))
            where = ("-b", world.settings.kafka_bootstrap_servers, "-t", world.settings.topic(HEARTBEATS), "-p", place)
            kcat = await asyncio.create_subprocess_exec(
                "kcat", "-P", "-K|", *where, "-H", b"\xff\xfe=x", stdin=asyncio.subprocess.PIPE
            )
            await kcat.communicate(f"{key}|{{}}\n{key}|{{}}\n".encode())
            await world.reaches("device/x1", "firing")
        async with world.judge():
            await world.beat(key)
            await world.reaches("device/x1", "healthy")


@pytest.mark.rule("HM-48", "HM-49", "HM-52")
async def test_a_judge_that_ends_in_the_middle_of_a_batch_saves_nothing_of_it_and_the_fourth_goes_on(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the changes that the first half made would be in the checkpoint, and never said; and the record at which the
    bug is would be the end of the partition."""
    async with World(environment).open() as world:
        place = await leave_one_out(world, "acme/device/x1", monkeypatch)
        letters = await dead_letters(world, 1)
        skips = await skips_of(world, place)
    bury_what_was_cut_off()
    assert world.states("device/x1") == ["healthy", "pending_open", "firing"]
    assert letters["bug"].value == b'{"name":"poison"}'
    assert [skip.offset for skip in skips] == [int(dict(letters["bug"].headers)["dlq-offset"])]


@pytest.mark.rule("HM-42")
async def test_a_judge_that_starts_again_goes_on_where_it_was(environment: dict[str, str]) -> None:
    async with World(environment, UNHURRIED).open() as world:
        async with world.judge():
            await world.until(judging)
            await world.beat("acme/device/x1", interval_s=1)
            await world.reaches("device/x1", "pending_open")
        world.judgements.clear()
        async with world.judge():
            await world.reaches("device/x1", "firing")

    assert not any(isinstance(one, Hello | Unobserved) for one in world.judgements)
    assert {one.generation for one in world.judgements} == {1}


@pytest.mark.rule("HM-28", "HM-30", "HM-31", "HM-32", "HM-33", "HM-34", "HM-35")
async def test_bad_heartbeats_become_dead_letters_and_stop_nothing(environment: dict[str, str]) -> None:
    wrong = {
        "not_json": (b"acme/device/a", b"{"),
        "status_invalid": (b"acme/device/a", b'{"status":"unreachable"}'),
        "too_large": (b"acme/device/a", b'{"name":"' + b"x" * 17_000 + b'"}'),
        "field_invalid": (b"acme/device/a", b'{"name":7}'),
        "interval_out_of_range": (b"acme/device/a", b'{"interval_s":86401}'),
        "key_invalid": (b"acme/space/a", b"{}"),
    }
    key = b"acme/device/a"
    home = partition_for(key, 2)
    reasons = (*wrong, "wrong_partition", "control_forged")
    counted = refused(*reasons), ignored("unknown_org")
    async with World(environment).open() as world, world.judge():
        await world.until(judging)
        for bad_key, value in wrong.values():
            await world.send(bad_key, value, home)
        await world.send(key, b"{}", 1 - home)
        await world.send(key, b"{}", home, [(CONTROL_HEADER, b"pulse")])
        await world.send(b"ghost/device/a", b"{", home)
        await world.send(key, b"{}", home)
        await world.reaches("device/a", "healthy")
        letters = await dead_letters(world, 8)

    assert {reason: (letter.key, letter.value) for reason, letter in letters.items() if reason in wrong} == wrong
    assert set(letters) == set(reasons)
    assert refused(*reasons) == [count + 1 for count in counted[0]]
    assert ignored("unknown_org") == counted[1] + 1


def refused(*reasons: str) -> list[float]:
    """How many this process has counted, by their reasons."""
    counts = (REGISTRY.get_sample_value("fettle_judge_refused_total", {"code": reason}) for reason in reasons)
    return [count or 0 for count in counts]


def ignored(why: str) -> float:
    return REGISTRY.get_sample_value("fettle_judge_ignored_total", {"why": why}) or 0


async def skips_of(world: World, partition: int) -> list[Skip]:
    """What a replay finds in the log."""
    consumer = build_consumer(world.settings, client_id="skips", auto_offset_reset="earliest")
    await consumer.start()
    where = TopicPartition(world.settings.topic(HEARTBEATS), partition)
    consumer.assign([where])
    end = (await consumer.end_offsets([where]))[where]
    found = []
    async with asyncio.timeout(60):
        while await consumer.position(where) < end:
            record = await consumer.getone()
            if dict(record.headers).get(CONTROL_HEADER) == b"skip":
                found.append(decode("skip", record.value))
    await consumer.stop()
    return [statement for statement in found if isinstance(statement, Skip)]


async def dead_letters(world: World, count: int) -> dict[str, Any]:
    """The first dead letters of the heartbeats, by their reason."""
    consumer = build_consumer(world.settings, client_id="letters")
    await consumer.start()
    consumer.assign([TopicPartition(world.settings.topic(dead_letters_of(HEARTBEATS)), 0)])
    found: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while len(found) < count:
            record = await consumer.getone()
            found[dict(record.headers)["dlq-reason"].decode()] = record
    await consumer.stop()
    return found


@pytest.mark.rule("HM-43")
async def test_a_topic_created_again_while_the_judge_runs_starts_anew_and_invents_nothing(
    environment: dict[str, str],
) -> None:
    async with World(environment).open() as world, world.judge():
        await world.until(judging)
        for _ in range(30):
            await world.beat("acme/device/x1", interval_s=1)
        await world.reaches("device/x1", "healthy")
        await recreate_heartbeats(world)
        await world.until(lambda seen: generations(seen) == {1, 2})
        await world.until(lambda seen: {one.shard for one in seen if is_clock_of(one, 2)} == {0, 1})
        await world.beat("acme/device/x1", interval_s=1)
        await world.until(lambda _: world.changes("device/x1")[-1].generation == 2)

    old, *_ = changes = world.changes("device/x1")
    new = next(one for one in changes if one.generation == 2)
    assert (old.generation, new.from_state, new.to_state) == (1, None, "healthy")


@pytest.mark.rule("HM-43")
async def test_a_topic_created_again_while_the_judge_was_down_starts_anew(environment: dict[str, str]) -> None:
    async with World(environment, UNHURRIED).open() as world:
        async with world.judge():
            await world.until(judging)
            await world.beat("acme/device/x1", interval_s=1)
            await world.reaches("device/x1", "pending_open")
        await recreate_heartbeats(world)
        async with world.judge():
            await world.until(lambda seen: {one.shard for one in seen if is_clock_of(one, 2)} == {0, 1})
            await world.beat("acme/device/x1", interval_s=1)
            await world.until(lambda _: world.changes("device/x1")[-1].generation == 2)

    assert world.states("device/x1")[:3] == ["healthy", "pending_open", "healthy"]
    assert world.changes("device/x1")[2].from_state is None


@pytest.mark.rule("HM-44")
async def test_a_shard_whose_unread_log_is_gone_asks_again_and_keeps_its_states(environment: dict[str, str]) -> None:
    async with World(environment).open() as world:
        async with world.judge():
            await world.until(judging)
            await world.beat("acme/device/x1", interval_s=1)
            await world.reaches("device/x1", "firing")
        world.judgements.clear()
        for _ in range(5):
            await world.beat("acme/device/x1", interval_s=1)
        await delete_all_records(world)
        async with world.judge():
            await world.until(lambda seen: {one.shard for one in seen if isinstance(one, InForce)} == {0, 1})
            await world.until(judging)
            await world.beat("acme/device/x1", interval_s=1)
            await world.reaches("device/x1", "healthy")

    assert [one.from_state for one in world.changes("device/x1")][:2] == ["firing", "pending_resolve"]
    assert {one.generation for one in world.judgements} == {1}


@pytest.mark.rule("HM-43")
async def test_a_log_that_goes_away_between_two_questions_holds_no_record(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with World(environment).open() as world:
        await world.beat("acme/device/x1")
        partition = partition_for(b"acme/device/x1", world.partitions[HEARTBEATS])
        heartbeats = HeartbeatLog(world.settings, HEARTBEATS)
        await heartbeats.start()
        found = await heartbeats.place_at(partition, 0)
        assert found is not None
        assert found.offset == 0

        async def as_it_was(_where: TopicPartition) -> Bounds:
            return Bounds(0, 8)

        monkeypatch.setattr(heartbeats, "_bounds", as_it_was)
        assert await heartbeats.place_at(partition, 7) is None
        assert await heartbeats.place_at(partition, 0) == found
        await heartbeats.stop()


@pytest.mark.rule("HM-45")
async def test_another_number_of_partitions_stops_the_judge(environment: dict[str, str]) -> None:
    async with World(environment).open() as world:
        async with world.judge():
            await world.until(judging)
        admin = build_admin(world.settings)
        await admin.start()
        await admin.delete_topics([world.settings.topic(HEARTBEATS)])
        await admin.close()
        await asyncio.sleep(0)
        grown = World({**environment, "FETTLE_TOPIC_PARTITIONS": "3"})
        await created(grown)
        with pytest.raises(StartRefused, match="has 3 partitions and had 2"):
            async with grown.judge():
                await asyncio.sleep(60)


@pytest.mark.rule("HM-46")
async def test_two_judges_share_the_shards_and_hand_them_over(environment: dict[str, str]) -> None:
    async with World(environment).open() as world, world.judge() as first:
        await world.until(judging)
        await world.beat("acme/device/x1", interval_s=1)
        async with world.judge() as second:
            await shared(first.owned, second.owned)
            assert set(first.owned) | set(second.owned) == {0, 1}
        await shared(first.owned, {})
        await world.reaches("device/x1", "firing")

    assert world.states("device/x1") == ["healthy", "pending_open", "firing"]
    assert {one.generation for one in world.judgements} == {1}


async def shared(one: Mapping[int, object], other: Mapping[int, object]) -> None:
    """One shard each, or both with one where there is no other. Nobody tells when a rebalance is over."""
    async with asyncio.timeout(60):
        while len(one) + len(other) < 2 or (other and len(one) != len(other)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


@pytest.mark.rule("HM-47")
async def test_a_shard_answers_what_it_sees_of_a_subject(environment: dict[str, str]) -> None:
    async with World(environment, policy(timeout_s=60)).open() as world, world.judge() as shards:
        await world.until(judging)
        await world.beat("acme/device/x1", interval_s=1)
        await world.reaches("device/x1", "healthy")
        shard = shards.of(b"acme/device/x1")
        assert shard is not None
        answer = seen(shard, shard.judge.subjects.rows[b"acme/device/x1"])

    assert (answer["org"], answer["subject"], answer["state"]) == ("acme", "device/x1", "healthy")
    heard = answer["last_heard"]
    assert (answer["deadline"] - heard).total_seconds() == 60
    assert heard <= answer["as_of"] <= datetime.now(UTC)
    assert parse_time("2026-01-01T00:00:00Z") < heard


def generations(judgements: list[Judgement]) -> set[int]:
    return {one.generation for one in judgements}


def is_clock_of(one: Judgement, generation: int) -> bool:
    return isinstance(one, Clock) and one.generation == generation


async def recreate_heartbeats(world: World) -> None:
    admin = build_admin(world.settings)
    await admin.start()
    await admin.delete_topics([world.settings.topic(HEARTBEATS)])
    await admin.close()
    await created(world)


async def created(world: World) -> None:
    """Deleting a topic takes the broker a moment; until then it cannot be created again."""
    async with asyncio.timeout(60):
        while True:
            admin = build_admin(world.settings)
            await admin.start()
            there = world.settings.topic(HEARTBEATS) in await admin.list_topics()
            await admin.close()
            if not there:
                break
            await asyncio.sleep(0.05)
    await ensure_topics(world.settings, [HEARTBEATS])


async def delete_all_records(world: World) -> None:
    topic = world.settings.topic(HEARTBEATS)
    everything = {TopicPartition(topic, partition): RecordsToDelete(before_offset=-1) for partition in (0, 1)}
    admin = build_admin(world.settings)
    await admin.start()
    await admin.delete_records(everything)
    await admin.close()
