"""Publishes outbox rows to Kafka in order and deletes them once every topic has acknowledged."""

import asyncio
from collections.abc import Sequence
from typing import Any

import structlog
from aiokafka.errors import KafkaError

from fettle_chassis import metrics, outbox, outbox_queue
from fettle_chassis.database import Database
from fettle_chassis.lease import Lease, lock_key
from fettle_chassis.outbox_queue import OutboxQueue, Row
from fettle_chassis.patience import is_transient, pauses
from fettle_chassis.publisher import Chunk, Publisher
from fettle_chassis.retention import Retention
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings

log = structlog.get_logger(__name__)

_CHUNK_ROWS = 500
_HANGS_AFTER_S = 2.0
_GAUGE_S = 5.0
"""Between two counts of what waits. So often the outbox is read too, announced or not: that finds rows that nobody
announced, keeps the connection that listens in use, and tells when it has died."""


class Relay(Part):
    """The outbox's only reader. One is active per database (session advisory lock); others stand by and take over in
    about two seconds when it dies or hangs.

    At least once (after a crash of the database's server, what was published last comes again); per key in commit order
    (with an explicit partition: in commit order per partition). Rebuilds its producer and connections by itself, for
    ever; only a bug stops it. Also forgets inbox rows after 30 days. Runs inside a service or as a process of its own.
    """

    name = "relay"

    def __init__(self, database: Database, settings: ServiceSettings) -> None:
        self._database = database
        self._settings = settings
        self._lease = Lease(database, lock_key("relay"), hangs_after_s=_HANGS_AFTER_S)
        self._wake = asyncio.Event()
        self._problem: str | None = None
        self._retention = Retention(database)

    async def run(self) -> None:
        pause = pauses(longest_s=2.0)
        while True:
            try:
                await self._lease.acquire()
                self._problem = None
                pause = pauses(longest_s=2.0)
                await self._lead()
            except Exception as error:
                if not is_transient(error):
                    raise
                self._problem = repr(error)
                log.warning("relay.database_away", database=self._database.name, error=repr(error))
            finally:
                metrics.RELAY_ACTIVE.labels(self._database.name).set(0)
                await self._lease.release()
            await asyncio.sleep(next(pause))

    def not_ready(self) -> str | None:
        return self._problem

    async def _lead(self) -> None:
        """Publishes until the lease or the database is lost."""
        log.info("relay.active", database=self._database.name)
        metrics.RELAY_ACTIVE.labels(self._database.name).set(1)
        session = await self._database.session(**outbox_queue.SESSION)
        tasks: list[asyncio.Task[None]] = []
        try:
            # Before anybody reads: a session does one thing at a time.
            session.add_termination_listener(self._notified)
            await session.add_listener(outbox.CHANNEL, self._notified)
            queue = OutboxQueue(session)
            bodies = (self._lease.lost(), self._publish(queue), self._measure(queue), self._retention.run())
            tasks += [asyncio.create_task(body) for body in bodies]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            log.warning("relay.lease_lost", database=self._database.name)
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            session.terminate()

    async def _publish(self, queue: OutboxQueue) -> None:
        """Publishes with one producer after another. Raises what the database raises."""
        pause, said = pauses(), False
        while True:
            publisher = Publisher(self._settings, f"{self._database.name}-relay")
            try:
                await publisher.start()
                await self._pump(queue, publisher)
            except (KafkaError, TimeoutError) as error:
                metrics.RELAY_REBUILDS.labels(self._database.name).inc()
                if publisher.proven:
                    pause, said = pauses(), False
                if not said:
                    log.warning("relay.producer_rebuilt", database=self._database.name, error=repr(error))
                    said = True
            finally:
                await publisher.discard()
            await asyncio.sleep(next(pause))

    async def _pump(self, queue: OutboxQueue, publisher: Publisher) -> None:
        """Reads and prepares a chunk while the one before it is on its way, and deletes that one while the next is.

        A chunk is sent only when the one before it has been acknowledged: a failure then leaves no gap that later
        messages of the same key have jumped. Nothing is read unless rows have been announced, more were there than a
        chunk takes, or it is time to look.
        """
        flying: Chunk | None = None
        self._wake.set()  # whatever waits was announced to an earlier producer
        while True:
            if not self._wake.is_set():
                await (publisher.acknowledged(flying) if flying else self._wake.wait())
            rows = await self._read(queue, flying) if self._wake.is_set() else ()
            chunk = await publisher.prepare(rows) if rows else None
            if flying:
                await publisher.acknowledged(flying)
            if chunk:
                await publisher.send(chunk)
            if flying:
                await queue.delete(flying.ids)
            flying = chunk

    async def _read(self, queue: OutboxQueue, flying: Chunk | None) -> Sequence[Row]:
        self._wake.clear()
        rows = await queue.read(_CHUNK_ROWS, flying.ids if flying else ())
        if len(rows) == _CHUNK_ROWS:
            self._wake.set()
        return rows

    def _notified(self, *_: Any) -> None:
        self._wake.set()

    async def _measure(self, queue: OutboxQueue) -> None:
        while True:
            async with self._database.reading() as connection:
                rows, age_s = await outbox.backlog(connection, queue.floor)
            metrics.OUTBOX_ROWS.labels(self._database.name).set(rows)
            metrics.OUTBOX_AGE.labels(self._database.name).set(age_s)
            await asyncio.sleep(_GAUGE_S)
            self._wake.set()
