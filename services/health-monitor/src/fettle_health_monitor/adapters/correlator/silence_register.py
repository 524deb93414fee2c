"""Making and removing silences, one or a whole selection at a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator.views import escaped
from fettle_health_monitor.domain.correlator.silences import Occurrence, Schedule

_FIRST_FEW = 5

_VALUES = """CAST(:org AS text), {subject}, CAST(:partition AS integer), {shard}, CAST(:starts_at AS bigint),
             CAST(:length_s AS integer), CAST(:rrule AS text), CAST(:zone AS text), CAST(:reason AS text),
             CAST(:made_by AS text), CAST(:made_at AS timestamptz), CAST(:ends_at AS bigint), {from_at},
             {until_at}, {until_at}"""

_INTO = """
    INSERT INTO silence (id, selection, org, subject, partition, shard, starts_at, length_s, rrule, zone, reason,
                         made_by, made_at, ends_at, from_at, until_at, due_at)
"""

_FIRST = {"from_at": "CAST(:from_at AS bigint)", "until_at": "CAST(:until_at AS bigint)"}
_FIRST_BY_SHARD = {
    name: f"coalesce((CAST(:behind_{name} AS bigint[]))[array_position(CAST(:behind AS integer[]), shard)], {value})"
    for name, value in _FIRST.items()
}

_MAKE = text(f"{_INTO} VALUES (:id, NULL, {_VALUES.format(subject=':subject', shard=':shard', **_FIRST)})")

_SELECTED = """
    FROM subject WHERE org = :org
      AND (CAST(:integration AS text) IS NULL OR integration = :integration OR subject = 'integration/' || :integration)
      AND (CAST(:space AS text) IS NULL OR space = :space OR space LIKE :under_space)
      AND (CAST(:type AS text) IS NULL OR starts_with(subject, CAST(:type AS text) || '/'))
      AND (CAST(:model AS text) IS NULL OR model = :model)
"""

_COUNT = text(f"SELECT count(*) AS all, count(*) FILTER (WHERE subject LIKE 'device/%') AS devices {_SELECTED}")

_FIRST_COVERED = text(f"SELECT subject, name {_SELECTED} ORDER BY subject LIMIT :limit")

_NAMED = text("SELECT subject, name FROM subject WHERE org = :org AND subject = :subject")

_SELECT = text(f"""
    {_INTO}
    SELECT CAST(md5(CAST(CAST(:selection AS uuid) AS text) || subject) AS uuid), CAST(:selection AS uuid),
           {_VALUES.format(subject="subject", shard="shard", **_FIRST_BY_SHARD)}
    {_SELECTED}
    ORDER BY subject
""")

# The log's time may be ahead of the wall's: what a silence has held back was before its end all the same.
_REMOVE = text("""
    WITH removed AS (
        SELECT id, greatest(CAST(:now AS bigint), (
            SELECT max(at) + 1 FROM silence_held AS held WHERE held.silence = silence.id)) AS at
        FROM silence
        WHERE org = :org AND (id = :id OR selection = :id) AND removed_at IS NULL AND ends_at > :now
    )
    UPDATE silence SET
        removed_at = removed.at, removed_by = :by, ends_at = removed.at,
        until_at = CASE WHEN until_at <= removed.at THEN until_at WHEN from_at < removed.at THEN removed.at END,
        due_at = CASE WHEN until_at <= removed.at THEN due_at WHEN from_at < removed.at THEN removed.at END
    FROM removed WHERE silence.id = removed.id
""")

_CALLED = text("""
    SELECT coalesce(selection, id) AS id FROM silence
    WHERE org = :org AND (id = ANY(CAST(:ids AS uuid[])) OR selection = ANY(CAST(:ids AS uuid[])))
    GROUP BY 1 ORDER BY max(position) DESC
