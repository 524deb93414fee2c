"""The history of transitions, and their events for the world."""

from collections.abc import Collection, Mapping, Sequence

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.outbox import Outgoing
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.times import from_ms
from fettle_contracts.topics import TRANSITIONS
from fettle_contracts.transitions import TRANSITION
from fettle_health_monitor.adapters.correlator.live import Key, Known
from fettle_health_monitor.domain.correlator.evidence import in_words
from fettle_health_monitor.domain.judgements import Change

SOURCE = "fettle/health-monitor"

_INSERT = text("""
    INSERT INTO transition (id, org, subject, from_state, to_state, condition, at, body, calls,
                            laid_over)
    SELECT id, org, subject, from_state, to_state, condition, at, body, calls, laid_over
    FROM unnest(CAST(:ids AS uuid[]), CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:from_states AS text[]),
                CAST(:to_states AS text[]), CAST(:conditions AS text[]), CAST(:at AS bigint[]),
                CAST(CAST(:bodies AS text[]) AS jsonb[]), CAST(:calls AS boolean[]),
                CAST(:laid_over AS boolean[]))
         WITH ORDINALITY AS change (id, org, subject, from_state, to_state, condition, at, body, calls,
                                    laid_over, place)
    ORDER BY place
""")


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
    await connection.execute(
        _INSERT,
        {
            "ids": [change.id for change in changes],
            "orgs": [change.org for change in changes],
            "subjects": [change.subject for change in changes],
            "from_states": [change.from_state for change in changes],
            "to_states": [change.to_state for change in changes],
            "conditions": [change.condition for change in changes],
            "at": [change.at for change in changes],
            "bodies": [body.decode() for body in bodies],
            "calls": list(calls),
            "laid_over": [change.id in laid_over for change in changes],
        },
    )
    return [
        Outgoing.of(
            CloudEvent(
                id=change.id,
                source=SOURCE,
                type=TRANSITION,
                time=from_ms(change.at),
                subject=change.subject,
                key=change.org,
                data=body,
            ),
            TRANSITIONS,
        )
        for change, body in zip(changes, bodies, strict=True)
    ]


def body_of(change: Change, named: Known) -> bytes:
    """The change as a `Transition`, in its very bytes. Storms have tens of thousands, and a model for each of them
    costs as much as all else about it."""
    kind, _, id = change.subject.partition("/")
    subject = {"type": kind, "id": id, "name": named.name or id}
    if named.integration is not None:
        subject["integration"] = named.integration
    return msgspec.json.encode({"org": change.org, "subject": subject, **in_words(change)})
