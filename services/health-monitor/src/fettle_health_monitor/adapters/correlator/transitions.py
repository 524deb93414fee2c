"""The history of transitions, and their events for the world."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.copying import MANY, copy_rows
from fettle_chassis.outbox import Outgoing
from fettle_contracts.cloudevents import JSON_TYPE
from fettle_contracts.topics import TRANSITIONS
from fettle_contracts.transitions import SOURCE, TRANSITION
from fettle_health_monitor.adapters.correlator.live import Key, Known
from fettle_health_monitor.domain.correlator.evidence import in_words, instant
from fettle_health_monitor.domain.judgements import Change

_INSERT = text("""
    INSERT INTO transition (id, org, subject, from_state, to_state, condition, at, body, calls, laid_over)
    SELECT id, org, subject, from_state, to_state, condition, at, body, calls, laid_over
    FROM unnest(CAST(:id AS uuid[]), CAST(:org AS text[]), CAST(:subject AS text[]), CAST(:from_state AS text[]),
                CAST(:to_state AS text[]), CAST(:condition AS text[]), CAST(:at AS bigint[]),
                CAST(CAST(:body AS text[]) AS jsonb[]), CAST(:calls AS boolean[]), CAST(:laid_over AS boolean[]))
         WITH ORDINALITY AS change (id, org, subject, from_state, to_state, condition, at, body, calls, laid_over,
                                    place)
    ORDER BY place
""")
_COLUMNS = ("id", "org", "subject", "from_state", "to_state", "condition", "at", "body", "calls", "laid_over")

_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_source", SOURCE.encode()),
    ("ce_type", TRANSITION.encode()),
    ("content-type", JSON_TYPE.encode()),
)


async def record(
    connection: AsyncConnection,
    changes: Sequence[Change],
    names: Mapping[Key, Known],
    calls: Sequence[bool],
    laid_over: Collection[str] = (),
) -> list[Outgoing]:
    """Writes these changes into the history, each with whether it calls for a verdict; `laid_over` are the ids of those
    that no shard has said. Answers with their events, in the same order, for the outbox."""
    bodies = [body_of(change, names.get((change.org, change.subject), Known())) for change in changes]
    rows = [
        (
            change.id,
            change.org,
            change.subject,
            change.from_state,
            change.to_state,
            change.condition,
            change.at,
            body.decode(),
            called,
            change.id in laid_over,
        )
        for change, body, called in zip(changes, bodies, calls, strict=True)
    ]
    if len(rows) >= MANY:
        await copy_rows(connection, "transition", _COLUMNS, rows)
    else:
        columns = map(list, zip(*rows, strict=True))
        await connection.execute(_INSERT, dict(zip(_COLUMNS, columns, strict=True)))
    return [event_of(change, body) for change, body in zip(changes, bodies, strict=True)]


def event_of(change: Change, body: bytes) -> Outgoing:
    """A CloudEvent as `fettle_contracts.cloudevents.to_binary` writes it, which takes five times as long; tests read it
    back."""
    at = instant(change.at) or ""
    headers = [
        *_HEADERS,
        ("ce_id", change.id.encode()),
        ("ce_time", at.encode()),
        ("ce_subject", change.subject.encode()),
    ]
    return Outgoing((TRANSITIONS,), change.org.encode(), body, headers)


def body_of(change: Change, named: Known) -> bytes:
    """The change as a `Transition`, in its very bytes. Storms have tens of thousands, and a model for each of them
    costs as much as all else about it."""
    kind, _, id = change.subject.partition("/")
    subject = {"type": kind, "id": id, "name": named.name or id}
    if named.integration is not None:
        subject["integration"] = named.integration
    return msgspec.json.encode({"org": change.org, "subject": subject, **in_words(change)})
