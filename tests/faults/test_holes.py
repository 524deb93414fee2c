"""A time that nobody observed is on record once, also when the judge that has told of it is killed and another tells of
it again."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.observed import HOLE_MS, check_gaps, rows_of
from tests.installation import Installation, eventually
from tests.outside import read_all

pytestmark = pytest.mark.slow

SHARDS = 2
Told = tuple[int, int, int]
"""Shard, from, to."""


@pytest.fixture
def monitor(environment: dict[str, str], tmp_path: Path) -> Iterator[Installation]:
    """Judge and correlator alone, not started."""
    installation = Installation(environment, tmp_path)
    yield installation
    installation.stop()


@pytest.mark.rule("HM-85", "HM-236")
@pytest.mark.parametrize(
    ("checkpoint_every_s", "times"), [("3600", 2), ("0.2", 1)], ids=["before its checkpoint", "after it"]
)
def test_a_judge_that_is_killed_after_it_has_told_of_a_hole(
    monitor: Installation, checkpoint_every_s: str, times: int
) -> None:
    monitor.environment["FETTLE_CHECKPOINT_EVERY_S"] = checkpoint_every_s
    monitor.start("judge", "correlator")
    monitor.wait_ready()
    eventually(lambda: places(monitor).keys() == set(range(SHARDS)), "both shards judge", 60)
    monitor.kill("judge")
    time.sleep(HOLE_MS / 1000 + 0.5)
    monitor.start("judge")
    eventually(lambda: len(on_record(monitor)) == SHARDS, "each shard's hole on record")
    hole = on_record(monitor)
    if times == 1:
        eventually(lambda: told_up_to(monitor).keys() >= hole, "a checkpoint behind each of them")
    before = places(monitor)
    monitor.kill("judge")
    monitor.start("judge")
    eventually(lambda: all(at > before[shard] for shard, at in places(monitor).items()), "both shards judge on")

    assert {each: told(monitor)[each] for each in hole} == dict.fromkeys(hole, times * partitions(monitor))
    assert check_gaps(monitor) >= SHARDS


def places(monitor: Installation) -> dict[int, int]:
    """By shard the heartbeat record up to which all that was said has been taken in."""
    rows = rows_of(monitor, "SELECT shard, min(place_offset) AS at FROM shard_progress WHERE judged_at > 0 GROUP BY 1")
    return {row["shard"]: row["at"] for row in rows}


def on_record(monitor: Installation) -> set[Told]:
    return {tuple(row) for row in rows_of(monitor, "SELECT shard, from_at, to_at FROM shard_gap")}


def judgements(monitor: Installation) -> list[tuple[Told, int]]:
    """Each time that a hole was told of, and the record behind it."""
    bootstrap = monitor.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    said = [record.json() for record in read_all(bootstrap, monitor.topic("health.judgements"))]
    return [
        ((each["shard"], each["from"], each["to"]), each["place"][0]) for each in said if each["kind"] == "unobserved"
    ]


def told(monitor: Installation) -> Counter[Told]:
    return Counter(hole for hole, _ in judgements(monitor))


def told_up_to(monitor: Installation) -> dict[Told, int]:
    """The holes behind which there is a checkpoint of their shard."""
    saved = {row["shard"]: row["offset"] for row in rows_of(monitor, 'SELECT shard, "offset" FROM checkpoint')}
    return {hole: place for hole, place in judgements(monitor) if saved.get(hole[0], -1) >= place}


def partitions(monitor: Installation) -> int:
    return int(monitor.environment["FETTLE_TOPIC_PARTITIONS"])
