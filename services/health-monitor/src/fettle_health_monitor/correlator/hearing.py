"""When one subject was heard, read from its shard's log: a stretch of time, within a bound on how long it takes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from fettle_contracts.identity import HeartbeatKey
from fettle_health_monitor.adapters.judge.past_log import PastLog
from fettle_health_monitor.domain.control import CONTROL_HEADER
from fettle_health_monitor.domain.judge import heartbeats
from fettle_health_monitor.domain.judge.refusals import WrongRecord
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord
from fettle_health_monitor.domain.judge.states import Reading
from fettle_health_monitor.judge.replaying import NotKept, Replays

REACH_MS = 3_600_000
FIRST_STEP_MS, STEP_MS = 60_000, 600_000
WITHIN_S = 3.0
BEATS_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Beat:
    """A heartbeat: when the broker took it (milliseconds), and what it said; None: it could not be read."""

    at: int
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Heard:
    """All heartbeats from `since` to `until` (broker milliseconds), the earliest first."""

    since: int
    until: int
    beats: Sequence[Beat]


class Hearing:
    """Shares its turns with whoever judges the past again: reading a log takes the process's time."""

    def __init__(self, replays: Replays) -> None:
        self._replays = replays

    async def heard(self, key: HeartbeatKey, shard: int, until: int) -> Heard:
        """The hour up to an instant, or as much of its end as could be read in three seconds or holds a thousand
        heartbeats. Raises `NotKept` when the log begins later, `Busy`, and what is transient."""
        async with self._replays.log(shard) as log:
            return await _read(log, key.encode(), until)


async def _read(log: PastLog, key: bytes, until: int) -> Heard:
    """Stretch by stretch backwards, so that what is nearest to the instant is read first, and each is whole. Each is
    longer than the one before: of a log that is too busy for more there is a minute all the same."""
    clock = _Clock()
    begin = (await log.bounds()).start
    end = await log.first_at(until + 1)
    if end == begin:
        raise NotKept("the log begins later")
    since, step, beats = until, FIRST_STEP_MS, list[Beat]()
    while since > until - REACH_MS and len(beats) < BEATS_MAX:
        edge = max(since - step, until - REACH_MS)
        start = await log.first_at(edge)
        found = await _stretch(log, key, start, end, clock)
        if found is None:
            break
        first, few = found
        beats = [*few, *beats]
        if start == begin:
            since = first if first is not None else since
            break
        since, end, step = edge, start, min(2 * step, STEP_MS)
    if len(beats) > BEATS_MAX:
        beats = beats[-BEATS_MAX:]
        since = beats[0].at
    return Heard(since, until, beats)


async def _stretch(
    log: PastLog, key: bytes, start: int, end: int, clock: "_Clock"
) -> tuple[int | None, list[Beat]] | None:
    """When its first record was taken, and the subject's heartbeats; None when the time is over before all is read."""
    first, beats = None, list[Beat]()
    if start < end:
        async for records in log.records(start, end):
            first = records[0].timestamp if first is None else first
            beats += await asyncio.to_thread(_of, key, records)
            if clock.is_over:
                return None
    return first, beats


class _Clock:
    """Counts from the first records on: how long a connection takes says nothing of the log."""

    def __init__(self) -> None:
        self._began: float | None = None

    @property
    def is_over(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._began = now if self._began is None else self._began
        return now - self._began > WITHIN_S


def _of(key: bytes, records: Sequence[HeartbeatRecord]) -> list[Beat]:
    return [Beat(one.timestamp, _reading(one, key)) for one in records if one.key == key and not _is_control(one)]


def _is_control(record: HeartbeatRecord) -> bool:
    return any(name == CONTROL_HEADER for name, _ in record.headers)


def _reading(record: HeartbeatRecord, key: bytes) -> Reading | None:
    try:
        return heartbeats.read(record.value, key)[1]
    except WrongRecord:
        return None
