"""Live status: what is known of every subject, written batch by batch."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import parse_time, to_ms
from fettle_health_monitor.domain.correlator.evidence import of_change
from fettle_health_monitor.domain.correlator.rollups import is_integration
from fettle_health_monitor.domain.correlator.verdicts import Named
from fettle_health_monitor.domain.judgements import Change, InForce, Profile, Unwatched

Key = tuple[str, str]
"""Org and subject."""


def columns_of(keys: Collection[Key]) -> dict[str, object]:
    """The keys as the parameters `orgs` and `subjects` of a statement that joins `unnest` of both."""
    return {"orgs": [org for org, _ in keys], "subjects": [subject for _, subject in keys]}


_PROFILES = text("""
    INSERT INTO subject AS known (org, subject, shard, generation,
                                  heard_name, heard_integration, heard_space, heard_model, heard_interval_s,
                                  heard_place)
    SELECT org, subject, shard, generation, name, integration, space, model, interval_s, ARRAY[generation, "offset"]
    FROM unnest(
        CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
        CAST(:offsets AS bigint[]), CAST(:names AS text[]), CAST(:integrations AS text[]), CAST(:spaces AS text[]),
        CAST(:models AS text[]), CAST(:intervals AS double precision[]))
        AS said (org, subject, shard, generation, "offset", name, integration, space, model, interval_s)
    ON CONFLICT (org, subject) DO UPDATE SET
        shard = excluded.shard,
        generation = excluded.generation,
        heard_name = coalesce(excluded.heard_name, known.heard_name),
        heard_integration = coalesce(excluded.heard_integration, known.heard_integration),
        heard_space = coalesce(excluded.heard_space, known.heard_space),
        heard_model = coalesce(excluded.heard_model, known.heard_model),
        heard_interval_s = coalesce(excluded.heard_interval_s, known.heard_interval_s),
        heard_place = excluded.heard_place, unwatched = NULL
""")

_UNSAY = text("""
    UPDATE subject SET heard_name = NULL, heard_integration = NULL, heard_space = NULL, heard_model = NULL,
                       heard_interval_s = NULL
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS newcomer (org, subject)
    WHERE subject.org = newcomer.org AND subject.subject = newcomer.subject
      AND num_nonnulls(heard_name, heard_integration, heard_space, heard_model, heard_interval_s) > 0
""")

_STATES = text("""
    INSERT INTO subject AS known (org, subject, shard, generation, state, condition, since_at, changed_at,
                                  policy_version, evidence, flap_count, heard_place)
    SELECT org, subject, shard, generation, state, condition, since, changed, version, evidence, flap_count,
           ARRAY[generation, "offset"]
    FROM unnest(
        CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
        CAST(:states AS text[]), CAST(:conditions AS text[]), CAST(:since AS bigint[]), CAST(:changed AS bigint[]),
        CAST(:versions AS integer[]), CAST(CAST(:evidence AS text[]) AS jsonb[]), CAST(:flap_counts AS integer[]),
        CAST(:offsets AS bigint[]))
        AS stands (org, subject, shard, generation, state, condition, since, changed, version, evidence, flap_count,
                   "offset")
    ON CONFLICT (org, subject) DO UPDATE SET
        shard = excluded.shard, generation = excluded.generation, state = excluded.state,
        condition = excluded.condition, since_at = excluded.since_at, changed_at = excluded.changed_at,
        policy_version = excluded.policy_version, evidence = excluded.evidence,
        flap_count = excluded.flap_count,
        unwatched = CASE WHEN known.heard_place > excluded.heard_place THEN known.unwatched END
    RETURNING org, subject, name, integration, space, model
""")

_UNWATCHED = text("""
    INSERT INTO subject AS known (org, subject, shard, generation, changed_at, unwatched, heard_place)
    SELECT org, subject, shard, generation, at, reason, ARRAY[generation, "offset"]
    FROM unnest(
        CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:shards AS integer[]), CAST(:generations AS bigint[]),
        CAST(:at AS bigint[]), CAST(:reasons AS text[]), CAST(:offsets AS bigint[]))
        AS listed (org, subject, shard, generation, at, reason, "offset")
    ON CONFLICT (org, subject) DO UPDATE SET unwatched = excluded.unwatched, heard_place = excluded.heard_place
    WHERE coalesce(known.heard_place < excluded.heard_place, true)
