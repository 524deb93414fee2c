"""A shard's past, judged once more: from a checkpoint that was kept, by the same fold, and written nowhere."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from fettle_chassis.database import Database
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, Kept, Stored, unpacked
from fettle_health_monitor.adapters.judge.past_log import PastLog, past_log
from fettle_health_monitor.domain.control import CONTROL_HEADER, Skip
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, begin, restore
from fettle_health_monitor.domain.judge.shard import ControlReader, HeartbeatRecord, Numbered, Shard
from fettle_health_monitor.domain.judgements import Judgement
from fettle_health_monitor.domain.why.subject_log import Extraction, SubjectLog
from fettle_health_monitor.judge.setting_aside import left_out_of

log = structlog.get_logger(__name__)

AT_A_TIME = 2
_WAITS_S = 5.0


class NotKept(Exception):
    """The past that is asked for cannot be judged again; the text says why."""


class Busy(Exception):
    """Others are judging the past again, and folding takes the process's time."""


@dataclass(frozen=True, slots=True)
class Start:
    """A state that was kept and whose record still stands in the log. `at` is that record's broker time; `offset` is
    the first to read."""

    generation: int
    partitions: int
    saved: Snapshot | Greeting
    at: int
    offset: int

    def shard(self, partition: int) -> Shard:
        """Takes a while for a large shard: call it in a thread."""
        if isinstance(self.saved, Snapshot):
            return restore(self.saved)
        return begin(partition, self.partitions, self.generation, self.saved.nonce)


class Past:
    """One shard's log and what is kept of its states. `left_out` are records that its judge has set aside."""

    def __init__(
        self,
        shard: int,
        stored: Stored,
        checkpoints: Checkpoints,
        log: PastLog,
        read_control: ControlReader,
        left_out: frozenset[int],
    ) -> None:
        self.shard = shard
        self.stored = stored
        self.log = log
        self._checkpoints = checkpoints
        self._read_control = read_control
        self._left_out = left_out

    async def newest_start(self, before: int) -> Start | None:
        """The newest that was taken at `before` (broker milliseconds) or earlier, else the oldest that there is."""
        kept = await self._checkpoints.kept(self.shard, self.stored.generation)
        earlier = [one for one in kept if one.at <= before]
        later = [one for one in kept if one.at > before]
        return await self._first_that_holds([*reversed(earlier), *later])

    async def oldest_start(self, after: int) -> Start | None:
        """The oldest that was taken at `after` or later."""
        kept = await self._checkpoints.kept(self.shard, self.stored.generation)
        return await self._first_that_holds([one for one in kept if one.at >= after])

    async def _first_that_holds(self, kept: Sequence[Kept]) -> Start | None:
        for one in kept:
            state = await self._checkpoints.load_kept(one)
            if state is None:
                continue
            saved = await asyncio.to_thread(unpacked, state)
            if await self.log.place_at(one.offset) != saved.place:
                continue
            reads_on = one.offset + isinstance(saved, Snapshot)
            return Start(self.stored.generation, self.stored.partitions, saved, one.at, reads_on)
        return None

    async def judged(
        self, start: Start, end: int, keep: Callable[[Judgement], bool], tell: Callable[[float], None]
    ) -> tuple[Shard, list[Judgement]]:
        """The shard as it is behind the last record before `end`, and what it says on the way that is to be kept.
        `tell` hears which part is done, from 0 to 1. The folding is done in a thread.

        A record that was set aside is left out as the judge has left it out, by what the database knows of it and by
        the `skip` that stands somewhere behind it.
        """
        left_out = self._left_out
        while True:
            try:
                return await self._judged(start, end, left_out, keep, tell)
            except _NamedLater as named:
                log.info("replay.begins_again", shard=self.shard, left_out=sorted(named.offsets))
                left_out |= named.offsets

    async def _judged(
        self,
        start: Start,
        end: int,
        left_out: frozenset[int],
        keep: Callable[[Judgement], bool],
        tell: Callable[[float], None],
    ) -> tuple[Shard, list[Judgement]]:
        shard = await asyncio.to_thread(start.shard, self.shard)
        said: list[Judgement] = []
        controls = _Skips(self._read_control)
        async for records in self.log.records(start.offset, end):
            try:
                folded = await asyncio.to_thread(shard.fold, without(records, left_out), controls)
            except Exception:
                if (stumbled := shard.stumbled_over) is None or not await self._is_skipped_later(stumbled):
                    raise
                raise _NamedLater(frozenset({stumbled})) from None
            if later := frozenset(offset for offset in controls.named if offset >= start.offset) - left_out:
                raise _NamedLater(later)
            said += filter(keep, folded.judgements)
            tell((records[-1].offset + 1 - start.offset) / (end - start.offset))
        return shard, said

    async def subject_log(self, start: Start, key: bytes, at: int) -> SubjectLog:
        """What the log has for one subject, from there up to an instant (broker milliseconds)."""
        end = await self.log.first_at(at + 1)
        left_out = self._left_out
        while True:
            extraction = await asyncio.to_thread(
                Extraction,
                key,
                start.saved,
                partition=self.shard,
                partitions=start.partitions,
                generation=start.generation,
                read_control=self._read_control,
            )
            async for records in self.log.records(start.offset, end):
                await asyncio.to_thread(extraction.take, without(records, left_out))
            later = {offset for offset in extraction.named_by_skips if offset >= start.offset} - left_out
            if not later:
                return extraction.upto(at)
            left_out |= later

    async def _is_skipped_later(self, offset: int) -> bool:
        controls = _Skips(self._read_control)
        _, end = await self.log.bounds()
        async for records in self.log.records(offset + 1, end):
            for record in records:
                if record.headers and dict(record.headers).get(CONTROL_HEADER) == b"skip":
                    controls(record)
            if offset in controls.named:
                return True
        return False


