"""Counts of an org's fleet: how it stands, what has changed in the last day, and when nobody could see it."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.transitions import CONFIRMED_UNHEALTHY
from fettle_health_monitor.domain.correlator.overview import Tally

_INTEGRATION = "integration/"
_CHANGES_MAX = 100
_LOSSES_MAX = 20

_STANDING = """
    SELECT false AS own, integration AS behind, state, CAST(NULL AS text) AS name, count(*) AS subjects,
           CAST(NULL AS bigint[]) AS minutes, CAST(NULL AS bigint[]) AS changes
    FROM subject WHERE org = :org AND NOT starts_with(subject, :prefix) GROUP BY integration, state
    UNION ALL
    SELECT true, substr(subject, :behind_prefix), state, name, 1, NULL, NULL
    FROM subject WHERE org = :org AND starts_with(subject, :prefix)
"""
# One statement, so that both halves see the same moment. Who is gone is counted in neither.
_COUNTED = text(f"""
    {_STANDING}
    UNION ALL
    SELECT own, behind, NULL, NULL, 0, array_agg(minute), array_agg(change)
    FROM (
        SELECT starts_with(subject.subject, :prefix) AS own,
               CASE WHEN starts_with(subject.subject, :prefix) THEN substr(subject.subject, :behind_prefix)
                    ELSE integration END AS behind,
               at / 60000 AS minute,
               sum(CASE WHEN to_state = ANY(CAST(:unhealthy AS text[])) THEN 1 ELSE -1 END) AS change
        FROM transition JOIN subject ON subject.org = transition.org AND subject.subject = transition.subject
        WHERE transition.org = :org AND at >= :since
          AND coalesce(to_state = ANY(CAST(:unhealthy AS text[])), false)
              <> coalesce(from_state = ANY(CAST(:unhealthy AS text[])), false)
        GROUP BY 1, 2, 3
    ) AS told
    WHERE change <> 0 GROUP BY own, behind
""")  # noqa: S608 - all parts are constants
_COUNTED_NOW = text(_STANDING)

_CHANGED = text("""
    SELECT own, behind, became, count(DISTINCT subject) AS subjects, max(at) AS latest,
           (array_agg(subject ORDER BY at DESC))[1] AS example, (array_agg(name ORDER BY at DESC))[1] AS name
    FROM (
        SELECT transition.subject, at, name, starts_with(transition.subject, :prefix) AS own,
               CASE WHEN starts_with(transition.subject, :prefix) THEN substr(transition.subject, :behind_prefix)
                    ELSE coalesce(integration, transition.body->'subject'->>'integration') END AS behind,
               CASE WHEN to_state IS NULL THEN 'forgotten' WHEN from_state IS NULL THEN 'new'
                    WHEN to_state = 'firing' AND from_state <> 'pending_resolve' THEN 'firing'
                    WHEN to_state = 'healthy' AND from_state <> 'pending_open' THEN 'healthy'
                    WHEN to_state IN ('flapping', 'unknown') THEN to_state END AS became
        FROM transition LEFT JOIN subject ON subject.org = transition.org AND subject.subject = transition.subject
        WHERE transition.org = :org AND at >= :since
    ) AS told
    WHERE became IS NOT NULL
    GROUP BY own, behind, became ORDER BY latest DESC LIMIT :limit
""")

_GAPS = text("""
    SELECT from_at, to_at FROM shard_gap
    WHERE coalesce(to_at, :until) >= :since
      AND EXISTS (SELECT FROM subject WHERE org = :org AND subject.shard = shard_gap.shard)
    ORDER BY from_at
""")

_LOSSES = text("""
    SELECT since_at, resumed_at, lost FROM loss
    WHERE org = :org AND coalesce(resumed_at, :since) >= :since ORDER BY begun_at DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Fleet:
    """Tallies of all subjects, and of the devices behind each integration (None: behind none). `own` is the state and
    name of integrations that are watched themselves."""

    all: Tally
    behind: Mapping[str | None, Tally]
    own: Mapping[str, tuple[str | None, str | None]]


async def counted(connection: AsyncConnection, org: str, *, since: int | None) -> Fleet:
    """The fleet as it stands now and has changed since an instant, if one is given. Reads every subject of the org,
    and its transitions since."""
    asked: dict[str, Any] = {"org": org, **_PREFIX}
    if since is not None:
        asked |= {"since": since, "unhealthy": [str(state) for state in CONFIRMED_UNHEALTHY]}
    whole = _Sums()
    parts = defaultdict[str | None, _Sums](_Sums)
    own = dict[str, tuple[str | None, str | None]]()
    for row in await connection.execute(_COUNTED_NOW if since is None else _COUNTED, asked):
        whole.take(row)
        part = parts[row.behind]
        if not row.own:
            part.take(row)
        elif row.minutes is None:
            own[row.behind] = (row.state, row.name)
    return Fleet(whole.tally(), {behind: part.tally() for behind, part in parts.items()}, own)


class _Sums:
    def __init__(self) -> None:
        self._states, self._changes = Counter[str | None](), Counter[int]()

    def take(self, row: Row[Any]) -> None:
        if row.minutes is None:
            self._states[row.state] += row.subjects
        else:
            self._changes.update(dict(zip(row.minutes, row.changes, strict=True)))

    def tally(self) -> Tally:
        return Tally(self._states, self._changes)


async def changed(connection: AsyncConnection, org: str, *, since: int) -> Sequence[Row[Any]]:
    """What integrations, and devices by their integration, became since an instant, the latest first: `firing`,
    `healthy` (again), `flapping`, `unknown`, `new`, `forgotten`."""
    return (await connection.execute(_CHANGED, {"org": org, "since": since, "limit": _CHANGES_MAX, **_PREFIX})).all()


async def gaps(connection: AsyncConnection, org: str, *, since: int, until: int) -> list[tuple[int, int | None]]:
    """When shards with subjects of the org were not observed or not waited for."""
    rows = await connection.execute(_GAPS, {"org": org, "since": since, "until": until})
    return [(row.from_at, row.to_at) for row in rows]


async def losses(connection: AsyncConnection, org: str, *, since: int) -> Sequence[Row[Any]]:
    """Intervals in which the org's heartbeats did not arrive, the latest first."""
    return (await connection.execute(_LOSSES, {"org": org, "since": since, "limit": _LOSSES_MAX})).all()


_PREFIX = {"prefix": _INTEGRATION, "behind_prefix": len(_INTEGRATION) + 1}
