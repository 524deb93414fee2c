"""What was seen last of tickets, in orgs whose workflows may wait for them.

Whoever lets a run sleep for a ticket, and whoever brings a change of it, locks the ticket's row first: one of the two
sees what the other did.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.domain.waits import Seen

TicketKey = tuple[str, UUID]
"""Org and id."""

# Versions decide: a repeat changes nothing. The events of a ticket come in order, and repeats all in a row, so that the
# newest change of a kind in a batch is never older than the one that is known.
_NOTE = text("""
    INSERT INTO ticket_seen AS known (org, ticket, version, state, changes, day)
    SELECT org, ticket, version, state, CAST(changes AS jsonb), :day
    FROM unnest(CAST(:org AS text[]), CAST(:ticket AS uuid[]), CAST(:version AS integer[]), CAST(:state AS text[]),
                CAST(:changes AS text[])) AS new (org, ticket, version, state, changes)
    WHERE EXISTS (SELECT FROM workflow_version AS saved WHERE saved.org = new.org AND saved.watches)
    ORDER BY org, ticket
    ON CONFLICT (org, ticket) DO UPDATE SET
        version = excluded.version, state = excluded.state, changes = known.changes || excluded.changes,
        day = excluded.day
    WHERE excluded.version > known.version
    RETURNING org, ticket, version, state, changes
""")

_HOLD = text("""
    INSERT INTO ticket_seen AS known (org, ticket, version, state, changes, day)
    SELECT org, ticket, 0, '', '{}', :day
    FROM unnest(CAST(:org AS text[]), CAST(:ticket AS uuid[])) AS wanted (org, ticket)
    ORDER BY org, ticket
    ON CONFLICT (org, ticket) DO UPDATE SET day = excluded.day
    RETURNING org, ticket, version, state, changes
""")


async def note(connection: AsyncConnection, seen: Mapping[TicketKey, Seen], now: datetime) -> dict[TicketKey, Seen]:
    """Puts down what came, and returns what is known now of tickets of which something new came. The rows stay locked
    until the transaction ends."""
    if not seen:
        return {}
    rows = [
        {"org": org, "ticket": ticket, "version": one.version, "state": one.state, "changes": json.dumps(one.changes)}
        for (org, ticket), one in seen.items()
    ]
    return await _seen(connection, _NOTE, {**_arrays(rows), "day": now.date()})


async def hold(connection: AsyncConnection, tickets: Iterable[TicketKey], now: datetime) -> dict[TicketKey, Seen]:
    """What is known of these tickets, each locked until the transaction ends, whether anything is known or not."""
    wanted = sorted(set(tickets))
    arrays = {"org": [org for org, _ in wanted], "ticket": [ticket for _, ticket in wanted]}
    return await _seen(connection, _HOLD, {**arrays, "day": now.date()})


async def _seen(connection: AsyncConnection, statement: Any, values: Mapping[str, Any]) -> dict[TicketKey, Seen]:
    rows = await connection.execute(statement, values)
    return {(row.org, row.ticket): Seen(row.version, row.state, row.changes) for row in rows}


def _arrays(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
