"""The timeline speaks of checklists when its minute is over, on any number of replicas."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from uuid import UUID

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_ticket_service import metrics
from fettle_ticket_service.adapters import books, checklists
from fettle_ticket_service.adapters.announcements import Announcer
from fettle_ticket_service.adapters.org_ends import OrgEnds
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.adapters.writes import Writes
from fettle_ticket_service.domain.chain import ChainKeys
from fettle_ticket_service.domain.values import TicketRef

EVERY_S = 1.0
AT_MOST = 100
"""Tickets per transaction, so that no org is locked for long."""


class ChecklistNotes(Part):
    """Once a second makes the entries that are due and that no command on their ticket has brought along. Whoever has
    the org's lock decides on what then stands there, so two replicas make one entry. A database that is away for an
    hour stops the service."""

    name = "checklist notes"

    def __init__(self, database: Database, wire: Wire, keys: ChainKeys, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._announcer = Announcer(wire)
        self._keys = keys
        self._clock = clock
        self._ends = OrgEnds()

    async def run(self) -> None:
        while True:
            written = await patiently(self.write, within_s=3600.0)
            metrics.CHECKLIST_NOTES.inc(written)
            await asyncio.sleep(EVERY_S)

    async def write(self) -> int:
        """Makes all entries that are due; returns how many. Passes over tickets of which none can be made."""
        total, passed_over = 0, set[UUID]()
        while True:
            async with self._database.reading() as connection:
                due = await checklists.due(connection, self._clock(), AT_MOST, passed_over)
            if due:
                async with (
                    unit_of_work(self._database) as work,
                    self._ends.minded(work.connection, (org for org, _ in due)) as doubted,
                ):
                    written = await self._write(work, due, doubted)
                total += len(written)
                passed_over |= {ticket for _, ticket in due} - written
            if len(due) < AT_MOST:
                return total

    async def _write(self, work: UnitOfWork, due: Sequence[tuple[str, UUID]], doubted: Collection[str]) -> set[UUID]:
        """Returns the tickets that an entry was made of."""
        opened = await books.open_books(work.connection, (org for org, _ in due), self._keys)
        there = [(org, TicketRef(id=ticket)) for org, ticket in due if org in opened]
        await books.enter_tickets(work.connection, opened, there, doubted)
        now = self._clock()
        notes = [(org, note) for org, ticket in there if (note := opened[org].note(ticket, now=now)) is not None]
        await books.save_books(work.connection, opened.values(), notes, Writes())
        work.publish(*(self._announcer.event(org, note) for org, note in notes))
        return {note.ticket.id for _, note in notes}