""")

_FORGET = text("""
    WITH gone AS (
        SELECT org, subject, registered,
               coalesce(heard_place > ARRAY[removed.generation, "offset"], false) AS heard_since,
               coalesce(heard_place > ARRAY[removed.generation, "offset"], false) AND unwatched IS NULL AS said_since
        FROM subject
        JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:generations AS bigint[]),
                    CAST(:offsets AS bigint[])) AS removed (org, subject, generation, "offset") USING (org, subject)
    ), stays AS (
        UPDATE subject SET state = NULL, condition = NULL, since_at = NULL, changed_at = NULL, evidence = NULL,
                           removed = false,
                           heard_name = CASE WHEN said_since THEN heard_name END,
                           heard_integration = CASE WHEN said_since THEN heard_integration END,
                           heard_space = CASE WHEN said_since THEN heard_space END,
                           heard_model = CASE WHEN said_since THEN heard_model END,
                           heard_interval_s = CASE WHEN said_since THEN heard_interval_s END
        FROM gone
        WHERE subject.org = gone.org AND subject.subject = gone.subject AND (gone.registered OR heard_since)
    )
    DELETE FROM subject USING gone
    WHERE subject.org = gone.org AND subject.subject = gone.subject AND NOT (gone.registered OR heard_since)
""")

_NAMES = text("""
    SELECT org, subject, name, integration, space, model
    FROM subject JOIN unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[])) AS asked (org, subject)
         USING (org, subject)
""")


_FAILING_WHEN = text("""
    SELECT subject.org, subject.subject, subject.shard, coalesce(past.to_state, state) AS state,
           coalesce(past.condition, subject.condition) AS condition, since_at, evidence, flap_count, body, name,
           integration, space
    FROM subject
    CROSS JOIN LATERAL (
        SELECT changed_at < :at OR (changed_at = :at AND policy_version <> :version) AS is_older
    ) AS change
    LEFT JOIN LATERAL (
        SELECT to_state, transition.condition, body FROM transition
        WHERE transition.org = subject.org AND transition.subject = subject.subject AND transition.at <= :at
          AND (transition.at < :at OR (body->>'policy_version')::integer <> :version)
        ORDER BY transition.at DESC, position DESC LIMIT 1
    ) AS past ON NOT is_older
    WHERE subject.org = :org AND shard = :shard AND (is_older OR past.to_state IS NOT NULL)
      AND coalesce(past.to_state, state) IN ('firing', 'pending_resolve', 'flapping')
      AND coalesce(past.condition, subject.condition) IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class Failing:
    """A subject for which a ticket would be right, if tickets are wanted. `flap_count` is that of its last change."""

    subject: str
    condition: str
    since: int
    evidence: Mapping[str, Any]
    named: Named
    shard: int
    state: str
    flap_count: int


@dataclass(frozen=True, slots=True)
class Known(Named):
    """A subject's names, its model too."""

    model: str | None = None


async def record_profiles(connection: AsyncConnection, profiles: Sequence[Profile]) -> None:
    """What heartbeats say of subjects; of several about one the fields add up, the later wins, back to where it was a
    newcomer. An integration is behind none, whatever a judge by earlier rules has told of it."""
    merged: dict[Key, Profile] = {}
    for profile in profiles:
        key = (profile.org, profile.subject)
        merged[key] = _later(merged[key], profile) if key in merged else profile
    values = list(merged.values())
    newcomers = [key for key, profile in merged.items() if profile.newcomer]
    if newcomers:
        await connection.execute(_UNSAY, columns_of(newcomers))
    await connection.execute(
        _PROFILES,
        {
            **_whose(values),
            "offsets": [each.place[0] for each in values],
            "names": [each.name for each in values],
            "integrations": [None if is_integration(each.subject) else each.integration for each in values],
            "spaces": [each.space for each in values],
            "models": [each.model for each in values],
            "intervals": [each.interval_s for each in values],
        },
    )


