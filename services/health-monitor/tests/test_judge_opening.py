"""Where a shard goes on when its process gets it: by what is saved of it, what it froze with, and the log as it is."""

from dataclasses import replace
from typing import Any, cast

import msgspec
import pytest
from judge_log import T0, Log, judge, read_control

from fettle_chassis.failures import StartRefused
from fettle_health_monitor.adapters.judge.checkpoints import Stored, packed
from fettle_health_monitor.adapters.judge.heartbeat_log import Bounds
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, snapshot
from fettle_health_monitor.domain.judge.scribe import RULES_VERSION
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Place, Shard, place_of
from fettle_health_monitor.judge.opening import OpenedShard, Opening
from fettle_health_monitor.judge.owned import Owned, Shards

GENERATION = 1
END = 40


class Saved:
    """What the database has of the shard; `others` is whether somebody else has begun the next generation, or is
    further."""

    def __init__(self, stored: Stored | None, *, others: bool = False) -> None:
        self.stored, self.others = stored, others
        self.begun: list[int] = []
        self.saved_still: list[Snapshot] = []

    async def load(self, _shard: int) -> Stored | None:
        return self.stored

    async def begin(self, _shard: int, generation: int, _partitions: int) -> bool:
        self.begun.append(generation)
        return not self.others

    async def save_still(self, shard: Shard, _log_starts: int) -> bool:
        self.saved_still.append(snapshot(shard))
        return not self.others


class TheLog:
    """The log from `start` on; `other` is one that was made anew under the same name."""

    def __init__(self, records: list[HeartbeatRecord], *, start: int = 0, other: bool = False) -> None:
        self.records, self.start, self.other = records, start, other

    async def bounds(self, _partition: int) -> Bounds:
        return Bounds(self.start, END)

    async def place_at(self, _partition: int, offset: int) -> Place | None:
        if not self.start <= offset < len(self.records):
            return None
        there = place_of(self.records[offset])
        return there._replace(checksum=there.checksum + 1) if self.other else there


def beaten(beats: int) -> Log:
    log = Log().policy()
    for _ in range(beats):
        log.beat()
    return log


def stored(state: Snapshot | Greeting | None, *, generation: int = GENERATION) -> Stored:
    offset = -1 if state is None else state.place.offset
    return Stored(generation, offset, 1, RULES_VERSION, None if state is None else packed(state))


def saved_at(beats: int, *, generation: int = GENERATION) -> Stored:
    return stored(snapshot(judge(beaten(beats)).shard), generation=generation)


async def opened(
    saved: Saved, *, start: int = 0, other: bool = False, frozen: Shard | None = None, partitions: int = 1
) -> OpenedShard:
    log = TheLog(list(beaten(12).records), start=start, other=other)
    return await Opening(cast("Any", saved), cast("Any", log), cast("Any", saved)).open(0, partitions, frozen)


def is_anew(found: OpenedShard, saved: Saved, generation: int) -> bool:
    """It knows nothing, in a generation of its own that is on record, and asks at the end of the log."""
    return (
        (found.shard.place, found.shard.generation, found.offset) == (None, generation, END)
        and found.nonce is not None
        and found.shard.announcement is not None
        and saved.begun == [generation]
    )


@pytest.mark.rule("HM-42", "HM-46")
@pytest.mark.parametrize(("frozen", "wins"), [(None, "saved"), (3, "saved"), (9, "frozen"), (11, "frozen")], ids=str)
async def test_the_further_of_what_is_saved_and_what_was_frozen_goes_on(frozen: int | None, wins: str) -> None:
    """Who had it meanwhile is further than what stood still, and has said what came of it."""
    kept = None if frozen is None else judge(beaten(frozen)).shard
    saved = Saved(saved_at(9))
    found = await opened(saved, frozen=kept)
    at = 9 if wins == "saved" else frozen
    assert (found.shard is kept) == (wins == "frozen")
    assert found.shard.place == place_of(beaten(12).records[cast("int", at)])
    assert (found.offset, found.nonce, saved.begun) == (found.shard.place.offset + 1, None, [])
    assert found.checkpoint == place_of(beaten(12).records[9]), "what a restart would go on behind, whoever goes on now"


@pytest.mark.rule("HM-43", "HM-46")
async def test_what_was_frozen_in_a_former_log_does_not_go_on_however_far_it_was() -> None:
    found = await opened(Saved(saved_at(3, generation=2)), frozen=judge(beaten(11)).shard)
    assert found.offset == 4


@pytest.mark.rule("HM-23", "HM-43")
@pytest.mark.parametrize("state", ["none", "begun", "another log", "another log since its hello"])
async def test_a_shard_of_which_nothing_holds_begins_anew(state: str) -> None:
    saved = {
        "none": None,
        "begun": stored(None),
        "another log": saved_at(9),
        "another log since its hello": stored(Greeting("n", place_of(beaten(12).records[5]))),
    }[state]
    held = Saved(saved)
    assert is_anew(await opened(held, other=True), held, 1 if saved is None else 2)


@pytest.mark.rule("HM-43")
async def test_a_generation_that_somebody_else_has_begun_is_nobody_elses() -> None:
    with pytest.raises(TimeoutError):
        await opened(Saved(saved_at(9), others=True), other=True)


@pytest.mark.rule("HM-24", "HM-44")
@pytest.mark.parametrize(("start", "lost"), [(9, False), (10, True), (12, True)])
async def test_a_shard_whose_unread_log_is_gone_keeps_its_state_and_asks(start: int, lost: bool) -> None:
    """That the record at its place is the first one that is left loses nothing."""
    saved = Saved(saved_at(9))
    found = await opened(saved, start=start)
    assert found.shard.place == place_of(beaten(12).records[9])
    assert (found.shard.generation, saved.begun) == (GENERATION, [])
    assert (found.nonce is not None) == (found.shard.announcement is not None) == lost
    assert found.offset == (start if lost else 10)
    assert found.checkpoint == found.shard.place


