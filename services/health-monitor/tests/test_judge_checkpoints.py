"""Checkpoints in a real database, and the seam for bare records."""

from pathlib import Path
from typing import cast

import pytest
from aiokafka.consumer import fetcher
from judge_log import GATEWAY, T0, Judged, Log, judge, read_control
from msgspec.structs import replace
from sqlalchemy import text

from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.failures import StartRefused
from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.adapters.judge import bare_records
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, packed
from fettle_health_monitor.adapters.judge.heartbeat_log import HeartbeatLog
from fettle_health_monitor.domain.control import Match, Override
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, restore, snapshot, unpack
from fettle_health_monitor.domain.judge.scribe import RULES_VERSION
from fettle_health_monitor.domain.judge.shard import Place
from fettle_health_monitor.judge.opening import Opening
from fettle_health_monitor.judge.owned import Owned, Shards
from fettle_health_monitor.judge.owner import Owner
from fettle_health_monitor.judge.saving import Saving
from fettle_health_monitor.settings import HealthSettings


def taken(records: int) -> Snapshot:
    log = Log().policy()
    for _ in range(records):
        log.beat()
    return snapshot(judge(log).shard)


@pytest.mark.rule("HM-49")
async def test_of_two_owners_the_one_that_is_further_wins(environment: dict[str, str]) -> None:
    database = Database(HealthSettings.load(environment).database_dsn("health"))
    part = DatabasePart(database, "fettle_health_monitor")
    await part.start()
    try:
        ahead, behind = taken(9), taken(3)
        mine, theirs = Checkpoints(database, "http://a"), Checkpoints(database, "http://b")
        greeting = Greeting("n", Place(0, 0, 0))

        assert await mine.load(0) is None
        assert await mine.begin(0, 1, 1)
        assert not await theirs.begin(0, 1, 1)
        assert await mine.greet(0, 1, 1, greeting)
        assert (await theirs.load(0)).unpack() == greeting  # type: ignore[union-attr]
        assert await mine.save(ahead, packed(ahead))
        assert not await mine.greet(0, 1, 1, Greeting("n", Place(99, 0, 0))), "a state is never replaced by a greeting"
        assert not await theirs.save(behind, packed(behind))
        stored = await theirs.load(0)
        assert stored is not None
        assert (stored.generation, stored.offset, stored.unpack()) == (1, 9, ahead)
        assert await theirs.begin(0, 2, 1)
        assert not await mine.save(ahead, packed(ahead))
    finally:
        await part.stop()


@pytest.mark.rule("HM-327")
async def test_a_hello_behind_lost_log_is_kept_beside_the_state_until_the_next(environment: dict[str, str]) -> None:
    database = Database(HealthSettings.load(environment).database_dsn("health"))
    part = DatabasePart(database, "fettle_health_monitor")
    await part.start()
    try:
        state, later = taken(3), taken(9)
        first, second = Greeting("a", Place(5, 1, 2**32 - 1)), Greeting("b", Place(7, 0, 0))
        checkpoints = Checkpoints(database, "http://a")

        async def there() -> tuple[object, Greeting | None, int]:
            stored = await checkpoints.load(0)
            assert stored is not None
            return stored.unpack(), stored.greeted_again, stored.reached

        assert await checkpoints.begin(0, 1, 1)
        assert not await checkpoints.greet_again(0, 1, -1, first), "nothing is there to go on from"
        assert await checkpoints.save(state, packed(state))
        assert await there() == (state, None, 3)
        assert not await checkpoints.greet_again(0, 1, 2, first)
        assert not await checkpoints.greet_again(0, 2, 3, first)
        assert await checkpoints.greet_again(0, 1, 3, first)
        assert await there() == (state, first, 5)
        assert not await checkpoints.greet_again(0, 1, 3, second), "whoever greets first goes on"
        assert await checkpoints.save(later, packed(later))
        assert await there() == (later, None, 9)

        async with unit_of_work(database) as work:  # as a previous version does, which saves beside this one
            before = {"greeting": '{"type":"greeting","nonce":"a","place":[9,1,1]}'}
            await work.connection.execute(text("UPDATE checkpoint SET greeting = CAST(:greeting AS jsonb)"), before)
        assert await there() == (later, None, 9)
        again = Greeting("c", Place(10, 0, 0))
        assert await checkpoints.greet_again(0, 1, 9, again)
        assert await there() == (later, again, 10)
        assert await checkpoints.begin(0, 2, 1)
        assert await there() == (None, None, -1)
    finally:
        await part.stop()


def before_flapping() -> Log:
    """The log of which the checkpoint in `data` was saved by rules 1, at its 31st record."""
    over = (Override(match=Match(subject="device/b"), open_debounce_s=3, flap_threshold=2),)
    log = Log().policy(timeout_s=10, open_debounce_s=10, resolve_debounce_s=10, flap_threshold=3, overrides=over)
    log.beat().beat(GATEWAY, status="credentials_invalid")
    log.beat("acme/device/b").beat("acme/device/c").pulsed(24).beat("acme/device/c").pulsed(25)
    assert len(log.records) == 31
    return log


