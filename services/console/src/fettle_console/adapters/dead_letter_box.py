"""An org's dead letters, read from their topics when somebody looks; nothing is kept of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from fettle_chassis.http import Problem
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.stored_records import (
    NoSource,
    SentTo,
    StoredLog,
    StoredRecord,
    record_at,
    send_again,
    stored_logs,
)
from fettle_console.domain.dead_letters import TOPICS_WITH_LETTERS, Letter, not_sent_again_because, owner
from fettle_contracts.dead_letters import (
    DLQ_AT,
    DLQ_HEADERS,
    DLQ_MESSAGE,
    DLQ_OFFSET,
    DLQ_PARTITION,
    DLQ_REASON,
    DLQ_SERVICE,
)
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import from_ms, parse_time
from fettle_contracts.topics import dead_letters_of

CLIENT = "console-dead-letters"

LOOKED_AT = 1_000
LOOKED_AT_OF_EACH = 200
"""How many letters of all orgs are looked through for one page: of one topic, or of each."""
BYTES = 16_777_216
"""And how many bytes of them, over all topics; the last stretch that is read may exceed it."""
FIRST_STRETCH, GROWTH = 4, 4
"""So many letters are read at first, and after that so many times as many: nobody knows how large they are."""

PATIENCE_S = 6.0
FARTHEST = 2**63 - 1
"""No offset lies beyond."""


@dataclass(frozen=True, slots=True)
class Found:
    """The newest letters of an org among those that were looked through, without their values and headers; `further` is
    the offset to go on before."""

    letters: Sequence[Letter]
    further: int | None


class DeadLetterBox:
    """Reads at most two at a time: each takes a connection or two to Kafka. Raises `Problem` 503 when Kafka is away."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._turns = asyncio.Semaphore(2)
        self._sending = asyncio.Lock()

    async def newest(self, org: str, topic: str | None, before: int | None, count: int) -> Found:
        """Up to `count` letters, the newest first: of all topics, or of one before an offset of its dead letters."""
        names = [dead_letters_of(name) for name in ([topic] if topic else TOPICS_WITH_LETTERS)]
        most, bytes_most = (LOOKED_AT, BYTES) if topic else (LOOKED_AT_OF_EACH, BYTES // len(names))
        async with self._turn(), stored_logs(self._settings, names, CLIENT) as logs:
            found = [await self._newest_of(log, org, before, count, most, bytes_most) for log in logs]
        if topic is not None:
            return found[0] if found else Found([], None)
        letters = chain.from_iterable(each.letters for each in found)
        return Found(sorted(letters, key=_age, reverse=True)[:count], None)

    async def _newest_of(
        self, log: StoredLog, org: str, before: int | None, count: int, most: int, bytes_most: int
    ) -> Found:
        """Read from the end backwards in stretches, until there are enough, or enough was looked through."""
        end = stop = log.end if before is None else min(before, log.end)
        letters: list[Letter] = []
        stretch, size = FIRST_STRETCH, 0
        while stop > log.begin and stop > end - most and size < bytes_most and len(letters) <= count:
            start = max(log.begin, end - most, stop - stretch)
            some = []
            async for record in log.between(start, stop):
                size += record.size
                if self._owner(record) == org:
                    some.append(replace(self._letter(record), value=None, headers=()))
            letters += reversed(some)
            stop = start
            fits = (bytes_most - size) * (end - stop) // max(size, 1)
            stretch = max(1, min(stretch * GROWTH, fits))
        if len(letters) > count:
            return Found(letters[:count], letters[count - 1].offset)
        return Found(letters, stop if stop > log.begin else None)

    async def one(self, org: str, topic: str, offset: int) -> Letter:
        """Raises `Problem` 404 for one that is not there, or not the org's."""
        return self._letter(await self._record(org, topic, offset))

    async def send_again(self, org: str, topic: str, offset: int) -> SentTo:
        """Puts it where it came from, as it came. Raises `Problem` 404, and 409 for one that must stay."""
        record = await self._record(org, topic, offset)
        letter = self._letter(record)
        if letter.stays is not None:
            raise Problem(409, ProblemCode.CONFLICT, letter.stays)
        try:
            async with self._turn():
                [place] = await send_again(self._settings, [record], CLIENT)
        except NoSource:
            message = "It does not say where it came from, or that partition is not there any more."
            raise Problem(409, ProblemCode.CONFLICT, message) from None
        return place

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        """For whoever holds something else while they send again, such as a transaction: one at a time, so that a Kafka
        that hangs does not take all of it. Raises `Problem` 503 when others take too long."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._sending.acquire()
        except TimeoutError:
            message = "Others are sent again just now. Try again in a moment."
            raise Problem(503, ProblemCode.UNAVAILABLE, message, headers={"Retry-After": "5"}) from None
        try:
            yield
        finally:
            self._sending.release()

    async def _record(self, org: str, topic: str, offset: int) -> StoredRecord:
        if topic in TOPICS_WITH_LETTERS:
            async with self._turn():
                record = await record_at(self._settings, dead_letters_of(topic), 0, offset, CLIENT)
            if record is not None and self._owner(record) == org:
                return record
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such dead letter, or it is gone.")

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE_S), self._turns:
                yield
        except (KafkaError, TimeoutError, OSError) as error:
            message = "Kafka does not answer, and dead letters stand there. Try again in a moment."
            if isinstance(error, TopicAuthorizationFailedError):
                message = "Kafka does not let the console do this: `fettle kafka acls` says which rights it needs."
            raise Problem(503, ProblemCode.UNAVAILABLE, message, headers={"Retry-After": "5"}) from error

    def _topic(self, record: StoredRecord) -> str:
        return record.topic.removeprefix(self._settings.topic_prefix).removesuffix(".dlq")

    def _owner(self, record: StoredRecord) -> str | None:
        return owner(self._topic(record), record.key, record.value)

    def _letter(self, record: StoredRecord) -> Letter:
        topic, message = self._topic(record), record.header(DLQ_MESSAGE) or ""
        return Letter(
            topic=topic,
            offset=record.offset,
            at=_time(record),
            reason=record.header(DLQ_REASON) or "",
            message=message,
            service=record.header(DLQ_SERVICE) or "",
            partition=record.header(DLQ_PARTITION) or "",
            source_offset=record.header(DLQ_OFFSET) or "",
            key=record.key or b"",
            value=record.value,
            headers=[pair for pair in record.headers if pair[0] not in DLQ_HEADERS],
            stays=not_sent_again_because(topic, record.value, message),
        )


def _age(letter: Letter) -> tuple[datetime, int]:
    return letter.at, letter.offset


def _time(record: StoredRecord) -> datetime:
    try:
        return parse_time(record.header(DLQ_AT) or "")
    except ValueError:
        return from_ms(record.timestamp_ms)
