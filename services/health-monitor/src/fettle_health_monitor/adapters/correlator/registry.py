"""The registry of subjects that people have entered."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.health_policy import Scope
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_health_monitor.domain.control import Heard, Register
from fettle_health_monitor.domain.correlator.registration import Present, Registration

_ENTER = text("""
    INSERT INTO subject AS known (org, subject, shard, registered, entered_name, entered_integration, entered_space,
                                  entered_model, entered_interval_s, entered_by, entered_at)
    SELECT :org, subject, shard, true, name, integration, space, model, interval_s, :by, CAST(:at AS timestamptz)
    FROM unnest(CAST(:subjects AS text[]), CAST(:shards AS integer[]), CAST(:names AS text[]),
                CAST(:integrations AS text[]), CAST(:spaces AS text[]), CAST(:models AS text[]),
                CAST(:intervals AS double precision[]))
         AS entry (subject, shard, name, integration, space, model, interval_s)
    ON CONFLICT (org, subject) DO UPDATE SET
        registered = true, entered_name = excluded.entered_name, entered_integration = excluded.entered_integration,
        entered_space = excluded.entered_space, entered_model = excluded.entered_model,
        entered_interval_s = excluded.entered_interval_s, entered_by = excluded.entered_by,
        entered_at = excluded.entered_at
""")

_REMOVE = text("""
    UPDATE subject SET registered = false, entered_name = NULL, entered_integration = NULL, entered_space = NULL,
                       entered_model = NULL, entered_interval_s = NULL, entered_by = NULL, entered_at = NULL,
                       removed = true
    WHERE org = :org AND subject = :subject
    RETURNING state IS NOT NULL AND generation >= (
        SELECT coalesce(max(clock_generation), 0) FROM shard_progress WHERE shard_progress.shard = subject.shard
    ) AS judged
""")

_DROP = text("DELETE FROM subject WHERE org = :org AND subject = :subject")

# Until its shard says that it has forgotten who was removed, what is heard of it is from before the removal.
_HEARD = """
    CASE WHEN NOT removed THEN heard_integration END AS heard_integration,
    CASE WHEN NOT removed THEN heard_model END AS heard_model,
    CASE WHEN NOT removed THEN heard_interval_s END AS heard_interval_s
"""

_OF_SHARD = text(f"""
    SELECT org, subject, entered_name, entered_integration, entered_space, entered_model, entered_interval_s, {_HEARD}
    FROM subject JOIN org USING (org)
    WHERE shard = :shard AND registered AND NOT deleted ORDER BY org, subject
""")  # noqa: S608

_DISCOVERED = text("""
    SELECT org, subject, heard_integration, heard_model, heard_interval_s
    FROM subject JOIN org USING (org)
    WHERE shard = :shard AND state IS NOT NULL AND NOT registered AND NOT removed AND NOT deleted ORDER BY org, subject
""")

_REMOVED = text("""
    SELECT org, subject FROM subject JOIN org USING (org)
    WHERE shard = :shard AND removed AND NOT deleted ORDER BY org, subject
""")

_PRESENT = text(f"""
    SELECT subject.subject, registered, entered_name, entered_integration, entered_space, entered_model,
           entered_interval_s, {_HEARD}
    FROM subject JOIN unnest(CAST(:subjects AS text[])) AS asked (subject) USING (subject) WHERE org = :org
""")  # noqa: S608

_FIRST_OUTLASTING = text("""
    WITH said AS (
        SELECT * FROM unnest(CAST(:integrations AS text[]), CAST(:models AS text[]), CAST(:subjects AS text[]),
                             CAST(:timeouts AS integer[])) WITH ORDINALITY
                      AS said (integration, model, subject, timeout_s, number)
    )
    SELECT subject.subject, entered_interval_s, rule.timeout_s, rule.number
    FROM subject
    JOIN said AS of_org ON of_org.integration IS NULL AND of_org.model IS NULL AND of_org.subject IS NULL
    LEFT JOIN said AS of_integration ON of_integration.integration = subject.integration
    LEFT JOIN said AS of_model ON of_model.model = subject.model
    LEFT JOIN said AS of_subject ON of_subject.subject = subject.subject
    JOIN said AS rule
         ON rule.number = coalesce(of_subject.number, of_model.number, of_integration.number, of_org.number)
    WHERE org = :org AND entered_interval_s > rule.timeout_s
    ORDER BY subject.subject LIMIT 1
