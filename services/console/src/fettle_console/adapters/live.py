"""The live tail: every replica reads ticket events and health transitions from the end, without a group, and keeps the
recent ones for the streams it serves.

A place that cannot be gone on from (the log was deleted, or lost what we had not read) starts a new ring, and every
stream is told to start over. A broker that is away is waited for.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from fettle_chassis.kafka import build_consumer
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_console import metrics
from fettle_console.domain.event_ring import EventRing, LiveEvent, Reset, Versions
from fettle_console.domain.live_events import live_event
from fettle_contracts.cloudevents import from_record
from fettle_contracts.message import Unreadable
from fettle_contracts.topics import EVENTS, TRANSITIONS

BEAT_S = 5.0
"""Streams that have nothing to say say at least this often that they are alive."""

PACE_S = 0.1
"""A stream that has just been told something hears what happens next after this long, all at once: what it costs to
wake a stream is paid ten times a second at most, however much happens in its org."""

CHECK_S = 3.0
STALE_S = 10.0
"""Without word from Kafka for this long the tail calls itself not live."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, and the id by which a stream can resume after it."""

    id: str
    event: LiveEvent


@dataclass(frozen=True, slots=True)
class StartOver:
    """Events were missed: what the reader shows may be old. `id` is where the stream goes on."""

    id: str


@dataclass(frozen=True, slots=True)
class Beat:
    """Nothing happened. `as_of` is the last time at which Kafka confirmed that nothing is left unread."""

    id: str
    as_of: datetime
    live: bool


class Live(Part):
    """The tail and its followers."""

    name = "live"

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._topics = [settings.topic(EVENTS), settings.topic(TRANSITIONS)]
        self._ring = EventRing(secrets.token_hex(6))
        self._versions = Versions()
        self._places: dict[TopicPartition, int] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._closing = False
        self._caught_up = False
        self.as_of = datetime.now(UTC)

    @property
    def live(self) -> bool:
        """Whether Kafka has confirmed lately that everything was read."""
        return self._caught_up and (datetime.now(UTC) - self.as_of).total_seconds() < STALE_S

    def not_ready(self) -> str | None:
        """Ready once the tail has first stood at the end of its topics: what happens from then on is seen."""
        return None if self._caught_up else "has not caught up with Kafka"

    def place(self, org: str) -> str:
        """The id by which a stream hears whatever happens in the org from now on."""
        return self._ring.id_of(self._ring.end(org))

    async def run(self) -> None:
        """Reads for ever; connects anew after whatever the client could not overcome by itself."""
        while True:
            await self._read()
            await asyncio.sleep(1)

    async def follow(self, org: str, last_event_id: str | None) -> AsyncIterator[list[Happened] | StartOver | Beat]:
        """What happens in the org from after `last_event_id` (or from now) on, in order, until the service stops."""
        ring = self._ring
        place = ring.resume(org, last_event_id)
        began = False
        while not self._closing:
            if ring is not self._ring:
                ring, place = self._ring, Reset(self._ring.end(org))
            if isinstance(place, Reset):
                metrics.LIVE_RESETS.inc()
                place = place.place
                yield StartOver(ring.id_of(place))
                began = False
            if not began:
                began = True
                yield Beat(ring.id_of(place), self.as_of, self.live)
            news = self._news.setdefault(org, asyncio.Event())
            found = ring.after(org, place)
            if isinstance(found, Reset):
                place = found
                continue
            if found:
                place = found[-1][0]
                yield [Happened(ring.id_of(each), event) for each, event in found]
                await asyncio.sleep(PACE_S)
            elif not await _set_within(news, BEAT_S):
                yield Beat(ring.id_of(place), self.as_of, self.live)

    def close(self) -> None:
        """Ends every stream: a server that stops waits for them."""
        self._closing = True
        for org in list(self._news):
            self._wake(org)

    async def _read(self) -> None:
        consumer = build_consumer(
            self._settings, *self._topics, client_id="console-live", auto_offset_reset="latest", max_poll_records=500
        )
        try:
            await consumer.start()
            await self._take_places(consumer)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._take(consumer))
                tasks.create_task(self._confirm(consumer))
        except* (KafkaError, OSError, TimeoutError) as group:
            log.warning("live.lost", error=repr(group.exceptions[0]))
        finally:
            await consumer.stop()

    async def _take_places(self, consumer: AIOKafkaConsumer) -> None:
        """Goes on where the last connection stopped, at first from the end."""
        for partition, end in (await consumer.end_offsets(consumer.assignment())).items():
            consumer.seek(partition, self._places.setdefault(partition, end))

    async def _take(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            for partition, records in (await consumer.getmany(timeout_ms=1000)).items():
                if records[0].offset != self._places.get(partition):
                    log.warning("live.place_gone", topic=partition.topic, partition=partition.partition)
                    self._start_over()
                for record in records:
                    self._show(record)
                self._places[partition] = records[-1].offset + 1

    def _show(self, record: Any) -> None:
        try:
            event = live_event(from_record(record.headers, record.key, record.value), self._versions)
        except Unreadable as error:
            metrics.LIVE_EVENTS.labels("unreadable").inc()
            log.warning("live.unreadable", topic=record.topic, offset=record.offset, error=str(error))
            return
        metrics.LIVE_EVENTS.labels("shown" if event else "old").inc()
        if event:
            self._ring.append(event)
            self._wake(event.org)

    async def _confirm(self, consumer: AIOKafkaConsumer) -> None:
        """Asks where the logs end: silence of the client alone does not tell "nothing happens" from "nothing comes".

        Raises TimeoutError when records wait and none was taken between two checks: a consumer can die silently.
        """
        before: Mapping[TopicPartition, int] = {}
        while True:
            asked_at = datetime.now(UTC)
            try:
                ends = await consumer.end_offsets(consumer.assignment())
            except KafkaError:
                await asyncio.sleep(CHECK_S)
                continue
            places = {partition: self._places.get(partition, end) for partition, end in ends.items()}
            if any(places[partition] > end for partition, end in ends.items()):
                self._start_over()
                self._places.clear()
                raise TimeoutError("the log is shorter than what was read of it: it is another one")
            waiting = {partition: place for partition, place in places.items() if place < ends[partition]}
            if any(before.get(partition) == place for partition, place in waiting.items()):
                raise TimeoutError("records wait and none was taken")
            if not waiting:
                self.as_of = asked_at
                self._caught_up = True
            before = waiting
            await asyncio.sleep(CHECK_S)

    def _start_over(self) -> None:
        self._ring = EventRing(secrets.token_hex(6))
        self._versions = Versions()
        for org in list(self._news):
            self._wake(org)

    def _wake(self, org: str) -> None:
        news = self._news.pop(org, None)
        if news:
            news.set()


class EndStreams(Part):
    """Stands after the HTTP server, so that it stops before it: without streams the server waits for nothing."""

    name = "streams"

    def __init__(self, live: Live) -> None:
        self._live = live

    async def stop(self) -> None:
        self._live.close()


async def _set_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
