"""Checkpoints, off the hot path: every few seconds, and when a shard is let go."""

import asyncio
import time

import structlog

from fettle_chassis.patience import is_transient
from fettle_chassis.service import Part
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, packed
from fettle_health_monitor.adapters.judge.heartbeat_log import HeartbeatLog
from fettle_health_monitor.adapters.judge.ordered_writer import OrderedWriter
from fettle_health_monitor.domain.judge.checkpoint import snapshot
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.judge.metrics import CHECKPOINT_SECONDS, CHECKPOINTS
from fettle_health_monitor.judge.owned import Owned, Shards

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 1.0
_ACKNOWLEDGED_WITHIN_S = 15.0
_RESTS = 24
"""So many times as long as a checkpoint took goes by before the next: they take a twenty-fifth of the time."""
_ROUND = 2
"""So many times `every_s` are rested between two checkpoints of a shard at most, also where they take more then."""


class AnotherLog(Exception):
    """The log that the shard was reading is gone; what stands under its name is another one."""

    def __init__(self, owned: Owned) -> None:
        super().__init__(f"shard {owned.partition}")
        self.owned = owned


class Saving:
    """Saves shards. A checkpoint is written only when every change and every dead letter up to it is in Kafka, and only
    while the log is still the one that it is of."""

    def __init__(self, checkpoints: Checkpoints, heartbeats: HeartbeatLog, judgements: OrderedWriter) -> None:
        self._checkpoints = checkpoints
        self._heartbeats = heartbeats
        self._judgements = judgements

    async def save(self, owned: Owned) -> None:
        """Raises `AnotherLog`, and what is transient when broker or database are away: the last checkpoint holds."""
        shard = owned.shard
        owned.saved_at = time.monotonic()
        if shard.place is None or not owned.settled or shard.place == owned.anchor:
            return
        with CHECKPOINT_SECONDS.time():
            taken = snapshot(shard)
            await self._all_said()
            log_starts = await self.check_log(owned)
            state = await asyncio.to_thread(packed, taken)
            saved = await self._checkpoints.save(taken, state, log_starts)
        owned.anchor = taken.place
        owned.checkpoint = taken.place if saved else owned.checkpoint
        CHECKPOINTS.labels("saved" if saved else "behind").inc()
        log.debug("shard.saved", shard=owned.partition, offset=taken.place.offset, bytes=len(state), saved=saved)

    async def save_still(self, shard: Shard, log_starts: int) -> bool:
        """Save a shard that stands still: the log is gone up to `log_starts`, and nobody could say again what it has
        said. False: what is there is further. Raises what is transient."""
        taken = snapshot(shard)
        await self._all_said()
        return await self._checkpoints.save(taken, await asyncio.to_thread(packed, taken), log_starts)

    async def _all_said(self) -> None:
        """What has been said by now is in Kafka."""
        mark = self._judgements.mark()
        async with asyncio.timeout(_ACKNOWLEDGED_WITHIN_S):
            await self._judgements.acknowledged(mark)

    async def check_log(self, owned: Owned) -> int:
        """Where the log starts now. Raises `AnotherLog` unless the shard's anchor is still where it was. What retention
        has taken since is gone rightly: the shard has read it."""
        anchor = owned.anchor
        start, _ = await self._heartbeats.bounds(owned.partition)
        if (
            anchor is not None
            and anchor.offset >= start
            and await self._heartbeats.place_at(owned.partition, anchor.offset) != anchor
        ):
            raise AnotherLog(owned)
        return start

    async def save_last(self, owned: Owned, within_s: float) -> None:
        """Save a shard that is let go, if it can be done in time; otherwise the last checkpoint holds."""
        try:
            async with asyncio.timeout(within_s):
                await self.save(owned)
        except AnotherLog:
            log.warning("shard.not_saved", shard=owned.partition, why="another log")
        except BaseException as error:
            if not is_transient(error):
                raise
            log.warning("shard.not_saved", shard=owned.partition, why=repr(error))


def rest_s(took_s: float, every_s: float, shards: int) -> float:
    """How long nothing is saved behind a checkpoint that took so long, where each of so many shards has its turn."""
    return min(_RESTS * took_s, _ROUND * every_s / max(shards, 1))


class SavingLoop(Part):
    """Saves every owned shard about every `every_s` seconds, one at a time, and less often where they are so large that
    this would take too much of the time. Shards that turn out to be of another log are put into `lost`."""

    name = "checkpoints"

    def __init__(self, shards: Shards, saving: Saving, every_s: float) -> None:
        self.lost: asyncio.Queue[Owned] = asyncio.Queue()
        self._shards = shards
        self._saving = saving
        self._every_s = every_s

    async def run(self) -> None:
        while True:
            began = time.monotonic()
            due = [owned for owned in self._shards.owned.values() if began - owned.saved_at >= self._every_s]
            if due:
                await self._save(min(due, key=lambda owned: owned.saved_at))
            took = time.monotonic() - began
            look = min(_LOOK_EVERY_S, self._every_s)
            await asyncio.sleep(rest_s(took, self._every_s, len(self._shards.owned)) if due else look)

    async def _save(self, owned: Owned) -> None:
        try:
            await self._saving.save(owned)
        except AnotherLog:
            self.lost.put_nowait(owned)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) or not is_transient(error):
                raise
            log.warning("shard.not_saved", shard=owned.partition, why=repr(error))
