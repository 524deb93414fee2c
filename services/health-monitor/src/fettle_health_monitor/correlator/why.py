"""Why there is or is not a ticket about a subject at an instant."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.database import Database
from fettle_contracts.health_policy import UNBOUNDED, Bounds, EffectivePolicy, bounds_for
from fettle_contracts.identity import HeartbeatKey
from fettle_health_monitor.adapters.correlator import live, policies, silences, views, why_facts
from fettle_health_monitor.adapters.correlator.why_facts import Blind, Ticket
from fettle_health_monitor.domain.correlator.decide import Switches
from fettle_health_monitor.domain.correlator.outcomes import Silenced
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.verdicts import Named
from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judge.policies import OrgPolicy
from fettle_health_monitor.domain.judge.shard import Place
from fettle_health_monitor.domain.why.changes import Case, WhatIf, as_it_was, if_it_were_watched, those_that_turn_it
from fettle_health_monitor.domain.why.newcomers import Unwatched, turned_away
from fettle_health_monitor.domain.why.picture import Picture, picture, stood_at_start
from fettle_health_monitor.domain.why.record import (
    Recorded,
    about,
    called_otherwise,
    earlier_verdicts,
    ended,
    ended_by_monitor,
    has_ticket,
    present_trouble,
    shared_by,
    with_own_evidence,
)
from fettle_health_monitor.domain.why.search import Allowance, Spent
from fettle_health_monitor.domain.why.sentences import Situation, Suppressed, because
from fettle_health_monitor.domain.why.subject_log import Judged, SubjectLog
from fettle_health_monitor.domain.why.tickets import Circumstances
from fettle_health_monitor.judge.replaying import NotKept, Replays

LOOKS_BACK_MAX_S = 6 * 3_600
RECORDS_MAX = 2_000_000
"""How many records may be folded while a change is looked for: some seconds' worth."""
WITHIN_S = 25.0

_EVER = 2**63 - 1

_DIFFERS = (
    "what was decided does not follow from this subject's log alone (it depends on others, on what a person did, on "
    "a verdict that waits, or on the ticket service), so that no change can be shown to be enough"
)
_NONE = (
    "no single change that was tried would have decided otherwise; subject_cap and default_interval_s were not tried"
)
_NOT_PUT = "; nor was what could not be put, as the policy has no room for it or would be refused today as it stands"
_LISTED = "it is not watched, and judged from what is kept of the log it would have no ticket either"
_NO_POLICY = "it is not watched, and no policy of the org was in force by then"
_NOT_TRIED = "it is not watched, and the policy would be refused today as it stands, so that none was tried"
_OVER_THE_CAP = "it is not watched, and whether it would be by a larger subject_cap depends on others"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """From which instant (broker milliseconds) the subject was judged again, how many heartbeats of its own stand
    there, and what became of those that were not heard."""

    since: int
    heartbeats: int
    refused: Mapping[str, int]
    ignored: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """`at` is the instant that it is about. `changes` would have decided otherwise, the smallest first; where there is
    none, `no_change` says why. Without `replayed` the picture is unknown, as too little is kept."""

    at: int
    has_ticket: bool
    ticket: Ticket | None
    because: str
    suppressed_by: Suppressed | None
    picture: Picture | None
    version: PolicyVersion | None
    sources: Mapping[str, str]
    verdict: Recorded | None
    blind: tuple[Blind, ...]
    replayed: Replayed | None
    changes: tuple[WhatIf, ...]
    no_change: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the database has."""

    record: tuple[Recorded, ...]
    shared_until: int | None
    named: live.Known
    interval_s: float | None
    unwatched: Unwatched | None
    deleted: bool | None
    newest: PolicyVersion | None
    waiting: why_facts.Waiting | None
    unknown_since: int | None
    asked_again_at: int | None

    @property
    def has_ticket(self) -> bool:
        return has_ticket(self.record) and self.shared_until is None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What judging the subject again has shown. `away` is why it was not watched. Where too little is kept, nothing but
    why no change is named."""

    no_change: str | None
    picture: Picture | None = None
    away: str | None = None
    version: PolicyVersion | None = None
    rules: EffectivePolicy | None = None
    replayed: Replayed | None = None
    changes: tuple[WhatIf, ...] = ()


