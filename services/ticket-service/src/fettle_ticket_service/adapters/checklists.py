"""Members of checklists in Postgres. A rollup may have thousands: whoever carries out a command reads those that it
names and the first hundred, never all of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
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
from fettle_ticket_service.domain.book import FURTHEST_OF_A_TICKET, Book
from fettle_ticket_service.domain.checklist import NO_CHECKLIST, QUIET, Checklist, Member, MemberKey
from fettle_ticket_service.domain.values import Subject

_FIRST = text(f"""
    SELECT first.* FROM unnest(CAST(:tickets AS uuid[])) AS wanted (id) CROSS JOIN LATERAL (
        SELECT * FROM checklist_member WHERE ticket_id = wanted.id AND place <= {CHECKLIST_ITEMS_IN_EVENTS}
        ORDER BY place LIMIT {CHECKLIST_ITEMS_IN_EVENTS}
    ) AS first
""").columns(*MEMBER.columns)  # noqa: S608 - a constant
"""Ticket by ticket, also where they are so many that all members could be read instead."""

_NAMED = text("""
    SELECT member.* FROM unnest(CAST(:tickets AS uuid[]), CAST(:types AS text[]), CAST(:ids AS text[]))
        AS wanted (ticket_id, type, id)
    JOIN checklist_member AS member USING (ticket_id, type, id)
""").columns(*MEMBER.columns)

_KEEP_MEMBERS = text("""
    INSERT INTO checklist_member (ticket_id, type, id, name, place, joined_at, recovered_at, changes, seal)
    SELECT * FROM unnest(CAST(:tickets AS uuid[]), CAST(:types AS text[]), CAST(:ids AS text[]), CAST(:names AS text[]),
                         CAST(:places AS integer[]), CAST(:joined AS timestamptz[]), CAST(:recovered AS timestamptz[]),
                         CAST(:changes AS integer[]), CAST(:seals AS text[]))
    ON CONFLICT (ticket_id, type, id) DO UPDATE
    SET recovered_at = excluded.recovered_at, changes = excluded.changes, seal = excluded.seal
""")

_STANDING = (
    *("id", "checklist_total", "checklist_recovered", "checklist_changes"),
    *("checklist_noted_at", "checklist_unsaid"),
)
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
    firsts: dict[UUID, list[Member]] = {}
    for row in await connection.execute(_FIRST, {"tickets": list(tickets)}):
        firsts.setdefault(row.ticket_id, []).append(member_of(row))
    return {ticket: tuple(members) for ticket, members in firsts.items()}


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
        books[orgs[row.ticket_id]].enter_member(row.ticket_id, member_of(row), row.seal)


async def save_checklists(connection: AsyncConnection, books: Sequence[Book]) -> None:
    """Writes the members that changed, and how the checklists of changed tickets stand. The tickets are there."""
    changes = ((book, ticket, member) for book in books for (ticket, _), member in book.changed_members.items())
    members = [_member_row(*change) for change in changes]
    if members:
        names = ("tickets", "types", "ids", "names", "places", "joined", "recovered", "changes", "seals")
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
    return [member_of(row) for row in await connection.execute(statement)]


async def due(
    connection: AsyncConnection, now: datetime, at_most: int, but: Collection[UUID]
) -> list[tuple[str, UUID]]:
    """Tickets whose timeline has something to say of the checklist, those that have waited longest first, without those
    that the caller names."""
    rows = await connection.execute(_DUE, {"before": now - QUIET, "at_most": at_most, "but": list(but)})
    return [(row.org, row.id) for row in rows]


def checklist_of(row: Any, first: tuple[Member, ...]) -> Checklist:
    """The checklist in a row with the columns of `ticket`. What somebody else has written of one where there is none is
    read too, so that no seal fits it."""
    numbers = row.checklist_total or row.checklist_recovered or row.checklist_changes
    if not numbers and row.checklist_noted_at is None and row.checklist_unsaid is None:
        return NO_CHECKLIST
    return Checklist(
        total=row.checklist_total,
        recovered=row.checklist_recovered,
        changes=row.checklist_changes,
        first=first,
        noted_at=row.checklist_noted_at,
        unsaid=unsaid_of(row.checklist_unsaid),
    )


def member_of(row: Any) -> Member:
    """The member in a row with the columns of `checklist_member`. One that claims more changes than there can be, which
    its seal does not fit, can still change."""
    subject = Subject(word(SubjectType, row.type), row.id, row.name)
    return Member(row.place, subject, row.joined_at, row.recovered_at, min(row.changes, FURTHEST_OF_A_TICKET))


def _member_row(book: Book, ticket: UUID, member: Member) -> Row:
    subject, seal = member.subject, book.chain.seal_member(book.org, book.changed[ticket], member)
    times = (member.joined_at, member.recovered_at)
    return ticket, subject.type, subject.id, subject.name, member.place, *times, member.changes, seal


def _standing_row(ticket: UUID, checklist: Checklist) -> Row:
    unsaid = None if checklist.unsaid is None else encode(checklist.unsaid).decode()
    return ticket, checklist.total, checklist.recovered, checklist.changes, checklist.noted_at, unsaid
