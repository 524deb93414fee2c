"""One subscription's membership in its consumer group, on a FastStream batch subscriber.

FastStream fetches and calls; what it does on failures is switched off: it acknowledges nothing (MANUAL), parses
nothing (a header that is not UTF-8 would fail there, before any code of ours), and never sees an exception.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import inf
from typing import Any

import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaMessage
from faststream.kafka.message import FAKE_CONSUMER

from fettle_chassis.batch import Stopping
from fettle_chassis.failures import TransientError
from fettle_chassis.fence import Fence, Place
from fettle_chassis.kafka import GROUP_MEMBER, Consumer, build_broker
from fettle_chassis.log_identity import LogIdentity
from fettle_chassis.records import Record, read
from fettle_chassis.settings import ServiceSettings

log = structlog.get_logger(__name__)

_COMMIT_WITHIN_S = 10.0
_LOOK_WITHIN_S = 30.0
_ASK_WITHIN_S = 5.0
_COMMIT_EVERY_S = 0.25
_REST_MS = 50
"""So long without records is a rest, in which what is done is committed."""
_POLL_EVERY_S = 30.0
_RIGHT_BEHIND_S = 0.005
_LATER_WITHIN_MS = 5
_LOOK_MS = 500
_NOWHERE = TopicPartition("", 0)


class Membership(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Fetches batches and hands them to `on_batch`, one at a time; whatever that raises ends in `failed`."""

    def __init__(
        self,
        settings: ServiceSettings,
        *,
        name: str,
        topics: Sequence[str],
        instance_id: str,
        max_records: int,
        fence: Fence,
        logs: LogIdentity,
    ) -> None:
        self.topic_prefix = settings.topic_prefix
        self._fence = fence
        self._logs = logs
        self._stopping = asyncio.Event()
        self._polled_at = 0.0
        self._ended_at = 0.0
        self._done: dict[Place, int] = {}
        self._done_in = 0
        self._commit_failed = False
        """Whether what is done was to be committed before, and was not."""
        self._committed_at = -inf
        self._max_records = max_records
        self.name = name
        self.errors = Streak()
        """Errors of the client since it last did something right."""
        self._seen: tuple[Any, int] | None = None
        self._displaced = Streak()
        self.generation = 0
        self.joined = False
        self.fenced = False
        self.busy = False
        self.in_hand: Sequence[Any] = ()
        """The batch that is being handled, as the client gave it."""
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.on_batch: Callable[[Sequence[Record]], Awaitable[None]] | None = None
        self._broker = build_broker(settings, client_id=instance_id, logger=FastStreamLog(name, self.errors))
        self._subscriber = self._broker.subscriber(
            *(settings.topic(topic) for topic in topics),
            batch=True,
            group_id=settings.group(name),
            group_instance_id=instance_id,
            max_records=max_records,
            ack_policy=AckPolicy.MANUAL,
            no_reply=True,
            listener=self,
            parser=_unparsed,
            decoder=_undecoded,
            **GROUP_MEMBER,
        )
        self._subscriber.get_msg = self._next
        self._subscriber(self._take)

    @property
    def consumer(self) -> Any:
        """The client underneath; None while stopped."""
        return self._subscriber.consumer

    async def start(self) -> None:
        await self._broker.connect()
        config: Any = self._broker.config.broker_config
        config.builder = partial(Consumer, **config.builder.keywords)  # else FastStream makes aiokafka's own
        await self._subscriber.start()

    async def stop(self) -> None:
        """Lets the batch in hand finish, then leaves. A batch that waits for something that passes is let go."""
        self._stopping.set()
        await self._commit()
        await self._broker.stop()
        self.failed.cancel()

    async def restart(self) -> None:
        """Throws the client away and joins with a new one."""
        self.generation += 1
        self.joined = False
        await self._subscriber.stop()
        await self._subscriber.start()

    async def hold(self, pause_s: float) -> None:
        if self._stopping.is_set():
            raise Stopping
        try:
            async with asyncio.timeout(pause_s):
                await self._stopping.wait()
        except TimeoutError:
            await self._stay_member()
        else:
            raise Stopping

    async def ready(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_WITHIN_S):  # the client can wait for ever for what a broker never said
                await self._logs.check(self.consumer, self.generation, self._void)
        except KafkaError as error:  # also what a rebalance in between raises
            raise TransientError(repr(error)) from error

    async def broker_answers(self) -> bool:
        """Whether the broker answers a client that is not the consumer's."""
        try:
            async with asyncio.timeout(_ASK_WITHIN_S):
                await self._logs.changed()
        except (KafkaError, TimeoutError):
            return False
        return True

    async def look_at_logs(self) -> None:
        """Notices topics that were deleted and created again, and reads them from their beginning. Call now and then.

        Raises what passes when broker, topic or database are away.
        """
        if not self.joined:
            return
        if await self._logs.changed():
            self._logs.doubt()
        await self.ready()

    def _void(self) -> None:
        """Batches in hand are of yesterday: they take no further effect, commit nothing, and come again."""
        self.generation += 1
        self._fence.forget()

    async def commit(self, offsets: dict[Place, int], generation: int) -> None:
        """At once after a rest; where batches come one behind another, a few times a second, and when they rest. What
        fails is tried again with what comes, or twice a second until something does."""
        if generation != self.generation:
            return
        self._commit_failed = False
        self._done, self._done_in = {**(self._done if self._done_in == generation else {}), **offsets}, generation
        late = asyncio.get_running_loop().time() - self._committed_at >= _COMMIT_EVERY_S
        if late or self._stopping.is_set():
            await self._commit()

    async def _commit(self) -> None:
        """What is done, unless partitions have changed hands since: then it comes again, and is known."""
        generation, offsets, self._done = self.generation, self._done, {}
        if not offsets or self._done_in != generation:
            return
        prefix = self.topic_prefix
        places = {TopicPartition(prefix + topic, number): next_ for (topic, number), next_ in offsets.items()}
        self._committed_at = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(_COMMIT_WITHIN_S):
                await self.consumer.commit(places)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            # Their effects are in the database; delivered again, they are known there.
            if generation == self.generation:
                self._done = {**offsets, **self._done}
            if not self._commit_failed:
                log.info("consumer.commit_failed", subscription=self.name, error=repr(error))
                self.errors.add()
            self._commit_failed = True
        else:
            self.errors.clear()

    async def on_partitions_revoked(self, _revoked: set[TopicPartition]) -> None:
        """Whoever gets them next begins behind what is done."""
        await self._commit()
        self.generation += 1

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        self._fence.forget()
        self.joined = True
        self._notice_displacement()
        log.info("consumer.assigned", subscription=self.name, partitions=sorted(f"{t}[{p}]" for t, p in assigned))

    def _notice_displacement(self) -> None:
        """Joining again without a new generation of the group means that somebody else had taken this member's place:
        the broker gives the place of a static member to whoever comes last, and aiokafka takes it back, for ever."""
        seen = (self.consumer, self.consumer._coordinator.generation)
        if seen == self._seen:
            self._displaced.add()
        else:
            self._seen = seen
            self._displaced.clear()
        self.fenced = self.fenced or self._displaced.in_a_row >= 3

    async def _next(self, consumer: Any) -> tuple[Any, ...]:
        """What comes next, at once, or nothing for now. FastStream's own way looks for a while and then sleeps as long
        with its eyes shut: a hundred times a second, or late."""
        look_ms = _REST_MS if self._done and not self._commit_failed else _LOOK_MS
        found = await consumer.getmany(timeout_ms=look_ms, max_records=self._max_records)
        if not found:
            await self._commit()
        return tuple(record for records in found.values() for record in records)

    async def _take(self, raw: Sequence[Any]) -> None:
        if self.failed.done() or self.on_batch is None:
            return
        self.busy = True
        self._polled_at = asyncio.get_running_loop().time()
        try:
            if records := await self._with_later(raw):
                self.in_hand = records
                await self.on_batch([read(record, self.topic_prefix) for record in records])
        except Exception as error:  # noqa: BLE001 - FastStream would swallow it; it must end the process
            if not self.failed.done():
                self.failed.set_exception(error)
        finally:
            self.busy, self.in_hand = False, ()
            self._ended_at = asyncio.get_running_loop().time()

    async def _with_later(self, raw: Sequence[Any]) -> Sequence[Any]:
        """The records, and those that have come since: right behind another batch, `raw` is what the client fetched
        when that one began, and it asks for more only now that `raw` is taken out. Later ones would wait for two."""
        room, generation, consumer = self._max_records - len(raw), self.generation, self.consumer
        behind_s = asyncio.get_running_loop().time() - self._ended_at
        if room <= 0 or behind_s > _RIGHT_BEHIND_S or consumer is None:
            return raw
        try:
            async with asyncio.timeout(1.0):  # a rebalance can hold it
                found = await consumer.getmany(timeout_ms=_LATER_WITHIN_MS, max_records=room)
        except (KafkaError, ConsumerStoppedError, TimeoutError):  # what it is shows again at the next fetch
            found = {}
        later = [record for records in found.values() for record in records]
        # Otherwise positions have been set back: what was read before comes again, and may be among the later ones.
        return [*raw, *later] if generation == self.generation else later

    async def _stay_member(self) -> None:
        """A member that does not poll for five minutes is put out of its group; polling nothing is polling."""
        now = asyncio.get_running_loop().time()
        if now - self._polled_at < _POLL_EVERY_S or self.consumer is None:
            return
        self._polled_at = now
        try:
            async with asyncio.timeout(1.0):
                await self.consumer.getmany(_NOWHERE, timeout_ms=0)
        except (KafkaError, TimeoutError):
            self.errors.add()