""")

_KNOWN = text("SELECT EXISTS (SELECT FROM silence WHERE org = :org AND (id = :id OR selection = :id))")


@dataclass(frozen=True, slots=True)
class Selection:
    """Subjects that are silenced in one step: all that fits what is not None. `integration` is it and its devices,
    `space` what is in it and under it, `type` one of `device` and `integration`."""

    integration: str | None = None
    space: str | None = None
    type: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Covered:
    """Whom a silence would be about: how many, how many of them devices, and the first few, (`type/id`, name)."""

    count: int
    devices: int
    first: Sequence[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Making:
    """What all silences of one request share. `first` is the occurrence that is under way or next by the wall,
    `behind` the one for each shard that has not judged as far and has an earlier one to deal with."""

    org: str
    partition: int
    schedule: Schedule
    first: Occurrence | None
    behind: Mapping[int, Occurrence]
    reason: str | None
    by: str
    at: datetime


async def make(connection: AsyncConnection, making: Making, id: UUID, subject: str, shard: int) -> None:
    """A silence of one subject."""
    await connection.execute(_MAKE, {**_values(making, shard), "id": id, "subject": subject, "shard": shard})


async def covered(connection: AsyncConnection, org: str, selection: Selection | None, subject: str | None) -> Covered:
    """Whom a selection is, or one subject, known or not."""
    if selection is None:
        names = (await connection.execute(_NAMED, {"org": org, "subject": subject})).all()
        first = [(row.subject, row.name) for row in names] or [(subject or "", None)]
        return Covered(1, int(first[0][0].startswith("device/")), first)
    values = {"org": org, **_selected(selection)}
    counted = (await connection.execute(_COUNT, values)).one()
    rows = await connection.execute(_FIRST_COVERED, {**values, "limit": _FIRST_FEW})
    return Covered(counted.all, counted.devices, [(row.subject, row.name) for row in rows])


async def select(connection: AsyncConnection, making: Making, id: UUID, selection: Selection) -> int:
    """A silence for each subject of a selection, called `id` together. How many they are."""
    behind = making.behind
    values = {
        **_values(making),
        **_selected(selection),
        "selection": id,
        "behind": list(behind),
        "behind_from_at": [each.start for each in behind.values()],
        "behind_until_at": [each.end for each in behind.values()],
    }
    return (await connection.execute(_SELECT, values)).rowcount


async def remove(connection: AsyncConnection, org: str, id: UUID, *, by: str, now: int) -> int | None:
    """Ends a silence, or a whole selection, where it has not ended yet: how many. None when there is none. It ends
    `now`, or behind the last that it has held back."""
    values = {"org": org, "id": id}
    if not await connection.scalar(_KNOWN, values):
        return None
    return (await connection.execute(_REMOVE, {**values, "by": by, "now": now})).rowcount


async def called(connection: AsyncConnection, org: str, ids: Sequence[UUID]) -> list[UUID]:
    """Those of `ids` that are a silence or a selection, the one that was made last first."""
    return list((await connection.scalars(_CALLED, {"org": org, "ids": list(ids)})).all())


def _values(making: Making, shard: int | None = None) -> dict[str, Any]:
    schedule, first = making.schedule, making.first
    if shard is not None:
        first = making.behind.get(shard, first)
    return {
        "org": making.org,
        "partition": making.partition,
        "starts_at": schedule.start,
        "length_s": schedule.length_s,
        "rrule": schedule.rrule,
        "zone": schedule.zone,
        "reason": making.reason,
        "made_by": making.by,
        "made_at": making.at,
        "ends_at": schedule.end,
        "from_at": None if first is None else first.start,
        "until_at": None if first is None else first.end,
    }


def _selected(selection: Selection) -> dict[str, str | None]:
    under = None if selection.space is None else escaped(selection.space) + "/%"
    return {
        "integration": selection.integration,
        "space": selection.space,
        "under_space": under,
        "type": selection.type,
        "model": selection.model,
    }
