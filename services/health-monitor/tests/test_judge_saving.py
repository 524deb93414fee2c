"""When a shard is saved, and what its owner knows of that."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from typing import Any, cast

import pytest
from judge_log import Judged, Log, read_control

from fettle_health_monitor.adapters.judge.heartbeat_log import Bounds
from fettle_health_monitor.domain.judge.checkpoint import Snapshot
from fettle_health_monitor.domain.judge.shard import Place, Shard
from fettle_health_monitor.judge.owned import Owned, Shards
from fettle_health_monitor.judge.saving import AnotherLog, Saving, SavingLoop, rest_s


class Judgements:
    """What is said is in Kafka when the test says so."""

    def __init__(self) -> None:
        self.said = 1
        self.asked, self.in_kafka = asyncio.Event(), asyncio.Event()

    def mark(self) -> Mapping[int, int]:
        return {0: self.said}

    async def acknowledged(self, mark: Mapping[int, int]) -> None:
        assert mark == {0: 1}, "what was said by the shard's place, and not since"
        self.asked.set()
        await self.in_kafka.wait()


class Kept:
    """`further` is whether another owner is."""

    def __init__(self, *, further: bool = False) -> None:
        self.further = further
        self.places: list[Place] = []

    async def save(self, taken: Snapshot, _state: bytes, _log_starts: int) -> bool:
        self.places.append(taken.place)
        return not self.further


class SameLog:
    start = 0

    async def bounds(self, _partition: int) -> Bounds:
        return Bounds(self.start, 100)

    async def place_at(self, _partition: int, _offset: int) -> Place | None:
        return self.anchor

    anchor: Place | None = None


@pytest.mark.rule("HM-49", "HM-212")
async def test_a_checkpoint_waits_until_all_that_was_said_by_then_is_in_kafka() -> None:
    log = Log().policy().beat()
    judged = Judged().fold(log)
    shard, judgements, kept, same_log = judged.shard, Judgements(), Kept(), SameLog()
    owned = Owned(shard, read_control, None)
    saving = Saving(cast("Any", kept), cast("Any", same_log), cast("Any", judgements))
    first = shard.place
    assert first is not None

    under_way = asyncio.create_task(saving.save(owned))
    asked = asyncio.create_task(judgements.asked.wait())
    await asyncio.wait({under_way, asked}, return_when=asyncio.FIRST_COMPLETED)
    judged.fold(log.at(5).beat())
    judgements.said = 2
    assert (kept.places, owned.anchor) == ([], None)
    judgements.in_kafka.set()
    await under_way
    assert (kept.places, owned.anchor) == ([first], first), "a restart goes on behind it"

    same_log.anchor, judgements.said = first, 1
    await saving.save(owned)
    assert owned.anchor == shard.place
    same_log.anchor = shard.place
    await saving.save(owned)
    assert kept.places == [first, shard.place], "where nothing has come there is nothing to save"


@pytest.mark.rule("HM-212")
@pytest.mark.parametrize("further", [True, False])
async def test_what_another_owner_is_beyond_is_no_checkpoint(further: bool) -> None:
    shard, kept = Judged().fold(Log().policy().beat()).shard, Kept(further=further)
    owned = Owned(shard, read_control, None, checkpoint=Place(0, 0, 0))
    await Saving(cast("Any", kept), cast("Any", SameLog()), cast("Any", acknowledging())).save(owned)
    assert owned.checkpoint == (Place(0, 0, 0) if further else shard.place)


def acknowledging() -> Judgements:
    judgements = Judgements()
    judgements.in_kafka.set()
    return judgements


@pytest.mark.rule("HM-49", "HM-327")
async def test_so_does_one_of_a_shard_that_stands_still() -> None:
    shard, judgements, kept = Judged().fold(Log().policy().beat()).shard, Judgements(), Kept()
    saving = Saving(cast("Any", kept), cast("Any", SameLog()), cast("Any", judgements))
    under_way = asyncio.create_task(saving.save_still(shard, 7))
    await asyncio.wait_for(judgements.asked.wait(), 20)
    assert kept.places == []
    judgements.in_kafka.set()
    assert await under_way
    assert kept.places == [shard.place]


@pytest.mark.rule("HM-23", "HM-24")
async def test_a_shard_that_waits_to_be_told_is_not_saved() -> None:
    """Who goes on from there would judge by what it was told so far."""
    shard, kept = Judged().fold(Log().policy().beat()).shard, Kept()
    shard.await_announcement("n")
    await Saving(cast("Any", kept), cast("Any", SameLog()), cast("Any", acknowledging())).save(
        Owned(shard, read_control, None)
    )
    assert kept.places == []


@pytest.mark.rule("HM-43")
@pytest.mark.parametrize(
    ("start", "there", "saved"), [(0, "other", False), (0, "nothing", False), (5, "nothing", True)]
)
async def test_a_shard_of_another_log_is_not_saved(start: int, there: str, saved: bool) -> None:
    """The anchor may be gone with what retention took, but not be another record."""
    shard, kept, log = Judged().fold(Log().policy().beat()).shard, Kept(), SameLog()
    anchor = Place(3, 1_000, 7)
    log.start, log.anchor = start, anchor._replace(checksum=8) if there == "other" else None
    saving = Saving(cast("Any", kept), cast("Any", log), cast("Any", acknowledging()))
    owned = Owned(shard, read_control, anchor)
    if saved:
        await saving.save(owned)
    else:
        with pytest.raises(AnotherLog):
            await saving.save(owned)
    assert (kept.places, owned.anchor) == (([shard.place], shard.place) if saved else ([], anchor))


class Slow:
    """Each checkpoint takes a part of a second."""

    def __init__(self) -> None:
        self.began: list[tuple[int, float]] = []

    async def save(self, owned: Owned) -> None:
        owned.saved_at = time.monotonic()
        self.began.append((owned.partition, owned.saved_at))
        await asyncio.sleep(0.02)


@pytest.mark.rule("HM-293")
async def test_checkpoints_rest_for_many_times_as_long_as_they_take() -> None:
    shards, saving = Shards(), Slow()
    for partition in range(3):
        shards.take(Owned(Shard(partition, 1, 3), read_control, None, saved_at=time.monotonic() - 60 + partition))
    loop = asyncio.create_task(SavingLoop(shards, cast("Any", saving), every_s=50).run())
    try:
        async with asyncio.timeout(30):
            while len(saving.began) < 3:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
    finally:
        loop.cancel()
    assert [rest_s(took, 10, 4) for took in (0.0, 0.1, 15)] == [0, pytest.approx(2.4), 5], "each has its turn in time"
    assert [partition for partition, _ in saving.began] == [0, 1, 2], "who was saved longest ago comes first"
    pauses = [later - earlier for (_, earlier), (_, later) in itertools.pairwise(saving.began)]
    assert all(pause >= 25 * 0.02 for pause in pauses), pauses