class Why:
    """Reads what is on record, judges the subject again, and looks for what would have decided otherwise."""

    def __init__(self, database: Database, replays: Replays) -> None:
        self._database = database
        self._replays = replays

    async def answer(self, key: HeartbeatKey, shard: int, at: int) -> Answer:
        """About an instant up to which all shards have judged. Judging is done in a thread and ends with whoever waits.
        Raises `TimeoutError` when it takes too long, `Busy`, and what is transient."""
        async with asyncio.timeout(WITHIN_S):
            async with self._database.reading() as connection:
                known = await _read(connection, key, at)
            log, start, unkept = await self._log(key, shard, at, known)
            if log is None or start is None:
                found = _Found(no_change=f"it cannot be judged again: {unkept}")
                return await self._answer(key, shard, at, known, found)
            async with self._database.reading() as connection:
                case, versions = await _case(connection, key, log, start, known)
            return await self._judged(key, case, versions, known)

    async def _log(
        self, key: HeartbeatKey, shard: int, at: int, known: _Known
    ) -> tuple[SubjectLog | None, Place | None, str]:
        """The subject's log and the place that it begins behind; or why there is none."""
        try:
            async with self._replays.past(shard) as past:
                start = await past.newest_start(at - _looks_back_s(key, known) * 1000)
                if start is None or start.at > at:
                    raise NotKept("no checkpoint is kept from then or before")
                return await past.subject_log(start, key.encode(), at), start.saved.place, ""
        except NotKept as error:
            return None, None, str(error)

    async def _judged(
        self, key: HeartbeatKey, case: Case, versions: Mapping[int, PolicyVersion], known: _Known
    ) -> Answer:
        judged, told = await asyncio.to_thread(as_it_was, case)
        seen = picture(judged, case.log)
        in_force = judged.shard.judge.policies.get(key.org)
        version = None if in_force is None else versions.get(in_force.statement.version, known.newest)
        has = known.has_ticket
        changes, no_change = tuple[WhatIf, ...](), None
        away = None if known.unwatched is None else turned_away(judged, case.log, known.unwatched)
        if away is not None:
            seen = None
            changes, no_change = ((), _DIFFERS) if has else await _watched(case, in_force, away)
        elif told.ticket == has:
            changes, no_change = await _search(case)
        else:
            no_change = _DIFFERS
        found = _Found(
            no_change=no_change,
            picture=seen,
            away=away,
            version=version,
            rules=_rules(version, judged, case.log),
            replayed=_replayed(case, judged),
            changes=changes,
        )
        return await self._answer(key, case.log.partition, case.log.at, known, found)

    async def _answer(self, key: HeartbeatKey, shard: int, at: int, known: _Known, found: _Found) -> Answer:
        trouble, replayed = present_trouble(known.record), found.replayed
        has = known.has_ticket
        async with self._database.reading() as connection:
            ticket, by_somebody = await _ticket(connection, key, trouble, at) if has else (None, False)
            since = replayed.since if replayed else at
            blind = await why_facts.blind(connection, shard, since=since, until=at)
            begun_anew = await why_facts.begun_anew(connection, shard)
        text, suppressed = because(
            Situation(
                has_ticket=has,
                judged_again=replayed is not None,
                picture=found.picture,
                trouble=tuple(trouble),
                enabled=None if found.version is None else found.version.switches.enabled,
                org_deleted=known.deleted,
                ticket=None if ticket is None else ticket.number,
                resolved_by_somebody=by_somebody,
                begun_anew=begun_anew,
                shared_until=known.shared_until,
                unwatched=found.away,
                removed_at=None if known.unwatched is None else known.unwatched.removed_at,
                unknown_since=known.unknown_since,
                waits=None if known.waiting is None else known.waiting.at,
                waits_for=None if known.waiting is None else known.waiting.waits_for,
                asked_again_at=known.asked_again_at,
                refused=replayed.refused if replayed else {},
                ignored=replayed.ignored if replayed else {},
            )
        )
        return Answer(
            at=at,
            has_ticket=has,
            ticket=ticket,
            because=text,
            suppressed_by=suppressed,
            picture=found.picture,
            version=found.version,
            sources={} if found.rules is None else found.rules.sources,
            verdict=known.record[-1] if known.record else None,
            blind=tuple(blind),
            replayed=replayed,
            changes=found.changes,
            no_change=found.no_change,
        )


def _rules(version: PolicyVersion | None, judged: Judged, log: SubjectLog) -> EffectivePolicy | None:
    """What the version says for the subject as it was known then; None where its shard does not watch it."""
    subjects = judged.shard.judge.subjects
    if version is None or (row := subjects.rows.get(log.key)) is None:
        return None
    profile = subjects.profiles.values[subjects.profile[row]]
    return version.rules_for(log.subject, profile.integration, profile.model)


async def _watched(case: Case, in_force: OrgPolicy | None, unwatched: str) -> tuple[tuple[WhatIf, ...], str | None]:
    """Whether watching would have brought a ticket, as far as that follows from the subject's own log."""
    if unwatched != Ignored.LIST_ONLY:
        return (), _OVER_THE_CAP
    if in_force is None:
        return (), _NO_POLICY
    found = await asyncio.to_thread(if_it_were_watched, case, in_force.statement.discover)
    return tuple(found), None if found else _LISTED if case.known.bounds.stands else _NOT_TRIED


async def _search(case: Case) -> tuple[tuple[WhatIf, ...], str | None]:
    """Those that turn it; where there are none, why."""
    allowance = Allowance(RECORDS_MAX)
    try:
        found = await asyncio.to_thread(those_that_turn_it, case, allowance)
    except Spent:
        return (), "its log is too long for all changes to be tried, so that none can be shown to be the smallest"
    finally:
        allowance.records = 0
    bounds = case.known.bounds
    could_be_put = bounds.stands and not bounds.refused
    return tuple(found), None if found else _NONE if could_be_put else _NONE + _NOT_PUT