@pytest.mark.rule("HM-101")
def test_a_shard_that_was_saved_under_earlier_rules_goes_on_by_these() -> None:
    saved = unpack((Path(__file__).parent / "data" / "checkpoint-of-rules-1.msgpack").read_bytes())
    assert isinstance(saved, Snapshot)
    assert saved.rules_version == 1
    judged = Judged(restore(saved)).fold(before_flapping().pulsed(40).beat().beat("acme/device/b").pulsed(90))

    assert judged.steps() == [
        (40.0, "firing", "pending_resolve", "reported"),
        (50.0, "pending_resolve", "healthy", "debounce_passed"),
        (50.0, "healthy", "pending_open", "silent"),
        (60.0, "pending_open", "firing", "debounce_passed"),
    ]
    assert judged.steps("device/b")[-1] == (53.0, "pending_open", "flapping", "changed_too_often")
    assert judged.steps("integration/hue-1") == [(35.0, "firing", "firing", "condition_changed")]
    assert judged.steps("device/c")[0] == (34.0, "pending_resolve", "healthy", "debounce_passed")
    assert snapshot(judged.shard).rules_version == RULES_VERSION


@pytest.mark.rule("HM-101", "HM-270")
@pytest.mark.parametrize("rules_version", [5, 6])
def test_an_integration_that_was_saved_behind_another_is_behind_none(rules_version: int) -> None:
    """By rules 5 it went by what is for the devices there; a device still does."""
    over = (Override(match=Match(integration="hue-1"), timeout_s=20),)
    log = Log().policy(timeout_s=100, overrides=over).beat(integration="hue-1").beat("acme/device/x").beat(GATEWAY)
    saved = snapshot(judge(log).shard)
    behind, own, its_timings = saved.profiles[0], saved.profiles[1], saved.timings
    assert (behind.integration, own.integration) == ("hue-1", None)
    if rules_version == 5:
        saved = replace(saved, columns=saved.columns | gateway_like_the_first(saved))
    shard = restore(replace(saved, rules_version=rules_version))
    assert (snapshot(shard).timings, snapshot(shard).profiles) == (its_timings, saved.profiles)

    silent = [change for change in Judged(shard).fold(log.pulsed(110)).changes if change.reason == "silent"]
    at = {change.subject: change.at - T0 for change in silent}
    assert at == {"device/t17": 20_000, "device/x": 100_000, "integration/hue-1": 100_000}


def gateway_like_the_first(saved: Snapshot) -> dict[str, bytes]:
    """The third row with the profile and the timing of the first."""
    columns = {}
    for name in ("profile", "timing"):
        first, second, _ = (saved.columns[name][start : start + 4] for start in (0, 4, 8))
        columns[name] = first + second + first
    return columns


@pytest.mark.rule("HM-101")
async def test_a_shard_that_a_newer_judge_saved_is_refused(environment: dict[str, str]) -> None:
    database = Database(HealthSettings.load(environment).database_dsn("health"))
    part = DatabasePart(database, "fettle_health_monitor")
    await part.start()
    try:
        checkpoints, saved = Checkpoints(database, "http://a"), taken(3)
        assert await checkpoints.save(saved, packed(saved))
        async with unit_of_work(database) as work:
            await work.connection.execute(text("UPDATE checkpoint SET rules_version = rules_version + 1"))
        with pytest.raises(
            StartRefused, match=f"judged by rules {RULES_VERSION + 1} already and this judge knows {RULES_VERSION}"
        ):
            await Opening(checkpoints, cast(HeartbeatLog, None), cast(Saving, None)).open(0, 1, None)
    finally:
        await part.stop()


@pytest.mark.rule("HM-27", "HM-46")
def test_records_that_were_fetched_before_a_shard_came_back_are_not_judged_twice() -> None:
    log = Log().policy().beat().beat().beat()
    owner = object.__new__(Owner)
    owner._shards = shards = Shards()
    shards.take(mine := Owned(judge(log).shard, read_control, None))
    log.beat().beat()
    assert list(owner._unread(mine, log.records[2:])) == log.records[4:]
    assert list(owner._unread(mine, log.records[4:])) == log.records[4:]
    assert not owner._unread(mine, log.records[:3])
    shards.freeze(0)
    assert not owner._unread(mine, log.records[4:]), "it was let go while something was waited for"


@pytest.mark.rule("HM-51")
def test_records_come_bare_only_to_who_asks() -> None:
    assert bare_records.offer_bare_records()
    assert bare_records.offer_bare_records()
    record = _Parsed()

    assert _records(bare_records.bare)._consumer_record(_Where(), record) is record
    ordinary = _records(None)._consumer_record(_Where(), record)
    assert (ordinary.topic, ordinary.partition, ordinary.offset) == ("t", 3, 7)


@pytest.mark.rule("HM-51")
def test_another_aiokafka_gives_ordinary_records(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        def _consumer_record(self, record: object) -> object:
            return record

    monkeypatch.setattr(fetcher, "PartitionRecords", Other)

    assert not bare_records.offer_bare_records()
    assert fetcher.PartitionRecords is Other
    assert bare_records.bare(b"k") == b"k"


def _records(key_deserializer: object) -> fetcher.PartitionRecords:
    return fetcher.PartitionRecords(_Where(), _Nothing(), None, 0, key_deserializer, None, True, 0)


class _Where:
    topic, partition = "t", 3


class _Nothing:
    def has_next(self) -> bool:
        return False


class _Parsed:
    offset, timestamp, timestamp_type, key, value, checksum = 7, 1, 1, b"k", b"v", None
    headers: tuple[tuple[str, bytes], ...] = ()
