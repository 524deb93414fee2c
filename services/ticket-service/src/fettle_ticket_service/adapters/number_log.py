"""No number is used twice, though the database was put back to an older state: `ticket.events` knows better.

Before anything else begins, the openings that the database does not know are read there, and the orgs' counters are
raised above their numbers. A database that was not put back knows all but the last seconds.
"""

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import msgspec
import structlog
from aiokafka import TopicPartition

from fettle_chassis.database import Database
from fettle_chassis.kafka import build_consumer
from fettle_chassis.patience import patiently, regularly
from fettle_chassis.service import Part
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.topic_ids import TopicIds
from fettle_chassis.topics import Topics
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import check_org
from fettle_contracts.ticket_events import EntryType
from fettle_contracts.topics import EVENTS
from fettle_ticket_service.adapters import given_numbers, log_reading
from fettle_ticket_service.domain.chain import ChainKeys
from fettle_ticket_service.domain.numbers import GivenNumbers, ToldOpening

log = structlog.get_logger(__name__)

EVERY_S = 10.0
_OPENED = ("ce_type", EntryType.OPENED.ce_type.encode())
_CLIENT = "ticket-service-numbers"


class WentBack(Exception):
    """The database was put back beneath a running service: only another start makes numbers safe again."""


class _Ticket(msgspec.Struct):
    id: UUID
    number: int


class _Chain(msgspec.Struct):
    number_seal: str | None = None


class _Opening(msgspec.Struct):
    org: str
    ticket: _Ticket
    chain: _Chain | None = None


_decode = msgspec.json.Decoder(_Opening).decode


class NumberLog(Part):
    """Start: raises the counters; then notes every few seconds how far the topic goes, which is all that the next start
    does not have to read. Starts after `topics` and before whatever gives numbers."""

    name = "number-log"

    def __init__(self, settings: ServiceSettings, database: Database, topics: Topics, keys: ChainKeys) -> None:
        self._settings, self._database, self._topics, self._keys = settings, database, topics, keys
        self._ends: dict[int, int] = {}

    async def start(self) -> None:
        self._name = self._settings.topic(EVENTS)
        self._places = [TopicPartition(self._name, number) for number in range(self._topics.partitions(EVENTS))]
        self._consumer = build_consumer(self._settings, client_id=_CLIENT)
        await patiently(self._consumer.start)
        self._log = await patiently(self._id)
        await patiently(self._catch_up)

    async def run(self) -> None:
        await regularly(self.note, every_s=EVERY_S, name="number_log")

    async def stop(self) -> None:
        await self._consumer.stop()

    async def note(self) -> None:
        """Notes how far the topic goes now. Raises `WentBack`."""
        ends = await self._ends_now()
        async with unit_of_work(self._database) as work:
            marks = await given_numbers.marks(work.connection)
            if any(
                number not in marks or (marks[number].log == self._log and marks[number].next_offset < end)
                for number, end in self._ends.items()
            ):
                raise WentBack("the database knows less of ticket.events than it did: it was put back")
            await given_numbers.set_marks(work.connection, self._log, ends)
        self._ends = ends

    async def _catch_up(self) -> None:
        ends = await self._ends_now()
        async with self._database.reading() as connection:
            marks = await given_numbers.marks(connection)
        known = {number: mark.next_offset for number, mark in marks.items() if mark.log == self._log}
        given = GivenNumbers(self._keys)
        async for opening in self._openings(known, ends):
            given.take(opening)
        async with unit_of_work(self._database) as work:
            raised = await given_numbers.raise_counters(work.connection, given.vouched)
            counters = await given_numbers.counters(work.connection, given.claimed)
            await given_numbers.set_marks(work.connection, self._log, ends)
        self._ends = ends
        for org, number in raised.items():
            log.warning("numbers.raised", org=org, next_number=number)
        for org, number in given.claimed.items():
            if number >= counters.get(org, 1):
                log.warning("numbers.unvouched", org=org, number=number, next_number=counters.get(org, 1))

    async def _openings(self, known: Mapping[int, int], ends: Mapping[int, int]) -> AsyncIterator[ToldOpening]:
        """What stands between what is known and the ends. Raises TransientError when the broker falls silent."""
        begins = {place: known.get(place.partition, 0) for place in self._places}
        upto = {place: ends[place.partition] for place in self._places}
        async for records in log_reading.between(self._consumer, begins, upto):
            for record in records:
                if _OPENED in record.headers and (opening := _opening_of(record.value)) is not None:
                    yield opening
        if self._consumer.assignment():
            self._consumer.unsubscribe()

    async def _ends_now(self) -> dict[int, int]:
        return {place.partition: end for place, end in (await self._consumer.end_offsets(self._places)).items()}

    async def _id(self) -> str:
        ids = TopicIds(self._settings, _CLIENT)
        try:
            await ids.start()
            return (await ids.of([self._name]))[self._name]
        finally:
            await ids.stop()


def _opening_of(value: bytes | None) -> ToldOpening | None:
    """None: no event of ours. Anybody may write on the topic."""
    try:
        told = _decode(value or b"")
        check_org(told.org)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    seal = None if told.chain is None else told.chain.number_seal
    return ToldOpening(told.org, told.ticket.id, told.ticket.number, seal)
