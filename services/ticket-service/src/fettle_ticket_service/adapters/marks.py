"""What lists are narrowed by, as short texts beside the words that are searched: one index finds what has both.

None of it changes while a ticket lives. The database's `ticket_marks` (migration 0010) makes the same of a ticket's
row, for rows that a process of an earlier version writes.
"""

from collections.abc import Iterator

from fettle_contracts.identity import SubjectType
from fettle_contracts.ticket import TicketSource
from fettle_ticket_service.domain.ticket import Ticket

SPACES_MARKED = 8
"""So many spaces that a ticket lies in are marked, from the widest on. Deeper ones are told apart by the ticket."""


def marks_of(ticket: Ticket) -> str:
    """A mark for each of source, kind, subject and integration, and for each space it lies in: one a line."""
    subject = ticket.subject
    marks = [
        source_mark(ticket.source),
        kind_mark(ticket.kind),
        subject_mark(subject.type, subject.id),
        *([] if ticket.integration is None else [integration_mark(ticket.integration)]),
        *([] if ticket.space is None else _spaces(ticket.space)),
    ]
    return "\n".join(marks)


def source_mark(source: TicketSource) -> str:
    return f"source {source}"


def kind_mark(kind: str) -> str:
    return f"kind {kind}"


def subject_mark(type: SubjectType, id: str) -> str:
    return f"subject {type}/{id}"


def integration_mark(integration: str) -> str:
    return f"integration {integration}"


def space_mark(space: str) -> str:
    """The mark that everything in the space has; where the space lies deep, others have it too."""
    *_, narrowest = _spaces(space)
    return narrowest


def _spaces(space: str) -> Iterator[str]:
    parts = space.split("/")
    for count in range(1, min(len(parts), SPACES_MARKED) + 1):
        yield f"space {'/'.join(parts[:count])}"
