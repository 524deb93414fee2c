"""All subjects of an org as they stand, for orgs in which nearly everybody may be down."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.health_policy import Match
from fettle_contracts.times import parse_time, to_ms
from fettle_health_monitor.domain.correlator.losses import Past
from fettle_health_monitor.domain.correlator.verdicts import VERDICTS
from fettle_health_monitor.domain.judgements import Change, Evidence

_KNOWN = text("""
    SELECT subject, shard, generation, state, condition, since_at, changed_at, policy_version, evidence, integration,
           model, interval_s
    FROM subject WHERE org = :org AND subject = ANY(CAST(:subjects AS text[]))
""")

_EVERYBODY = text("""
    SELECT subject, shard, generation, state, condition, since_at, changed_at, policy_version, integration, model,
           interval_s, CASE WHEN state IN ('pending_open', 'firing') THEN evidence END AS evidence
    FROM subject WHERE org = :org AND (state IS NOT NULL OR subject = ANY(CAST(:besides AS text[])))
""")

_PAST = text("""
    SELECT at, subject, from_state, to_state,
           CASE WHEN from_state IS NULL THEN body -> 'evidence' ->> 'reason' END AS reason
    FROM transition WHERE org = :org AND at > :after ORDER BY at, position
""")

# Nothing is on record of who has been healthy for as long as history is kept. Whoever has not been entered by then but
# comes up `registered` is told of because it was judged before.
_IN_THE_LOG_BEFORE = text("""
    SELECT subject.subject, CASE WHEN past.subject IS NULL THEN 'healthy' ELSE past.to_state END AS state
    FROM subject LEFT JOIN LATERAL (
        SELECT subject, to_state FROM transition
        WHERE transition.org = subject.org AND transition.subject = subject.subject AND at <= :at
        ORDER BY at DESC, position DESC LIMIT 1
    ) AS past ON true
    WHERE org = :org AND subject.subject = ANY(CAST(:subjects AS text[]))
      AND (past.subject IS NOT NULL OR CASE WHEN registered THEN entered_at <= to_timestamp(:at / 1000.0)
                                            ELSE subject.subject = ANY(CAST(:told AS text[])) END)
""")

_DOWN = text("SELECT count(*) FROM subject WHERE org = :org AND state IN ('pending_open', 'firing')")

_DOWN_OR_THERE = text("""
    SELECT count(*) FROM subject
    WHERE org = :org AND (state IN ('pending_open', 'firing')
                          OR state IS NOT NULL AND shard = ANY(CAST(:shards AS integer[])))
""")

_BEHIND = text("""
    SELECT count(DISTINCT CASE WHEN starts_with(subject, 'integration/') THEN substr(subject, 13) ELSE integration END)
    FROM subject
    WHERE org = :org AND (state IN ('pending_open', 'firing') OR subject = ANY(CAST(:changing AS text[]))
                          OR state IS NOT NULL AND shard = ANY(CAST(:shards AS integer[])))
""")

_WELL = text("""
    SELECT integration, model, interval_s, count(*) AS number FROM (
        SELECT CASE WHEN integration = ANY(CAST(:integrations AS text[])) THEN integration END AS integration,
               CASE WHEN model = ANY(CAST(:models AS text[])) THEN model END AS model, interval_s
        FROM subject
        WHERE org = :org AND state = 'healthy' AND changed_at <= :before AND NOT shard = ANY(CAST(:but AS integer[]))
        ORDER BY changed_at LIMIT :enough
    ) AS well GROUP BY integration, model, interval_s
""")

_MAY_ALL_BE_SILENT = text("""
    SELECT count(*) >= :many AND bool_or(is_late)
           AND count(*) FILTER (WHERE NOT is_late AND state NOT IN ('pending_open', 'firing')
                                      AND NOT subject = ANY(CAST(:moving AS text[]))) * 5 <= count(*)
    FROM (SELECT subject, state, shard = ANY(CAST(:late AS integer[])) AS is_late FROM subject
          WHERE org = :org AND state IS NOT NULL) AS judged
""")

_ARE_PENDING = text("""
    SELECT EXISTS (SELECT FROM subject WHERE org = :org AND state = 'pending_open' AND changed_at <= :since)
""")

_SILENCED = text("""
    SELECT count(DISTINCT subject) FROM silence WHERE org = :org AND ends_at > :after AND starts_at <= :until
""")


@dataclass(frozen=True, slots=True)
class Profiled:
    """What a subject's rules follow from."""

    subject: str
    shard: int
    integration: str | None
    model: str | None
    interval_s: float | None


@dataclass(frozen=True, slots=True)
class Everybody:
    """An org's judged subjects as they stand, and what changed since an instant."""

    rows: Sequence[Row[Any]]
    past: list[Past]
    at_beginning: Mapping[str, str | None]
    """Those that have changed since, as they were then."""


async def known(connection: AsyncConnection, org: str, subjects: Collection[str]) -> dict[str, Row[Any]]:
    """The live rows of these subjects; unknown ones are left out."""
    rows = await connection.execute(_KNOWN, {"org": org, "subjects": list(subjects)})
    return {row.subject: row for row in rows}


