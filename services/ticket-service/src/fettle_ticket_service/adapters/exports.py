"""All tickets of an org as text, made by Postgres itself and passed on as it comes.

COPY is several times faster than reading rows and writing them again, and nothing gathers in memory. A line of JSON
says what the API says of the ticket (tests hold the two together), and `hash`, which stands for its whole timeline.
"""

import asyncio
from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import Any

import asyncpg
from anyio import create_memory_object_stream
from anyio.streams.memory import MemoryObjectSendStream

from fettle_chassis.database import Database

_LONGEST_S = 86_400.0
_PATIENCE_S = 60.0
"""So long a reader may take for the next piece. Until the last row is out, Postgres keeps what it saw at the first, and
whatever is written meanwhile piles up behind it."""
_PIECES_AHEAD = 8
_PIECE_BYTES = 65_536

_LINES = """
    SELECT json_build_object(
        'id', ticket.id, 'number', number, 'title', title, 'description', description,
        'description_version', description_version, 'state', state, 'source', source, 'kind', kind,
        'subject', json_strip_nulls(json_build_object('type', subject_type, 'id', subject_id, 'name', subject_name)),
        'integration', integration, 'space', space,
        'opened_at', rfc3339(opened_at), 'opened_by', opened_by,
        'started_at', rfc3339(started_at), 'started_by', started_by,
        'resolved_at', rfc3339(resolved_at), 'resolved_by', resolved_by, 'resolution', resolution,
        'updated_at', rfc3339(updated_at), 'flap_count', flap_count,
        'parent', CASE WHEN parent_id IS NOT NULL
            THEN json_build_object('id', parent_id, 'number', parent_number) END,
        'previous', CASE WHEN previous_id IS NOT NULL
            THEN json_build_object('id', previous_id, 'number', previous_number) END,
        'links', links,
        'checklist', json_build_object(
            'total', checklist_total, 'recovered', checklist_recovered, 'items', CASE WHEN checklist_total = 0
            THEN '[]'::json ELSE (
                SELECT json_agg(json_build_object(
                    'type', member.type, 'id', member.id, 'name', member.name,
                    'recovered', recovered_at IS NOT NULL, 'recovered_at', rfc3339(recovered_at)) ORDER BY place)
                FROM checklist_member AS member WHERE member.ticket_id = ticket.id
            ) END),
        'dedup_key', dedup_key, 'version', version, 'url', $2 || number, 'hash', hash
    ) FROM ticket WHERE org = $1 ORDER BY number
"""
_WITH_TIMELINES = _LINES.replace(
    "'hash', hash",
    """'hash', hash, 'timeline', (
        SELECT json_agg(json_build_object(
            'id', entry.id, 'type', entry.type, 'version', entry.version, 'at', rfc3339(at), 'actor', actor,
            'body', body, 'evidence', evidence, 'hash', entry.hash, 'place', place, 'head', head)
            ORDER BY entry.version)
        FROM entry WHERE entry.ticket_id = ticket.id
    )""",
)
_TABLE = """
    SELECT number, cell(state) AS state, cell(kind) AS kind, cell(title) AS title, cell(source) AS source,
        cell(subject_type) AS subject_type, cell(subject_id) AS subject_id, cell(subject_name) AS subject_name,
        cell(integration) AS integration, cell(space) AS space,
        rfc3339(opened_at) AS opened_at, cell(coalesce(opened_by ->> 'id', opened_by ->> 'type')) AS opened_by,
        rfc3339(started_at) AS started_at, cell(coalesce(started_by ->> 'id', started_by ->> 'type')) AS started_by,
        rfc3339(resolved_at) AS resolved_at,
        cell(coalesce(resolved_by ->> 'id', resolved_by ->> 'type')) AS resolved_by, cell(resolution) AS resolution,
        rfc3339(updated_at) AS updated_at, flap_count, parent_number AS parent, previous_number AS previous,
        checklist_total AS members, checklist_recovered AS members_recovered, cell(dedup_key) AS dedup_key,
        $2 || number AS url, id, version, cell(hash) AS hash, cell(description) AS description
    FROM ticket WHERE org = $1 ORDER BY number
"""


class Format(StrEnum):
    """How an export is written."""

    JSONL = "jsonl"
    CSV = "csv"


async def export(
    database: Database, org: str, form: Format, ticket_url: str, *, timeline: bool = False
) -> AsyncGenerator[bytes]:
    """The org's tickets by number as they stand now, in pieces of any size. `ticket_url` stands before the number of a
    ticket; `timeline` adds the entries to each line of JSON. A reader that takes no piece for a minute is given up: if
    it goes on after all, TimeoutError is raised behind what was already made. Holds a session outside the pool; the
    caller bounds how many there are."""
    sender, pieces = create_memory_object_stream[bytes](_PIECES_AHEAD)
    connection = await database.session(statement_timeout="0")
    copying = asyncio.create_task(_copy(connection, (org, ticket_url), form, sender, timeline=timeline))
    copying.add_done_callback(lambda _: connection.terminate())
    try:
        async for piece in pieces:
            yield piece
        await copying
    finally:
        copying.cancel()
        await asyncio.wait({copying})
        pieces.close()


async def _copy(
    connection: "asyncpg.Connection[Any]",
    values: tuple[str, str],
    form: Format,
    pieces: MemoryObjectSendStream[bytes],
    *,
    timeline: bool,
) -> None:
    gathered = bytearray()

    async def gather(row: bytes) -> None:
        gathered.extend(row)
        if len(gathered) >= _PIECE_BYTES:
            async with asyncio.timeout(_PATIENCE_S):
                await pieces.send(bytes(gathered))
            gathered.clear()

    query = _TABLE if form is Format.CSV else _WITH_TIMELINES if timeline else _LINES
    # JSON has neither of these two characters in it, so COPY never quotes a line.
    shape: dict[str, Any] = {"header": True} if form is Format.CSV else {"quote": "\x01", "delimiter": "\x02"}
    async with pieces:
        await connection.copy_from_query(query, *values, output=gather, format="csv", timeout=_LONGEST_S, **shape)
        await pieces.send(bytes(gathered))