async def _read(connection: AsyncConnection, key: HeartbeatKey, at: int) -> _Known:
    org, subject = key.org, str(key.subject)
    row = await views.subject(connection, org, subject)
    record = tuple(with_own_evidence(await why_facts.outcomes(connection, org, subject, at)))
    last = trouble[-1] if (trouble := present_trouble(record)) else None
    return _Known(
        record=record,
        shared_until=await _shared_until(connection, org, record, at),
        named=live.Known() if row is None else live.Known(row.name, row.integration, row.space, row.model),
        interval_s=None if row is None or row.interval_s is None else float(row.interval_s),
        unwatched=await why_facts.unwatched(connection, org, subject, at),
        deleted=await why_facts.org_deleted(connection, org),
        newest=(await policies.newest(connection, {org})).get(org),
        waiting=await why_facts.waiting(connection, org, subject, at),
        unknown_since=await why_facts.unknown_since(connection, org, subject, at),
        asked_again_at=None if last is None else await _asked_again_at(connection, org, subject, last, at),
    )


async def _shared_until(connection: AsyncConnection, org: str, record: Sequence[Recorded], at: int) -> int | None:
    """When the ticket ended that the subject has with others by its record, if it has by this instant."""
    shared = shared_by(record)
    if shared is None:
        return None
    integration, condition, since = shared
    return ended(await why_facts.outcomes(connection, org, integration, at), condition, since)


async def _asked_again_at(connection: AsyncConnection, org: str, subject: str, last: Recorded, at: int) -> int | None:
    """When the ticket is, its own or a shared one, that the last verdict about it called for."""
    whose, condition = about(last, subject)
    return await why_facts.asked_again_at(connection, org, whose, condition, at)


async def _case(
    connection: AsyncConnection, key: HeartbeatKey, log: SubjectLog, start: Place, known: _Known
) -> tuple[Case, dict[int, PolicyVersion]]:
    org, subject = key.org, str(key.subject)
    earlier = earlier_verdicts(known.record, org, subject, at=start.timestamp, offset=start.offset)
    called = called_otherwise(known.record, org, subject, after=start.timestamp)
    wanted = log.versions | {verdict.policy_version for verdict in (*earlier, *called)}
    found = await policies.versions(connection, {(org, version) for version in wanted})
    versions = {version: found.get((org, version), known.newest) for version in wanted}
    there = {version: policy for version, policy in versions.items() if policy is not None}
    after = min([start.timestamp, *(verdict.at for verdict in earlier)])
    reaching = await silences.reaching(connection, {(org, subject)}, after=after, until=log.at)
    circumstances = Circumstances(
        from_at=start.timestamp,
        switches={version: _switches(version, policy) for version, policy in there.items()},
        named=Named(known.named.name, known.named.integration, known.named.space),
        org_deleted=bool(known.deleted),
        silences=tuple(reaching),
        silenced=frozenset(each.verdict for each in known.record if each.outcome == Silenced.name),
        earlier=earlier,
        called=called,
        stood=stood_at_start(log),
        in_force=log.in_force,
        bounds=await asyncio.to_thread(_bounds, there.get(max(log.versions, default=0)), subject),
    )
    return Case(log, circumstances), there


def _switches(version: int, policy: PolicyVersion) -> Switches:
    return Switches(version, policy.policy.enabled, policy.policy.publish_tickets)


def _bounds(version: PolicyVersion | None, subject: str) -> Bounds:
    return UNBOUNDED if version is None else bounds_for(version.policy, subject)


def _looks_back_s(key: HeartbeatKey, known: _Known) -> int:
    """All that can still matter: silence and debounces one after the other, and the windows of flapping."""
    if known.newest is None:
        return 0
    rules = known.newest.rules_for(str(key.subject), known.named.integration, known.named.model)
    timeout_s = ceil(rules.timeout_for(known.interval_s))
    lasts_s = timeout_s + rules.open_debounce_s + rules.resolve_debounce_s + rules.flap_window_s + rules.flap_stable_s
    return min(lasts_s, LOOKS_BACK_MAX_S)


def _replayed(case: Case, judged: Judged) -> Replayed:
    refused: dict[str, int] = {}
    for refusal in judged.folded.refusals:
        refused[refusal.code.value] = refused.get(refusal.code.value, 0) + 1
    ignored = {why.value: count for why, count in judged.folded.ignored.items() if count}
    return Replayed(since=case.known.from_at, heartbeats=case.log.sent, refused=refused, ignored=ignored)


async def _ticket(
    connection: AsyncConnection, key: HeartbeatKey, trouble: list[Recorded], at: int
) -> tuple[Ticket | None, bool]:
    """The ticket that it had at this instant, and whether it is resolved by now and not by the monitor."""
    org = key.org
    for each in reversed(trouble):
        subject, condition = about(each, str(key.subject))
        if (ticket := await why_facts.ticket(connection, org, subject, condition, at)) is not None:
            behind = [one for one in await why_facts.outcomes(connection, org, subject, _EVER) if one.at > at]
            return ticket, ticket.state == "resolved" and not ended_by_monitor(behind, condition)
    return None, False