async def record_states(connection: AsyncConnection, changes: Sequence[Change]) -> dict[Key, Known]:
    """The states after these changes; of several about one subject the last counts, and who was removed before that
    is a newcomer. Answers with what the subjects are called, those that are gone too."""
    last = {(change.org, change.subject): change for change in changes}
    standing = [change for change in last.values() if change.to_state is not None]
    removed = {(change.org, change.subject): change for change in changes if change.to_state is None}
    called = await names(connection, removed) if removed else {}
    if removed:
        await _forget(connection, list(removed.values()))
    if standing:
        rows = await connection.execute(
            _STATES,
            {
                **_whose(standing),
                "states": [each.to_state for each in standing],
                "conditions": [each.condition if each.to_state != "healthy" else None for each in standing],
                "since": [each.since for each in standing],
                "changed": [each.at for each in standing],
                "versions": [each.policy_version for each in standing],
                "evidence": [msgspec.json.encode(of_change(each)).decode() for each in standing],
                "flap_counts": [each.flap_count for each in standing],
                "offsets": [each.place[0] for each in standing],
            },
        )
        called |= _called(rows)
    return called


async def _forget(connection: AsyncConnection, removals: Sequence[Change]) -> None:
    """What was known of these subjects goes; what they have said of themselves since, in their log, stays, and so does
    that they are not watched."""
    await connection.execute(
        _FORGET,
        {
            **columns_of([(each.org, each.subject) for each in removals]),
            "generations": [each.generation for each in removals],
            "offsets": [each.place[0] for each in removals],
        },
    )


async def record_unwatched(connection: AsyncConnection, unwatched: Sequence[Unwatched]) -> None:
    """Subjects that report and are not judged; not those that have said of themselves since that they are."""
    last = list({(each.org, each.subject): each for each in unwatched}.values())
    await connection.execute(
        _UNWATCHED,
        {
            **_whose(last),
            "at": [each.at for each in last],
            "reasons": [each.reason for each in last],
            "offsets": [each.place[0] for each in last],
        },
    )


async def names(connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, Known]:
    """What these subjects are called; unknown ones are left out."""
    return _called(await connection.execute(_NAMES, columns_of(keys)))


async def failing_when(connection: AsyncConnection, said: InForce) -> list[Failing]:
    """The org's subjects in this shard that were firing, or not yet confirmed healthy again, when this policy came into
    force, before anything that it made due; who has failed for longest comes first."""
    asked = {"org": said.org, "shard": said.shard, "at": said.at, "version": said.version}
    rows = await connection.execute(_FAILING_WHEN, asked)
    found = [_failing(row) if row.body is None else _failed(row) for row in rows]
    return sorted(found, key=lambda one: (one.since, one.subject))


def _called(rows: Iterable[Sequence[Any]]) -> dict[Key, Known]:
    return {(row[0], row[1]): Known(*row[2:]) for row in rows}


def _failing(row: Row[Any]) -> Failing:
    named = Named(row.name, row.integration, row.space)
    return Failing(row.subject, row.condition, row.since_at, row.evidence, named, row.shard, row.state, row.flap_count)


def _failed(row: Row[Any]) -> Failing:
    """As it was by a transition of the past."""
    named, body = Named(row.name, row.integration, row.space), row.body
    since = to_ms(parse_time(body["since"]))
    return Failing(row.subject, row.condition, since, body["evidence"], named, row.shard, row.state, body["flap_count"])


def _whose(messages: Sequence[Profile | Change | Unwatched]) -> dict[str, object]:
    return {
        "orgs": [each.org for each in messages],
        "subjects": [each.subject for each in messages],
        "shards": [each.shard for each in messages],
        "generations": [each.generation for each in messages],
    }


def _later(before: Profile, after: Profile) -> Profile:
    if after.newcomer:
        return after
    return Profile(
        shard=after.shard,
        generation=after.generation,
        place=after.place,
        org=after.org,
        subject=after.subject,
        name=after.name if after.name is not None else before.name,
        integration=after.integration if after.integration is not None else before.integration,
        space=after.space if after.space is not None else before.space,
        model=after.model if after.model is not None else before.model,
        interval_s=after.interval_s if after.interval_s is not None else before.interval_s,
        at=after.at,
        newcomer=before.newcomer,
    )