class Replays:
    """Opens shards' pasts for reading, a few at a time. `control_of` reads the control records of a partition."""

    def __init__(
        self, settings: ServiceSettings, database: Database, control_of: Callable[[int], ControlReader]
    ) -> None:
        self._settings = settings
        self._database = database
        self._checkpoints = Checkpoints(database, address="")
        self._control_of = control_of
        self._turns = asyncio.Semaphore(AT_A_TIME)

    @asynccontextmanager
    async def past(self, shard: int) -> AsyncIterator[Past]:
        """Waits for a turn. Raises `Busy` when none comes, `NotKept` when nothing was ever saved of the shard, and what
        is transient."""
        async with self._turn():
            stored = await self._checkpoints.load(shard)
            if stored is None:
                raise NotKept(f"shard {shard} has no checkpoint yet; while its judge runs it soon has one")
            left_out = await left_out_of(self._database, stored.generation, shard)
            async with past_log(self._settings, HEARTBEATS, shard) as log:
                yield Past(shard, stored, self._checkpoints, log, self._control_of(shard), left_out)

    @asynccontextmanager
    async def log(self, shard: int) -> AsyncIterator[PastLog]:
        """A shard's log for reading alone. Waits for a turn. Raises `Busy` when none comes, and what is transient."""
        async with self._turn(), past_log(self._settings, HEARTBEATS, shard) as log:
            yield log

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_WAITS_S):
                await self._turns.acquire()
        except TimeoutError:
            raise Busy from None
        try:
            yield
        finally:
            self._turns.release()


class _NamedLater(Exception):
    def __init__(self, offsets: frozenset[int]) -> None:
        super().__init__(sorted(offsets))
        self.offsets = offsets


class _Skips:
    """Reads control records, and notes which records they say were set aside."""

    def __init__(self, read_control: ControlReader) -> None:
        self.named: set[int] = set()
        self._read_control = read_control

    def __call__(self, record: HeartbeatRecord) -> Numbered | None:
        control = self._read_control(record)
        if control is not None and isinstance(control.statement, Skip):
            self.named.add(control.statement.offset)
        return control


def without(records: Sequence[HeartbeatRecord], left_out: frozenset[int]) -> Sequence[HeartbeatRecord]:
    return [record for record in records if record.offset not in left_out] if left_out else records