""")


@dataclass(frozen=True, slots=True)
class Outlasting:
    """A subject whose registered interval is above its timeout, and for what part of the fleet that is set."""

    subject: str
    interval_s: int
    timeout_s: int
    scope: Scope


@dataclass(frozen=True, slots=True)
class Entered:
    """One entry of the registry, and what heartbeats have said."""

    org: str
    subject: str
    registration: Registration
    heard: Heard


class Removed(Enum):
    """What a subject was when it was removed."""

    UNKNOWN = "unknown"
    JUDGED = "judged"
    """Its shard knows it and will say when it has forgotten it."""
    NOT_JUDGED = "not_judged"
    """Its shard does not know it: it began anew and has not heard it since, or never did."""


async def present(connection: AsyncConnection, org: str, subjects: Collection[str]) -> dict[str, Present]:
    """What is known of these subjects; unknown ones are left out."""
    rows = await connection.execute(_PRESENT, {"org": org, "subjects": list(subjects)})
    return {
        row.subject: Present(registration=_registration(row) if row.registered else None, heard=_heard(row))
        for row in rows
    }


async def first_outlasting(
    connection: AsyncConnection, org: str, timeouts: Mapping[Scope, int | None]
) -> Outlasting | None:
    """The first subject whose registered interval is above what `timeouts` sets for it, the narrowest of them winning.
    One look at the org's registry, however many timeouts there are."""
    integrations, models, subjects = zip(*timeouts, strict=True)
    row = (
        await connection.execute(
            _FIRST_OUTLASTING,
            {
                "org": org,
                "integrations": list(integrations),
                "models": list(models),
                "subjects": list(subjects),
                "timeouts": list(timeouts.values()),
            },
        )
    ).one_or_none()
    if row is None:
        return None
    return Outlasting(row.subject, int(row.entered_interval_s), row.timeout_s, list(timeouts)[row.number - 1])


async def enter(
    connection: AsyncConnection,
    org: str,
    entries: Mapping[str, Registration],
    *,
    shards: Mapping[str, int],
    entered_by: str,
    entered_at: datetime,
) -> None:
    """Enters subjects, or replaces what is entered of them."""
    said = entries.values()
    await connection.execute(
        _ENTER,
        {
            "org": org,
            "by": entered_by,
            "at": entered_at,
            "subjects": list(entries),
            "shards": [shards[subject] for subject in entries],
            "names": [each.name for each in said],
            "integrations": [each.integration for each in said],
            "spaces": [each.space for each in said],
            "models": [each.model for each in said],
            "intervals": [each.interval_s for each in said],
        },
    )


async def remove(connection: AsyncConnection, org: str, subject: str) -> Removed:
    """Takes a subject out of the registry, and out of the picture unless its shard will say that it is forgotten."""
    found = (await connection.execute(_REMOVE, {"org": org, "subject": subject})).one_or_none()
    if found is None:
        return Removed.UNKNOWN
    if found.judged:
        return Removed.JUDGED
    await connection.execute(_DROP, {"org": org, "subject": subject})
    return Removed.NOT_JUDGED


async def of_shard(connection: AsyncConnection, shard: int) -> list[Entered]:
    """Every entry whose subject belongs to this shard."""
    rows = await connection.execute(_OF_SHARD, {"shard": shard})
    return [Entered(row.org, row.subject, _registration(row), _heard(row)) for row in rows]


async def discovered(connection: AsyncConnection, shard: int) -> list[tuple[str, Register]]:
    """The subjects of this shard that are judged though nobody entered them, by `org/type/id`, with what they last said
    of themselves."""
    rows = await connection.execute(_DISCOVERED, {"shard": shard})
    return [
        (
            f"{row.org}/{row.subject}",
            Register(integration=row.heard_integration, model=row.heard_model, interval_s=row.heard_interval_s),
        )
        for row in rows
    ]


async def removed(connection: AsyncConnection, shard: int) -> list[HeartbeatKey]:
    """The subjects of this shard that somebody removed and that it has not said to have forgotten."""
    rows = await connection.execute(_REMOVED, {"shard": shard})
    return [HeartbeatKey(row.org, SubjectRef.parse(row.subject)) for row in rows]


def _registration(row: object) -> Registration:
    return Registration.model_construct(
        name=row.entered_name,  # type: ignore[attr-defined]
        integration=row.entered_integration,  # type: ignore[attr-defined]
        space=row.entered_space,  # type: ignore[attr-defined]
        model=row.entered_model,  # type: ignore[attr-defined]
        interval_s=None if row.entered_interval_s is None else int(row.entered_interval_s),  # type: ignore[attr-defined]
    )


def _heard(row: object) -> Heard:
    return Heard(
        integration=row.heard_integration,  # type: ignore[attr-defined]
        model=row.heard_model,  # type: ignore[attr-defined]
        interval_s=row.heard_interval_s,  # type: ignore[attr-defined]
    )