async def everybody(connection: AsyncConnection, org: str, after: int, besides: Collection[str]) -> Everybody:
    """All subjects of an org that are judged, those of `besides` also if they are not yet, and what changed after this
    instant. Reads all of them: for orgs in which nearly everybody is down."""
    rows = (await connection.execute(_EVERYBODY, {"org": org, "besides": list(besides)})).all()
    past, at_beginning, came_up = list[Past](), dict[str, str | None](), dict[str, str]()
    for row in await connection.execute(_PAST, {"org": org, "after": after}):
        past.append(Past(row.at, row.subject, row.to_state))
        if row.subject not in at_beginning:
            at_beginning[row.subject] = row.from_state
            if row.from_state is None:
                came_up[row.subject] = row.reason
    if came_up:
        at_beginning |= await _in_the_log_before(connection, org, after, came_up)
    return Everybody(rows, past, at_beginning)


async def _in_the_log_before(
    connection: AsyncConnection, org: str, at: int, came_up: Mapping[str, str]
) -> dict[str, str | None]:
    """How those stood at this instant whose shard has forgotten them since, of these who came up for these reasons."""
    told = [subject for subject, reason in came_up.items() if reason == "registered"]
    values = {"org": org, "at": at, "subjects": list(came_up), "told": told}
    return {row.subject: row.state for row in await connection.execute(_IN_THE_LOG_BEFORE, values)}


async def may_all_be_silent(
    connection: AsyncConnection, org: str, late: Collection[int], moving: Collection[str], *, many: int
) -> bool:
    """Whether the org has so many subjects and four fifths of them are down, or `moving`, or on these shards, at least
    one there."""
    values = {"org": org, "late": list(late), "moving": list(moving), "many": many}
    return bool(await connection.scalar(_MAY_ALL_BE_SILENT, values))


async def are_pending(connection: AsyncConnection, org: str, since: int) -> bool:
    """Whether a subject of the org has been pending since then, or for longer."""
    return bool(await connection.scalar(_ARE_PENDING, {"org": org, "since": since}))


async def down(connection: AsyncConnection, org: str, or_on: Collection[int]) -> int:
    """How many subjects of the org are pending or firing, or on these shards."""
    if or_on:
        return int(await connection.scalar(_DOWN_OR_THERE, {"org": org, "shards": list(or_on)}) or 0)
    return int(await connection.scalar(_DOWN, {"org": org}) or 0)  # an index has them, where no shard is asked for


async def integrations_behind(
    connection: AsyncConnection, org: str, changing: Collection[str], or_on: Collection[int]
) -> int:
    """Behind how many integrations those are, and these."""
    values = {"org": org, "changing": list(changing), "shards": list(or_on)}
    return int(await connection.scalar(_BEHIND, values) or 0)


async def well(
    connection: AsyncConnection, org: str, matches: Sequence[Match], *, before: int, enough: int, but: Collection[int]
) -> list[tuple[Profiled, int]]:
    """Healthy subjects that have not changed since `before`, counted by what their rules follow from; not all of them
    where there are more than `enough`, and none of the shards in `but`. Of integrations and models only those in
    `matches` are told apart."""
    told_apart = {
        "integrations": [match.integration for match in matches if match.integration is not None],
        "models": [match.model for match in matches if match.model is not None],
    }
    values = {"org": org, "before": before, "enough": enough, "but": list(but), **told_apart}
    rows = await connection.execute(_WELL, values)
    return [(Profiled("", 0, row.integration, row.model, _interval(row)), row.number) for row in rows]


async def silenced(connection: AsyncConnection, org: str, *, after: int, until: int) -> int:
    """How many subjects may be silenced at some time between these instants."""
    return int(await connection.scalar(_SILENCED, {"org": org, "after": after, "until": until}) or 0)


def last_change(org: str, row: Row[Any]) -> Change:
    """What a subject's live row says, as the change that brought it there."""
    seen = row.evidence or {}
    evidence = Evidence(
        last_heard=_ms(seen.get("last_heard")),
        deadline=_ms(seen.get("deadline")),
        partition=seen.get("partition", row.shard),
        offset=seen.get("offset", 0),
        status=seen.get("status"),
        timeout_s=seen.get("timeout_s", 0.0),
        debounce_s=seen.get("debounce_s", 0.0),
    )
    return Change(
        shard=row.shard,
        generation=row.generation,
        place=(seen.get("offset", 0), 0),
        id=str(uuid5(VERDICTS, f"{org}/{row.subject}/{row.state}/{row.changed_at}")),
        org=org,
        subject=row.subject,
        from_state=None,
        to_state=row.state,
        condition=row.condition,
        at=row.changed_at,
        since=row.since_at,
        reason=seen.get("reason", ""),
        policy_version=row.policy_version or 0,
        flap_count=0,
        evidence=evidence,
    )


def profiled(row: Row[Any]) -> Profiled:
    """What a row's rules follow from."""
    return Profiled(row.subject, row.shard, row.integration, row.model, _interval(row))


def _interval(row: Row[Any]) -> float | None:
    return None if row.interval_s is None else float(row.interval_s)


def _ms(text: str | None) -> int | None:
    return None if text is None else to_ms(parse_time(text))
