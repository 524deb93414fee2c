"""Orgs, the versions of their policies, and which version each shard judges by."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.told_orgs import ToldOrg
from fettle_contracts.health_policy import HealthPolicy
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.judgements import InForce

_TELL = text("""
    INSERT INTO org AS known (org, name, created_at, deleted, told_at)
    SELECT * FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[]), CAST(:created_at AS timestamptz[]),
                         CAST(:deleted AS boolean[]), CAST(:told_at AS timestamptz[])) AS told (org)
    ORDER BY told.org
    ON CONFLICT (org) DO UPDATE SET name = excluded.name, deleted = excluded.deleted, told_at = excluded.told_at
    WHERE NOT known.deleted AND (excluded.deleted OR known.told_at < excluded.told_at)
    RETURNING org
""")

_LOCK_ORGS = text("SELECT org, deleted FROM org WHERE org = ANY(CAST(:orgs AS text[])) ORDER BY org FOR UPDATE")

_LOCK_ALL = text("SELECT FROM org ORDER BY org FOR UPDATE")

_VERSIONS = text("""
    SELECT org, version, policy, publish_existing
    FROM policy_version JOIN unnest(CAST(:orgs AS text[]), CAST(:versions AS integer[])) AS asked (org, version)
         USING (org, version)
""")

_NEWEST = text("""
    SELECT DISTINCT ON (org) org, version, policy, publish_existing
    FROM policy_version WHERE org = ANY(CAST(:orgs AS text[])) ORDER BY org, version DESC
""")

_FOREMOST = text("""
    SELECT DISTINCT ON (org) org, version, policy, publish_existing
    FROM policy_version WHERE org = ANY(CAST(:orgs AS text[]))
    ORDER BY org, version IN (SELECT force.version FROM policy_in_force AS force
                              WHERE force.org = policy_version.org) DESC, version DESC
""")

_ALL_NEWEST = text("""
    SELECT DISTINCT ON (org) org, version, policy, publish_existing FROM policy_version ORDER BY org, version DESC
""")

_AT_ONCE = text("""
    SELECT DISTINCT org FROM policy_version
    WHERE org = ANY(CAST(:orgs AS text[]))
      AND (jsonb_path_exists(policy, '$.resolve_debounce_s ? (@ == 0)')
           OR jsonb_path_exists(policy, '$.overrides[*].resolve_debounce_s ? (@ == 0)'))
      AND version >= coalesce((SELECT min(force.version) FROM policy_in_force AS force
                               WHERE force.org = policy_version.org), 0)
""")

_ADD = text("""
    INSERT INTO policy_version (org, version, policy, publish_existing, number, decided_by, decided_at)
    VALUES (:org, :version, CAST(:policy AS jsonb), :publish_existing, :number, :decided_by, :decided_at)
""")

_IN_FORCE = text("SELECT shard, version FROM policy_in_force WHERE org = :org ORDER BY shard")

_IN_FORCE_OF = text("""
    SELECT org, shard, version
    FROM policy_in_force JOIN unnest(CAST(:orgs AS text[]), CAST(:shards AS integer[])) AS asked (org, shard)
         USING (org, shard)
""")

_TAKE_EFFECT = text("""
    INSERT INTO policy_in_force (org, shard, version, at)
    SELECT * FROM unnest(CAST(:orgs AS text[]), CAST(:shards AS integer[]), CAST(:versions AS integer[]),
                         CAST(:at AS bigint[]))
    ON CONFLICT (org, shard) DO UPDATE SET version = excluded.version, at = excluded.at
""")

_SINCE = text("""
    SELECT org, version, policy, publish_existing FROM policy_version
    WHERE org = :org AND version > :after AND version <= :version ORDER BY version
""")


@dataclass(frozen=True, slots=True)
class KnownOrg:
    """An org whose row is locked until the commit: nobody else sends commands about its tickets meanwhile."""

    org: str
    deleted: bool


async def tell(connection: AsyncConnection, told: Sequence[ToldOrg]) -> set[str]:
    """Takes in the state of orgs, one statement about each. Answers with those of which nothing newer is known already,
    nor that the org was deleted, which is the last word about it, whenever it was told. Their rows are locked, in the
    order of `lock_orgs` and like there to be taken before the control counter."""
    values = {
        "orgs": [each.org.org for each in told],
        "names": [each.org.name for each in told],
        "created_at": [each.org.created_at for each in told],
        "deleted": [each.org.deleted for each in told],
        "told_at": [each.at for each in told],
    }
    return set((await connection.scalars(_TELL, values)).all())


async def lock_orgs(connection: AsyncConnection, orgs: Iterable[str]) -> dict[str, KnownOrg]:
    """Locks the rows of these orgs, always in the same order, so that commands of an org are written by one transaction
    after the other. Take it after the shards' progress and before the control counter."""
    rows = await connection.execute(_LOCK_ORGS, {"orgs": sorted(set(orgs))})
    return {row.org: KnownOrg(row.org, row.deleted) for row in rows}


