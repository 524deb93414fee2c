"""Members of checklists in Postgres. A rollup may have thousands: whoever carries out a command reads those that it
names and the first hundred, never all of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from msgspec.json import encode
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.copying import Row
from fettle_contracts.identity import SubjectType
from fettle_contracts.ticket import CHECKLIST_ITEMS_IN_EVENTS
from fettle_ticket_service.adapters.stored import unsaid_of, word
from fettle_ticket_service.adapters.tables import MEMBER, TICKET
from fettle_ticket_service.adapters.unnest import arrays, update_rows
from fettle_ticket_service.domain.book import Book
from fettle_ticket_service.domain.checklist import QUIET, Checklist, Member, MemberKey
from fettle_ticket_service.domain.values import Subject

_FIRST = (
    select(MEMBER)
    .where(MEMBER.c.ticket_id == text("ANY(CAST(:tickets AS uuid[]))"), MEMBER.c.place <= CHECKLIST_ITEMS_IN_EVENTS)
    .order_by(MEMBER.c.ticket_id, MEMBER.c.place)
)

_NAMED = text("""
    SELECT member.* FROM unnest(CAST(:tickets AS uuid[]), CAST(:types AS text[]), CAST(:ids AS text[]))
        AS wanted (ticket_id, type, id)
    JOIN checklist_member AS member USING (ticket_id, type, id)
""").columns(*MEMBER.columns)

_KEEP_MEMBERS = text("""
    INSERT INTO checklist_member (ticket_id, type, id, name, place, joined_at, recovered_at)
    SELECT * FROM unnest(CAST(:tickets AS uuid[]), CAST(:types AS text[]), CAST(:ids AS text[]), CAST(:names AS text[]),
                         CAST(:places AS integer[]), CAST(:joined AS timestamptz[]), CAST(:recovered AS timestamptz[]))
    ON CONFLICT (ticket_id, type, id) DO UPDATE SET recovered_at = excluded.recovered_at
""")

_STANDING = ("id", "checklist_total", "checklist_recovered", "checklist_noted_at", "checklist_unsaid")
_KEEP_STANDING = update_rows(TICKET, "id", _STANDING[1:])

_DUE = text("""
    SELECT ticket.org, ticket.id FROM ticket JOIN org USING (org)
    WHERE checklist_unsaid IS NOT NULL AND coalesce(checklist_noted_at, opened_at) <= :before AND NOT org.deleted
        AND id <> ALL(CAST(:but AS uuid[]))
    ORDER BY coalesce(checklist_noted_at, opened_at) LIMIT :at_most
""")


async def first_members(connection: AsyncConnection, tickets: Collection[UUID]) -> dict[UUID, tuple[Member, ...]]:
    """The first hundred members of each of the tickets, as events show them."""
    if not tickets:
        return {}
    rows = await connection.execute(_FIRST, {"tickets": list(tickets)})
    return {ticket: tuple(map(_member, members)) for ticket, members in groupby(rows, lambda row: row.ticket_id)}


async def enter_members(
    connection: AsyncConnection, books: Mapping[str, Book], wanted: Iterable[tuple[str, UUID, MemberKey]]
) -> None:
    """Loads those of the named members, as `(org, ticket, key)`, that are on the tickets' checklists."""
    named = list(wanted)
    if not named:
        return
    orgs = {ticket: org for org, ticket, _ in named}
    parameters = {
        "tickets": [ticket for _, ticket, _ in named],
        "types": [key[0] for _, _, key in named],
        "ids": [key[1] for _, _, key in named],
    }
    for row in await connection.execute(_NAMED, parameters):
        books[orgs[row.ticket_id]].enter_member(row.ticket_id, _member(row))


async def save_checklists(connection: AsyncConnection, books: Sequence[Book]) -> None:
    """Writes the members that changed, and how the checklists of changed tickets stand. The tickets are there."""
    members = [_member_row(ticket, member) for book in books for (ticket, _), member in book.changed_members.items()]
    if members:
        names = ("tickets", "types", "ids", "names", "places", "joined", "recovered")
        columns = map(list, zip(*members, strict=True))
        await connection.execute(_KEEP_MEMBERS, dict(zip(names, columns, strict=True)))
    changed = [ticket for book in books for ticket in book.changed.values()]
    standing = [_standing_row(ticket.id, ticket.checklist) for ticket in changed if ticket.checklist.total]
    if standing:
        await connection.execute(_KEEP_STANDING, arrays(_STANDING, standing))


async def members_after(connection: AsyncConnection, ticket: UUID, place: int, limit: int) -> list[Member]:
    """Up to `limit` members behind that place, in the order of joining."""
    statement = (
        select(MEMBER).where(MEMBER.c.ticket_id == ticket, MEMBER.c.place > place).order_by(MEMBER.c.place).limit(limit)
    )
    return [_member(row) for row in await connection.execute(statement)]


async def due(
    connection: AsyncConnection, now: datetime, at_most: int, but: Collection[UUID]
) -> list[tuple[str, UUID]]:
    """Tickets whose timeline has something to say of the checklist, those that have waited longest first, without those
    that the caller names."""
    rows = await connection.execute(_DUE, {"before": now - QUIET, "at_most": at_most, "but": list(but)})
    return [(row.org, row.id) for row in rows]


def checklist_of(row: Any, first: tuple[Member, ...]) -> Checklist:
    """The checklist in a row with the columns of `ticket`, which must have one."""
    return Checklist(
        total=row.checklist_total,
        recovered=row.checklist_recovered,
        first=first,
        noted_at=row.checklist_noted_at,
        unsaid=unsaid_of(row.checklist_unsaid),
    )


def _member(row: Any) -> Member:
    subject = Subject(word(SubjectType, row.type), row.id, row.name)
    return Member(row.place, subject, row.joined_at, row.recovered_at)


def _member_row(ticket: UUID, member: Member) -> Row:
    subject = member.subject
    return ticket, subject.type, subject.id, subject.name, member.place, member.joined_at, member.recovered_at


def _standing_row(ticket: UUID, checklist: Checklist) -> Row:
    unsaid = None if checklist.unsaid is None else encode(checklist.unsaid).decode()
    return ticket, checklist.total, checklist.recovered, checklist.noted_at, unsaid