def greeted_again(beats: int, hello: int, *, nonce: str = "n2") -> Stored:
    """Saved behind so many beats, and the hello behind lost log stands at that offset."""
    greeting = Greeting(nonce, place_of(beaten(12).records[hello]))
    return replace(saved_at(beats), greeting=msgspec.json.encode(greeting).decode())


@pytest.mark.rule("HM-327")
@pytest.mark.parametrize("frozen", [None, 4, 7])
async def test_behind_lost_log_goes_on_what_an_owner_has_gone_on_from_behind_the_same_hello(frozen: int | None) -> None:
    """Who stood still since before that hello is behind, however far it was."""
    kept = None if frozen is None else judge(beaten(frozen)).shard
    saved = Saved(greeted_again(4, 8))
    found = await opened(saved, start=6, frozen=kept)
    assert found.shard is not kept
    assert (found.shard.place, found.offset, found.nonce) == (place_of(beaten(12).records[4]), 6, None)
    assert found.shard.announcement is not None
    assert (found.shard.announcement.nonce, found.shard.announcement.since) == ("n2", T0)
    assert (saved.begun, saved.saved_still) == ([], [])


@pytest.mark.rule("HM-327")
@pytest.mark.parametrize(("start", "other"), [(9, False), (6, True)])
async def test_where_that_hello_is_lost_too_nobody_knows_what_was_said(start: int, other: bool) -> None:
    held = Saved(greeted_again(4, 8))
    assert is_anew(await opened(held, start=start, other=other), held, 2)


@pytest.mark.rule("HM-327")
@pytest.mark.parametrize("further", ["saved", "frozen"])
async def test_who_has_come_behind_that_hello_goes_on_by_itself(further: str) -> None:
    """A previous version leaves the hello where it was when it saves."""
    kept = judge(beaten(10)).shard if further == "frozen" else None
    found = await opened(Saved(greeted_again(4 if kept else 10, 8)), start=6, frozen=kept)
    assert (found.offset, found.nonce, found.shard.announcement) == (11, None, None)


@pytest.mark.rule("HM-327")
@pytest.mark.parametrize("others", [True, False])
async def test_what_stood_still_further_than_its_checkpoint_is_saved_before_it_goes_on_behind_lost_log(
    *, others: bool
) -> None:
    """From the checkpoint nobody could come there any more. It is asked once more where a try was in vain."""
    kept = judge(beaten(9)).shard
    as_it_was, saved = snapshot(kept), Saved(saved_at(4), others=others)
    if others:
        with pytest.raises(TimeoutError):
            await opened(saved, start=12, frozen=kept)
        assert kept.announcement is None
    else:
        assert (await opened(saved, start=12, frozen=kept)).shard is kept
        saved.stored = saved_at(9)
        assert (await opened(saved, start=12, frozen=kept)).shard is kept
    assert saved.saved_still == [as_it_was]


@pytest.mark.rule("HM-327")
async def test_that_another_owner_has_said_hello_meanwhile_makes_it_look_again() -> None:
    said: list[tuple[int, int, int, Greeting]] = []

    class Checkpoint:
        async def greet_again(self, shard: int, generation: int, offset: int, greeting: Greeting) -> bool:
            said.append((shard, generation, offset, greeting))
            return len(said) == 1

    opening = Opening(cast("Any", Checkpoint()), cast("Any", None), cast("Any", None))
    shard, greeting = judge(beaten(9)).shard, Greeting("n", Place(40, T0, 1))
    await opening.greeted_again(shard, greeting)
    with pytest.raises(TimeoutError):
        await opening.greeted_again(shard, greeting)
    assert said == [(0, GENERATION, 9, greeting)] * 2


@pytest.mark.rule("HM-23")
async def test_a_hello_that_stands_in_the_log_is_not_said_again() -> None:
    at = place_of(beaten(12).records[5])
    found = await opened(Saved(stored(Greeting("n", at))))
    assert (found.offset, found.nonce, found.shard.place, found.checkpoint) == (5, None, None, None)
    assert found.shard.announcement is not None
    assert (found.shard.announcement.nonce, found.shard.announcement.greeted) == ("n", False)


@pytest.mark.rule("HM-45")
async def test_a_log_with_another_number_of_partitions_is_refused() -> None:
    with pytest.raises(StartRefused, match="has 2 partitions and had 1"):
        await opened(Saved(saved_at(9)), partitions=2)


@pytest.mark.rule("HM-23", "HM-24")
@pytest.mark.parametrize("waits", [True, False])
def test_a_shard_that_waits_to_be_told_is_not_frozen(waits: bool) -> None:
    """What it was told by then stands in no checkpoint: whoever gets it next hears all of it again."""
    shards, shard = Shards(), judge(beaten(3)).shard
    if waits:
        shard.await_announcement("n")
    shards.take(Owned(shard, read_control, None))
    assert shards.freeze(0) is not None
    assert shards.frozen == ({} if waits else {0: shard})


@pytest.mark.rule("HM-52")
def test_a_shard_whose_state_is_no_good_is_not_frozen_either() -> None:
    shards, shard = Shards(), judge(beaten(3)).shard
    shards.take(Owned(shard, read_control, None))
    shards.frozen[0] = shard
    shards.forget(0)
    assert (shards.owned, shards.frozen) == ({}, {})