async def lock_all(connection: AsyncConnection) -> None:
    """Locks the rows of all orgs, in the order of `lock_orgs` and before it."""
    await connection.execute(_LOCK_ALL)


async def versions(
    connection: AsyncConnection, wanted: Collection[tuple[str, int]]
) -> dict[tuple[str, int], PolicyVersion]:
    """These versions of these orgs; one that is not known is left out."""
    rows = await connection.execute(
        _VERSIONS, {"orgs": [org for org, _ in wanted], "versions": [version for _, version in wanted]}
    )
    return {(row.org, row.version): _version(row) for row in rows}


async def newest(connection: AsyncConnection, orgs: Collection[str]) -> dict[str, PolicyVersion]:
    """The newest version of each of these orgs."""
    rows = await connection.execute(_NEWEST, {"orgs": list(orgs)})
    return {row.org: _version(row) for row in rows}


async def all_newest(connection: AsyncConnection) -> list[PolicyVersion]:
    """The newest version of every org."""
    return [_version(row) for row in await connection.execute(_ALL_NEWEST)]


async def add(
    connection: AsyncConnection, version: PolicyVersion, *, number: int, decided_by: str, decided_at: datetime
) -> None:
    """Keeps a new version, whose control records have this number."""
    await connection.execute(
        _ADD,
        {
            "org": version.org,
            "version": version.version,
            "policy": json.dumps(version.policy.to_dict()),
            "publish_existing": version.publish_existing,
            "number": number,
            "decided_by": decided_by,
            "decided_at": decided_at,
        },
    )


async def in_force(connection: AsyncConnection, org: str) -> dict[int, int]:
    """The version that each shard judges this org by, as far as shards have said."""
    return {row.shard: row.version for row in await connection.execute(_IN_FORCE, {"org": org})}


async def in_force_of(connection: AsyncConnection, wanted: Collection[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """The version in force by org and shard."""
    rows = await connection.execute(
        _IN_FORCE_OF, {"orgs": [org for org, _ in wanted], "shards": [shard for _, shard in wanted]}
    )
    return {(row.org, row.shard): row.version for row in rows}


async def judging(connection: AsyncConnection, org: str) -> dict[int, PolicyVersion]:
    """The version that each shard judges this org by, as far as shards have said."""
    shards = await in_force(connection, org)
    known = await versions(connection, {(org, version) for version in shards.values()})
    return {shard: known[org, version] for shard, version in shards.items() if (org, version) in known}


async def of_shards(connection: AsyncConnection, org: str, shards: Collection[int]) -> dict[int, PolicyVersion]:
    """As `judging`, for all of these shards: the newest version stands in where one has not said. None for an org
    without a policy."""
    latest, known = (await newest(connection, {org})).get(org), await judging(connection, org)
    return {} if latest is None else {shard: known.get(shard, latest) for shard in shards}


async def foremost(connection: AsyncConnection, orgs: Collection[str]) -> dict[str, PolicyVersion]:
    """By org the newest version that any shard judges by; of an org of which no shard has said, the newest."""
    rows = await connection.execute(_FOREMOST, {"orgs": list(orgs)})
    return {row.org: _version(row) for row in rows}


async def resolving_at_once(connection: AsyncConnection, orgs: Collection[str]) -> set[str]:
    """Those of these orgs that have no resolve debounce, or none for somebody, by a version that a shard may judge by
    now."""
    return {row.org for row in await connection.execute(_AT_ONCE, {"orgs": list(orgs)})}


async def take_effect(connection: AsyncConnection, news: Sequence[InForce]) -> None:
    """Shards judge by these versions from now on; of several for one org and shard the last counts."""
    last = list({(each.org, each.shard): each for each in news}.values())
    await connection.execute(
        _TAKE_EFFECT,
        {
            "orgs": [each.org for each in last],
            "shards": [each.shard for each in last],
            "versions": [each.version for each in last],
            "at": [each.at for each in last],
        },
    )


async def since(connection: AsyncConnection, org: str, *, after: int, version: int) -> list[PolicyVersion]:
    """The versions above `after`, up to `version`, in order."""
    rows = await connection.execute(_SINCE, {"org": org, "after": after, "version": version})
    return [_version(row) for row in rows]


def _version(row: Row[tuple[object, ...]]) -> PolicyVersion:
    return PolicyVersion(row.org, row.version, HealthPolicy.kept(row.policy), row.publish_existing)
