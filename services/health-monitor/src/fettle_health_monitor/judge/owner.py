"""Owns partitions of `device.heartbeats` through the consumer group and folds what stands in them.

The group only says who owns what. Nothing is committed to it: the place of a shard stands in its checkpoint.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from fettle_chassis.failures import StartRefused, TransientError
from fettle_chassis.patience import is_transient, patiently, pauses
from fettle_chassis.service import Part
from fettle_health_monitor.adapters.judge.dead_letters import HeartbeatDeadLetters
from fettle_health_monitor.domain.judge.checkpoint import Greeting
from fettle_health_monitor.domain.judge.shard import ControlReader, HeartbeatRecord, Shard
from fettle_health_monitor.judge.journal import Journal
from fettle_health_monitor.judge.metrics import CONSUMER_RESTARTS, IGNORED, OPENED, RECORDS, REFUSED
from fettle_health_monitor.judge.opening import OpenedShard, Opening
from fettle_health_monitor.judge.owned import Owned, Shards
from fettle_health_monitor.judge.pulses import Pulses
from fettle_health_monitor.judge.saving import AnotherLog, Saving, SavingLoop
from fettle_health_monitor.judge.setting_aside import SettingAside

log = structlog.get_logger(__name__)

_POLL_MS = 500
_LAST_SAVE_WITHIN_S = 10.0
_REBUILT_AFTER_S, _TRIES = 1.0, 10
_CONNECTS_WITHIN_S = 2.0
_DEAD_AFTER_S = 45.0
"""A client of whose owned shards one has read neither pulse nor record for so long, new producers notwithstanding, is
thrown away."""


class Owner(ConsumerRebalanceListener, Part):  # type: ignore[misc]  # aiokafka has no types
    """The poll loop and its rebalances. `build` makes a group consumer that is not started."""

    name = "judge"

    def __init__(
        self,
        *,
        topic: str,
        build: Callable[[], Any],
        control_of: Callable[[int], ControlReader],
        shards: Shards,
        opening: Opening,
        saving: Saving,
        saving_loop: SavingLoop,
        journal: Journal,
        pulses: Pulses,
        dead_letters: HeartbeatDeadLetters,
        setting_aside: SettingAside,
    ) -> None:
        self._topic = topic
        self._build = build
        self._control_of = control_of
        self._shards = shards
        self._opening = opening
        self._saving = saving
        self._saving_loop = saving_loop
        self._journal = journal
        self._pulses = pulses
        self._dead_letters = dead_letters
        self._setting_aside = setting_aside
        self._consumer: Any = None
        self._tasks: asyncio.TaskGroup | None = None
        self._opening_now: dict[int, asyncio.Task[None]] = {}
        self._assigned_at: float | None = None
        self._failed_in_a_row = 0

    def not_ready(self) -> str | None:
        if self._assigned_at is None:
            return "not in the group yet"
        return f"opening shards {sorted(self._opening_now)}" if self._opening_now else None

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as self._tasks:
                self._tasks.create_task(self._reopen_lost())
                while True:
                    await self._serve_until_dead()
        except BaseExceptionGroup as group:  # raised out of except*, it would come in a group again before Python 3.12
            if refused := group.subgroup(StartRefused):
                raise refused.exceptions[0] from None
            raise

    async def stop(self) -> None:
        await self._let_go_of_all()

    async def _serve_until_dead(self) -> None:
        self._consumer = self._build()
        try:
            await self._start()
            self._consumer.subscribe([self._topic], listener=self)
            while not self._looks_dead():
                await self._poll()
            CONSUMER_RESTARTS.inc()
            log.warning("judge.consumer_restarts", unread=self._pulses.unread())
        except Exception as error:
            if not (is_transient(error) or self._may_pass(error)):
                raise
            CONSUMER_RESTARTS.inc()
            log.warning("judge.consumer_failed", error=repr(error))
            await asyncio.sleep(_REBUILT_AFTER_S)
        await self._let_go_of_all()

    async def _start(self) -> None:
        """A client that is stopped while it connects leaves its connection open: whoever ends the judge waits a moment
        for that."""
        starting = asyncio.ensure_future(self._consumer.start())
        try:
            await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait([starting], timeout=_CONNECTS_WITHIN_S)
            starting.cancel()
            await asyncio.wait([starting])
            raise

    def _may_pass(self, error: Exception) -> bool:
        """Of a group whose coordinator is in trouble the client says a plain `KafkaError`, with the unexpected answer
        in its text. A new consumer helps, or a few of them do not."""
        self._failed_in_a_row += 1
        return isinstance(error, KafkaError) and self._failed_in_a_row <= _TRIES

    def _looks_dead(self) -> bool:
        now = time.monotonic()
        return any(
            now - owned.pulse_read_at > _DEAD_AFTER_S and now - owned.read_at > _DEAD_AFTER_S
            for owned in self._shards.owned.values()
        )

    async def _poll(self) -> None:
        await self._journal.room()
        try:
            batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        except OffsetOutOfRangeError as error:
            for where in error.args[0]:
                self._reopen(where.partition)
            return
        fetched_for = {where: self._shards.owned.get(where.partition) for where in batches}
        for where, records in batches.items():
            owned = fetched_for[where]
            if owned is None or self._shards.owned.get(where.partition) is not owned:
                continue  # opened again meanwhile, maybe of another log: it reads on from where that says
            if where in self._consumer.assignment():
                owned.log_end = max(owned.log_end, self._consumer.highwater(where) or 0)
            if await self._continues(owned, records):
                await self._judge(owned, records)
        await asyncio.sleep(0)  # getmany does not let others run while records are at hand

    async def _continues(self, owned: Owned, records: Sequence[HeartbeatRecord]) -> bool:
        """Whether the records are of the log that the shard is of. Looked at closely when offsets are missing or time
        steps back, as they are when the topic has been deleted and created again."""
        place = owned.shard.place
        first = records[0]
        if place is None or (first.offset == place.offset + 1 and first.timestamp >= place.timestamp):
            return True
        try:
            await self._saving.check_log(owned)
        except AnotherLog:
            self._reopen(owned.partition)
            return False
        return True

    async def _judge(self, owned: Owned, records: Sequence[HeartbeatRecord]) -> None:
        shard = owned.shard
        if owned.left_out:
            records = await self._setting_aside.leave_out(owned.partition, records, owned.left_out)
        records = self._unread(owned, records)
        if not records:
            return
        try:
            folded = shard.fold(records, owned.read_control)
        except Exception as bug:
            # Half of the batch has changed the shard and none of it was said: such a state must not be saved.
            self._shards.forget(owned.partition)
            await self._setting_aside.crashed(shard, records, bug)
            raise
        owned.unburied = bool(folded.refusals)
        self._journal.write(folded.judgements)
        owned.read_at = time.monotonic()
        self._failed_in_a_row = 0
        if folded.pulse is not None and folded.pulse.owner == self._pulses.owner:
            owned.pulse_read_at = owned.read_at
        self._pulses.reconsider()
        RECORDS.inc(len(records))
        for why, count in folded.ignored.items():
            IGNORED.labels(why).inc(count)
        if folded.refusals:
            for refusal in folded.refusals:
                REFUSED.labels(refusal.code).inc()
            await self._dead_letters.bury(shard.partition, folded.refusals)
            owned.unburied = False

    def _unread(self, owned: Owned, records: Sequence[HeartbeatRecord]) -> Sequence[HeartbeatRecord]:
        """What of the records the shard has not read, if it is still in our hands. They were fetched some pauses ago:
        it may have been let go since, and come back at an earlier place, from which they are fetched once more."""
        if self._shards.owned.get(owned.partition) is not owned:
            return ()
        place = owned.shard.place
        if place is None or not records or records[0].offset > place.offset:
            return records
        return [record for record in records if record.offset > place.offset]

    # Whose shards

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Called by the client, inside a rebalance: must not raise, and end well within `rebalance_timeout_ms`."""
        await self._let_go([where.partition for where in revoked])

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called by the client, inside a rebalance: must not raise. Nothing is read of a partition until its shard is
        open."""
        for where in sorted(assigned):
            self._hold(where)
            self._start_opening(where.partition, self._shards.frozen.get(where.partition))
        self._assigned_at = time.monotonic()
        log.info("judge.assigned", shards=sorted(where.partition for where in assigned))

    def _hold(self, where: TopicPartition) -> None:
        self._consumer.seek(where, 0)
        self._consumer.pause(where)

    def _reopen(self, partition: int, *, keep: bool = True) -> None:
        """The log is not what it was: look at it as if the shard had just been assigned."""
        owned = self._shards.freeze(partition)
        if owned is None or partition in self._opening_now:
            return
        self._hold(TopicPartition(self._topic, partition))
        self._start_opening(partition, owned.shard if keep and owned.settled else None)

    async def _reopen_lost(self) -> None:
        while True:
            owned = await self._saving_loop.lost.get()
            if self._shards.owned.get(owned.partition) is owned:
                self._shards.frozen.pop(owned.partition, None)
                self._reopen(owned.partition, keep=False)

    def _start_opening(self, partition: int, frozen: Shard | None) -> None:
        if self._tasks is not None:
            self._opening_now[partition] = self._tasks.create_task(self._open(partition, frozen))

    async def _open(self, partition: int, frozen: Shard | None) -> None:
        opened = await self._patiently_open(partition, frozen)
        left_out = await patiently(lambda: self._setting_aside.known(opened.shard), within_s=inf)
        knows_nothing = opened.shard.place is None
        where = TopicPartition(self._topic, partition)
        self._shards.take(
            Owned(opened.shard, self._control_of(partition), opened.shard.place, left_out, opened.checkpoint)
        )
        self._consumer.seek(where, opened.offset)
        self._consumer.resume(where)
        del self._opening_now[partition]
        OPENED.labels("anew" if knows_nothing else "lost" if opened.nonce else "resumed").inc()
        if opened.nonce is not None and knows_nothing:
            place = await self._pulses.hello(partition, opened.nonce)
            if place is not None:
                greeting = Greeting(opened.nonce, place)
                await patiently(lambda: self._opening.greeted(opened.shard, greeting), within_s=inf)

    async def _patiently_open(self, partition: int, frozen: Shard | None) -> OpenedShard:
        for pause in pauses():
            try:
                opened = await self._opening.open(partition, self._partitions(), frozen)
                await self._greet_behind_lost_log(opened)
                return opened
            except BaseException as error:
                if not is_transient(error):
                    raise
                log.warning("shard.not_opened", shard=partition, error=repr(error))
            await asyncio.sleep(pause)
        raise AssertionError("pauses never end")

    async def _greet_behind_lost_log(self, opened: OpenedShard) -> None:
        """Before it reads anything: what it says once it judges again, whoever goes on from its state must say too.
        Raises what is transient, also when it is not known where the hello stands."""
        if opened.nonce is None or opened.shard.place is None:
            return
        place = await self._pulses.hello(opened.shard.partition, opened.nonce)
        if place is None:
            raise TransientError("the hello may stand at two places")
        await self._opening.greeted_again(opened.shard, Greeting(opened.nonce, place))

    def _partitions(self) -> int:
        """How many partitions the topic has, as the client knows. Raises `TransientError` while it does not."""
        known = self._consumer.partitions_for_topic(self._topic) if self._consumer is not None else None
        if not known:
            raise TransientError(f"{self._topic} is not there")
        return len(known)

    async def _let_go(self, partitions: Sequence[int]) -> None:
        """Stop judging these shards, save them if that can be done soon, and keep them frozen."""
        for partition in partitions:
            task = self._opening_now.pop(partition, None)
            if task is not None:
                task.cancel()
        let_go = [owned for partition in partitions if (owned := self._shards.freeze(partition)) is not None]
        async with asyncio.TaskGroup() as group:
            for owned in let_go:
                group.create_task(self._saving.save_last(owned, _LAST_SAVE_WITHIN_S))

    async def _let_go_of_all(self) -> None:
        """What is owned and what is being opened: without its consumer neither can go on."""
        self._assigned_at = None
        await self._let_go([*self._shards.owned, *self._opening_now])
        await self._drop_consumer()

    async def _drop_consumer(self) -> None:
        if self._consumer is not None:
            consumer, self._consumer = self._consumer, None
            try:
                async with asyncio.timeout(10.0):
                    await consumer.stop()
            except (KafkaError, OSError, TimeoutError) as error:
                log.info("judge.consumer_stopped_badly", error=repr(error))
