"""Where a shard goes on when this process gets it: after its checkpoint, behind log that was lost, or anew."""

import asyncio
from dataclasses import dataclass
from uuid import uuid4

import structlog

from fettle_chassis.failures import StartRefused
from fettle_health_monitor.adapters.judge.checkpoints import Checkpoints, Stored
from fettle_health_monitor.adapters.judge.heartbeat_log import HeartbeatLog
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, begin, restore
from fettle_health_monitor.domain.judge.scribe import RULES_VERSION
from fettle_health_monitor.domain.judge.shard import Place, Shard
from fettle_health_monitor.judge.saving import Saving

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedShard:
    """A shard and the offset from which it reads on. With a `nonce` it must say hello and wait to be told. `checkpoint`
    is where the newest one was taken, None if there is none or its record is gone."""

    shard: Shard
    offset: int
    nonce: str | None = None
    checkpoint: Place | None = None


class Opening:
    """Opens shards."""

    def __init__(self, checkpoints: Checkpoints, heartbeats: HeartbeatLog, saving: Saving) -> None:
        self._checkpoints = checkpoints
        self._heartbeats = heartbeats
        self._saving = saving

    async def open(self, partition: int, partitions: int, frozen: Shard | None) -> OpenedShard:
        """The newer of the frozen shard and the checkpoint, checked against the log as it is now; `partitions` is how
        many the topic has now.

        Raises `StartRefused` when the log has another number of partitions than the checkpoint, or a newer judge saved
        it, and what is transient when broker or database are away.
        """
        stored = await self._checkpoints.load(partition)
        if stored is None:
            return await self._anew(partition, partitions, 1, "no checkpoint")
        if stored.partitions != partitions:
            raise StartRefused(
                f"device.heartbeats has {partitions} partitions and had {stored.partitions}: their number is "
                "fixed at creation, growing is a migration to a new topic"
            )
        if stored.rules_version > RULES_VERSION:
            raise StartRefused(
                f"shard {partition} is judged by rules {stored.rules_version} already and this judge knows "
                f"{RULES_VERSION}: go on with the newer version"
            )
        shard = await self._newest(stored, frozen)
        if isinstance(shard, Greeting):
            return await self._greeted_before(partition, stored, shard)
        if shard is None or shard.place is None:
            return await self._anew(partition, partitions, stored.generation + 1, "no checkpoint of this generation")
        checkpoint = shard.place if shard is not frozen else await self._heartbeats.place_at(partition, stored.offset)
        start, _ = await self._heartbeats.bounds(partition)
        if shard is not frozen and (greeting := stored.greeted_again) is not None:
            return await self._greeted_behind_lost_log(stored, shard, greeting, start)
        if shard.place.offset < start:
            if shard.place.offset > stored.offset:
                if not await self._saving.save_still(shard, start):
                    raise TimeoutError("another owner is further")  # transient: look again
                checkpoint = shard.place
            return self._announced_again(shard, start, checkpoint)
        if await self._heartbeats.place_at(partition, shard.place.offset) != shard.place:
            return await self._anew(partition, partitions, stored.generation + 1, "another log")
        log.info("shard.opened", shard=partition, generation=shard.generation, offset=shard.place.offset)
        return OpenedShard(shard, shard.place.offset + 1, checkpoint=checkpoint)

    async def greeted(self, shard: Shard, greeting: Greeting) -> None:
        """The shard's hello is out: whoever owns it next goes on from there, and loses nothing that was heard since."""
        await self._checkpoints.greet(shard.partition, shard.generation, shard.partitions, greeting)

    async def greeted_again(self, shard: Shard, greeting: Greeting) -> None:
        """The same of one that goes on behind lost log, from the checkpoint that is there. Raises what is transient,
        also when another owner has greeted behind it."""
        if shard.place is None:
            raise ValueError("a shard that knows nothing has no checkpoint to go on from")
        if not await self._checkpoints.greet_again(shard.partition, shard.generation, shard.place.offset, greeting):
            raise TimeoutError("another owner goes on behind the lost log")  # transient: look again

    async def _greeted_behind_lost_log(
        self, stored: Stored, shard: Shard, greeting: Greeting, start: int
    ) -> OpenedShard:
        """An owner before this one went on from this state behind its hello, and went away before it saved what came of
        it: hear the same again. Where that is gone, what was said of it is known to nobody."""
        if await self._heartbeats.place_at(shard.partition, greeting.place.offset) != greeting.place:
            why = "what was said behind lost log is lost"
            return await self._anew(shard.partition, stored.partitions, stored.generation + 1, why)
        log.warning("shard.greeted_before", shard=shard.partition, generation=shard.generation, place=greeting.place)
        shard.await_announcement(greeting.nonce)
        return OpenedShard(shard, start, checkpoint=shard.place)

    async def _greeted_before(self, partition: int, stored: Stored, greeting: Greeting) -> OpenedShard:
        """An owner before this one said hello and went away before the first checkpoint."""
        if await self._heartbeats.place_at(partition, greeting.place.offset) != greeting.place:
            return await self._anew(partition, stored.partitions, stored.generation + 1, "another log")
        log.info("shard.greeted_before", shard=partition, generation=stored.generation, place=greeting.place)
        shard = begin(partition, stored.partitions, stored.generation, greeting.nonce)
        return OpenedShard(shard, greeting.place.offset)

    async def _newest(self, stored: Stored, frozen: Shard | None) -> Shard | Greeting | None:
        if (
            frozen is not None
            and frozen.place is not None
            and ((frozen.generation, frozen.place.offset) >= (stored.generation, stored.reached))
        ):
            return frozen
        saved = await asyncio.to_thread(stored.unpack)
        return await asyncio.to_thread(restore, saved) if isinstance(saved, Snapshot) else saved

    def _announced_again(self, shard: Shard, start: int, checkpoint: Place | None) -> OpenedShard:
        """Unread log is gone, and with it perhaps policies: keep the state, judge nothing until told again."""
        nonce = str(uuid4())
        shard.await_announcement(nonce)
        log.warning("shard.log_lost", shard=shard.partition, place=shard.place, log_starts=start)
        return OpenedShard(shard, start, nonce, checkpoint)

    async def _anew(self, partition: int, partitions: int, generation: int, why: str) -> OpenedShard:
        """Know nothing, and say so at the end of the log. The generation is on record before anything is said in it."""
        _, end = await self._heartbeats.bounds(partition)
        if not await self._checkpoints.begin(partition, generation, partitions):
            raise TimeoutError("another owner has begun this generation")  # transient: look again
        nonce = str(uuid4())
        shard = begin(partition, partitions, generation, nonce)
        log.warning("shard.starts_anew", shard=partition, generation=generation, offset=end, why=why)
        return OpenedShard(shard, end, nonce)