class Streak:
    """Counts events that come one after another, less than half a minute apart."""

    _APART_S = 30.0

    def __init__(self) -> None:
        self._last = 0.0
        self.in_a_row = 0

    def add(self) -> None:
        now = asyncio.get_running_loop().time()
        self.in_a_row = self.in_a_row + 1 if now - self._last < self._APART_S else 1
        self._last = now

    def clear(self) -> None:
        self.in_a_row = 0


class FastStreamLog:
    """FastStream's logger. What it says of the client's errors is the only sign of them."""

    def __init__(self, subscription: str, errors: Streak) -> None:
        self._subscription = subscription
        self._errors = errors

    def log(self, _level: int, msg: Any, /, *, exc_info: Any = None, **_: Any) -> None:
        if msg == "Kafka error occurred":
            self._errors.add()
            log.warning("consumer.client_error", subscription=self._subscription, error=repr(exc_info))
        elif exc_info is not None:
            log.error("consumer.faststream", subscription=self._subscription, message=str(msg), exc_info=exc_info)


async def _unparsed(records: tuple[Any, ...]) -> KafkaMessage:
    return KafkaMessage(body=b"", raw_message=records, consumer=FAKE_CONSUMER)


async def _undecoded(message: KafkaMessage) -> Any:
    return message.raw_message
