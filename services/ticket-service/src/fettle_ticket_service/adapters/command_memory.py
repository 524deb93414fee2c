"""Which commands have had their effect, and what they were answered: the inbox of this service, kept for 30 days.

Read and written under the org's lock, so two transactions never answer one command twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.copying import Row
from fettle_contracts.commands import Verb
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import TicketState
from fettle_ticket_service.adapters.stored import word
from fettle_ticket_service.adapters.tables import COMMAND
from fettle_ticket_service.adapters.unnest import arrays, unnested
from fettle_ticket_service.adapters.writes import Writes
from fettle_ticket_service.asked import Answer, Asked, MetTicket

Identity = tuple[str, str, str]

_IDENTITY_COLUMNS = ("org", "source", "id")
_wanted = unnested(COMMAND, _IDENTITY_COLUMNS, "wanted")
_RECALL = select(COMMAND).join(
    _wanted,
    (COMMAND.c.org == _wanted.c.org) & (COMMAND.c.source == _wanted.c.source) & (COMMAND.c.id == _wanted.c.id),
)

_COLUMNS = tuple(column.name for column in COMMAND.columns)

_FORGET = text("""
    DELETE FROM command WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM command WHERE at < :before LIMIT :at_most FOR UPDATE SKIP LOCKED))
""")


async def recall(connection: AsyncConnection, identities: Iterable[Identity]) -> dict[Identity, Answer]:
    """The answers of those commands that had one."""
    wanted = list(identities)
    if not wanted:
        return {}
    rows = await connection.execute(_RECALL, arrays(_IDENTITY_COLUMNS, wanted))
    return {(row.org, row.source, row.id): _answer_of(row) for row in rows}


def remember(writes: Writes, answered: Sequence[tuple[Asked, Answer]], now: datetime) -> None:
    """Keeps the answers of commands that had none."""
    writes.add(COMMAND, _COLUMNS, [_row_of(asked, answer, now) for asked, answer in answered])


async def forget(connection: AsyncConnection, before: datetime, at_most: int) -> int:
    """Deletes up to `at_most` answers given before that instant; returns how many. Any number of replicas may."""
    return (await connection.execute(_FORGET, {"before": before, "at_most": at_most})).rowcount


def _row_of(asked: Asked, answer: Answer, now: datetime) -> Row:
    met = answer.ticket
    ticket = (None, None, None, None) if met is None else (met.id, met.number, met.state, met.version)
    return (
        *asked.identity,
        answer.fingerprint,
        answer.verb,
        answer.outcome,
        answer.reason,
        answer.message,
        *ticket,
        answer.body,
        now,
    )


def _answer_of(row: Any) -> Answer:
    met = None
    if row.ticket_id is not None:
        met = MetTicket(row.ticket_id, row.ticket_number, word(TicketState, row.ticket_state), row.ticket_version)
    return Answer(
        verb=word(Verb, row.verb),
        outcome=word(Outcome, row.outcome),
        reason=row.reason,
        message=row.message,
        ticket=met,
        fingerprint=row.fingerprint,
        body=row.answer,
    )
