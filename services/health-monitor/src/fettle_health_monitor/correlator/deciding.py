"""Verdicts that are ready become outcomes, and outcomes commands."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TypeAlias
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.outbox import Outgoing
from fettle_chassis.signing import Signer
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.topics import COMMANDS as COMMANDS_TOPIC
from fettle_contracts.transitions import SOURCE
from fettle_health_monitor.adapters.correlator import books, incidents, last_seen, policies, unwell, verdicts, watches
from fettle_health_monitor.adapters.correlator.live import Key
from fettle_health_monitor.adapters.correlator.policies import KnownOrg
from fettle_health_monitor.adapters.correlator.verdicts import Decided
from fettle_health_monitor.correlator.sharing import Sharing, group_of
from fettle_health_monitor.correlator.silencing import Silencing
from fettle_health_monitor.domain.correlator.clocks import Behind
from fettle_health_monitor.domain.correlator.commands import OwnCommand, dedup_key, of_outcome
from fettle_health_monitor.domain.correlator.decide import Facts, decide, merges_of
from fettle_health_monitor.domain.correlator.evidence import SHARES, with_decision
from fettle_health_monitor.domain.correlator.incident import Asking, Incident
from fettle_health_monitor.domain.correlator.outcomes import (
    CalledOff,
    Joined,
    Merged,
    Opened,
    OpenedTogether,
    Outcome,
    Reopened,
    Unpublished,
    Wait,
)
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.rollups import MANY, Member, Parent, is_integration
from fettle_health_monitor.domain.correlator.verdicts import ENDING, Cause, LastSeen, Verdict, joining_again
from fettle_health_monitor.domain.correlator.watches import MAY_BRING_A_TICKET, OPEN_REFUSED, WatchKind
from fettle_health_monitor.metrics import COMMANDS, OUTCOMES

log = structlog.get_logger(__name__)

Ready: TypeAlias = tuple[Verdict, Behind]
"""A verdict, and the shards that it is decided without."""

Incidents: TypeAlias = dict[Key, dict[str, Incident]]

_TOLD_EACH = 100
"""Of so many alike each has a line of its own: twenty thousand lines would keep commands waiting for a second."""


class Deciding:
    """Decides verdicts and puts what follows into the outbox. `now` is the wall clock: it dates commands and rows,
    nothing else. `partition_of` says by which partition of `health.judgements` an org's come."""

    def __init__(self, signer: Signer, now: Callable[[], datetime], partition_of: Callable[[str], int]) -> None:
        self._signer, self._now, self._partition_of = signer, now, partition_of

    async def decide(self, work: UnitOfWork, ready: Sequence[Ready], orgs: Mapping[str, KnownOrg]) -> None:
        """Ends each of these verdicts in exactly one outcome, in their order, or lets it wait for another. `orgs` are
        theirs, locked; one that is missing there has not been deleted, and its switches say whether it is known."""
        for run in _runs(ready):
            following = await self._decide_run(work, run, orgs)
            if following:  # devices' own, from which nothing follows
                behind = run[-1][1]
                await self._decide_run(work, [(verdict, behind) for verdict in following], orgs)

    async def call_off(self, work: UnitOfWork, over: Collection[Key], *, for_clocks: bool = False) -> None:
        """Ends what waits for another about these subjects, or `for_clocks` as well: they are well, and no verdict says
        so, or gone, and their shards will not say so."""
        waiting = await verdicts.take_waiting(work.connection, over, for_clocks=for_clocks)
        if not waiting:
            return
        batch = _Batch({})
        for verdict in waiting:
            batch.calls_off(verdict)
        await verdicts.record(work.connection, batch.decided, self._now())
        work.after_commit(partial(_tell, batch.decided))

    async def _decide_run(
        self, work: UnitOfWork, ready: Sequence[Ready], orgs: Mapping[str, KnownOrg]
    ) -> list[Verdict]:
        connection, pending = work.connection, [verdict for verdict, _ in ready]
        keys = {(verdict.org, verdict.subject) for verdict in pending}
        groups = {group for verdict in pending if (group := group_of(verdict)) is not None}
        known: Incidents = {}
        await _learn(connection, known, keys | groups)
        versions = await self._versions(connection, pending)
        silencing = await Silencing.of(connection, pending)
        sharing = Sharing(known, versions, {org: self._partition_of(org) for org, _ in keys}, silencing)
        await sharing.load(connection, pending)
        await _learn(connection, known, sharing.with_singles())

        ended = [verdict for verdict in pending if verdict.cause is Cause.SILENCE_ENDED]
        unpublished = await unwell.unpublished(connection, {((one.org, one.subject), one.at) for one in ended})

        batch = _Batch(known, unpublished)
        for verdict, behind in ready:
            version = versions.get((verdict.org, verdict.policy_version))
            facts = Facts(
                switches=None if version is None else version.switches,
                org_deleted=verdict.org in orgs and orgs[verdict.org].deleted,
                incidents=known[verdict.org, verdict.subject],
                group=sharing.group(verdict),
                afresh=sharing.is_judged_afresh(verdict),
                unpublished=batch.has_left_out(verdict),
                silenced=silencing.covering((verdict.org, verdict.subject), verdict.at),
                held_back=silencing.held_back(verdict),
            )
            outcome = decide(verdict, facts)
            if isinstance(outcome, Wait):
                batch.waits(verdict, outcome)
            else:
                batch.ends(verdict, outcome, facts, behind)
                await _merge(connection, batch, verdict, outcome, facts, behind)
                sharing.follow(verdict, outcome)
                silencing.follow(verdict, outcome)
        await self._write(work, batch, sharing)
        await silencing.save(connection)
        return await sharing.list_ends.end_lists(connection, [(one.verdict, one.outcome) for one in batch.decided])

    async def _write(self, work: UnitOfWork, batch: "_Batch", sharing: Sharing) -> None:
        connection = work.connection
        over = {(one.verdict.org, one.verdict.subject) for one in batch.decided if one.verdict.cause in ENDING}
        if over:
            for verdict in await verdicts.take_waiting(connection, over):
                batch.calls_off(verdict)
            for kind in (*MAY_BRING_A_TICKET, WatchKind.JUDGED_AFRESH):
                await watches.end(connection, kind, over)
        if back := {(one.verdict.org, one.verdict.subject) for one in batch.decided if _is_open_again(one)}:
            await watches.end(connection, WatchKind.EARLY_RESOLVE, back)
        if asked := {(one.verdict.org, one.verdict.subject) for one in batch.decided if _asks_anew(one)}:
            await watches.end(connection, WatchKind.OPEN_REFUSED, asked)
        if waiting := [verdict for of in batch.waiting.values() for verdict in of]:
            partitions = {verdict.org: self._partition_of(verdict.org) for verdict in waiting}
            await verdicts.wait(connection, waiting, partitions, batch.waits_for)
        if listed := await sharing.list_again(connection):
            seen = await last_seen.of_those_down(
                connection, {(asks.org, member.subject): asks.at for asks, _, member in listed}
            )
            for asks, parent, member in listed:
                batch.joins_again(asks, parent, member, seen.get((asks.org, member.subject)))
        if batch.called:
            await books.enter(connection, batch.called)
        if batch.touched:  # first: who leaves a list has left the ticket that is known by now
            await incidents.save(connection, batch.touched)
        listings = await sharing.settle(connection)
        await verdicts.record(connection, batch.decided, self._now(), listings)
        await sharing.watch_lists(connection)
        for one in batch.decided:
            self.enqueue(work, one.commands)
        work.after_commit(partial(_tell, batch.decided))
        self.enqueue(work, listings)

    def enqueue(self, work: UnitOfWork, commands: Sequence[OwnCommand]) -> None:
        """Puts commands into the outbox, signed. The caller holds their org's row, so that they keep their order."""
        for command in commands:
            event = CloudEvent(
                id=str(command.id),
                source=SOURCE,
                type=command.verb.ce_type,
                time=self._now(),
                data=command.body.to_json(),
                key=command.org,
                causation_id=str(command.cause),
            )
            work.publish(Outgoing.of(self._signer.sign_event(event), COMMANDS_TOPIC))
            work.after_commit(COMMANDS.labels(command.verb.value).inc)

    async def _versions(
        self, connection: AsyncConnection, ready: Sequence[Verdict]
    ) -> dict[tuple[str, int], PolicyVersion]:
        """The versions that made these verdicts. One that is not known (a database restored from an older state) is
        stood in for by the newest."""
        wanted = {(verdict.org, verdict.policy_version) for verdict in ready}
        versions = await policies.versions(connection, wanted)
        missing = wanted - versions.keys()
        if missing:
            newest = await policies.newest(connection, {org for org, _ in missing})
            versions |= {key: newest[key[0]] for key in missing if key[0] in newest}
        return versions


class _Batch:
    """How the verdicts of one run end. `known` are the incidents, kept up to date; `unpublished` whom publishing had
    left out when a silence of theirs ended, by what was decided before."""

    def __init__(self, known: Incidents, unpublished: Collection[tuple[Key, int]] = ()) -> None:
        self._known, self._unpublished = known, unpublished
        self._last: dict[Key, Outcome] = {}
        self.decided: list[Decided] = []
        self.touched: dict[incidents.About, Incident] = {}
        self.called: list[Verdict] = []
        """What decisions have called for that is decided with them."""
        self.waiting: defaultdict[Key, list[Verdict]] = defaultdict(list)
        self.waits_for: dict[UUID, str] = {}

    def has_left_out(self, verdict: Verdict) -> bool:
        """Whether the last that was decided about its subject, here or before, is that nothing is published."""
        key = (verdict.org, verdict.subject)
        if key in self._last:
            return isinstance(self._last[key], Unpublished)
        return (key, verdict.at) in self._unpublished

    def waits(self, verdict: Verdict, wait: Wait) -> None:
        group = group_of(verdict)
        of_group = wait.reason == "resolved_early" and group is not None
        self.waiting[verdict.org, verdict.subject].append(verdict)
        self.waits_for[verdict.id] = group[1] if of_group and group is not None else verdict.subject

    def ends(self, verdict: Verdict, outcome: Outcome, facts: Facts, behind: Behind) -> None:
        one = _decided(verdict, outcome, facts, behind)
        if isinstance(outcome, Joined):
            one = replace(one, awaits=self._awaited(verdict.org, outcome.parent))
        self.decided.append(one)
        self._last[verdict.org, verdict.subject] = outcome
        if verdict.cause in ENDING:
            for waited in self.waiting.pop((verdict.org, verdict.subject), []):
                self.calls_off(waited)
        for command in one.commands:
            if not command.subject:
                continue
            of_subject = self._known.setdefault((verdict.org, command.subject), {})
            asked = of_subject.get(command.condition, Incident()).asking(_asking(command), command.id, verdict.at)
            of_subject[command.condition] = asked
            self.touched[verdict.org, command.subject, command.condition] = asked

    def joins_again(self, asks: Verdict, parent: Parent, member: Member, seen: LastSeen | None) -> None:
        """It was on the list of a ticket that was refused, and is on that of the one that `asks` asks for; `seen` is
        what was last seen of it."""
        seen = seen or LastSeen(asks.since, {})
        seen = replace(seen, evidence={**seen.evidence, "reason": OPEN_REFUSED})
        verdict = joining_again(asks, member.subject, member.condition, member.name, seen)
        evidence = with_decision(
            verdict.evidence, policy_version=verdict.policy_version, since=verdict.since, behind=Behind()
        )
        evidence[SHARES] = dedup_key(parent.subject, parent.condition)
        awaits = self._awaited(asks.org, parent)
        self.called.append(verdict)
        self.decided.append(Decided(verdict, Joined(parent, member), verdict.policy_version, evidence, (), awaits))

    def _awaited(self, org: str, parent: Parent) -> UUID | None:
        return self._known.get((org, parent.subject), {}).get(parent.condition, Incident()).awaited

    def calls_off(self, verdict: Verdict) -> None:
        """It had to wait, and the subject is well again, or gone."""
        outcome = CalledOff("the subject recovered, or was removed, while its verdict waited", "recovered")
        evidence = with_decision(
            verdict.evidence, policy_version=verdict.policy_version, since=verdict.since, behind=Behind()
        )
        self.decided.append(Decided(verdict, outcome, verdict.policy_version, evidence, ()))


async def _merge(
    connection: AsyncConnection, batch: _Batch, verdict: Verdict, outcome: Outcome, facts: Facts, behind: Behind
) -> None:
    """Ends the tickets that this outcome merges, a device's with what was last seen of itself."""
    merges = merges_of(verdict, outcome)
    if not merges:
        return
    devices = {(one.org, one.subject): one.at for one, _ in merges if one.condition != MANY}
    seen = await last_seen.of_those_down(connection, devices) if devices else {}
    for merged, into in merges:
        if merged.condition != MANY:
            merged = merged.about_what_was(seen.get((merged.org, merged.subject)))
        batch.called.append(merged)
        batch.ends(merged, into, replace(facts, held_back=None), behind)


async def _learn(connection: AsyncConnection, known: Incidents, keys: Collection[Key]) -> None:
    """Reads the incidents of those of these subjects that are not known yet."""
    new = set(keys) - known.keys()
    if new:
        known |= {key: {} for key in new}
        for (org, subject, condition), incident in (await incidents.of_subjects(connection, new)).items():
            known[org, subject][condition] = incident


def _is_open_again(one: Decided) -> bool:
    """Whether the subject has a ticket about itself again. That about many devices settles nothing of its own."""
    return one.verdict.condition != MANY and isinstance(one.outcome, Opened | Reopened)


def _asks_anew(one: Decided) -> bool:
    """Whether the subject itself needs to ask no more for what was refused before."""
    return one.verdict.condition != MANY and isinstance(one.outcome, Opened | Reopened | OpenedTogether | Joined)


def _runs(ready: Sequence[Ready]) -> Iterator[Sequence[Ready]]:
    """Cut between verdicts about integrations and those about devices, and where an integration comes again: what
    follows from one concerns all devices behind it, and must be written before the next are decided."""
    start, seen = 0, set[Key]()
    for number, (verdict, _) in enumerate(ready):
        key = (verdict.org, verdict.subject)
        turns = number > start and is_integration(verdict.subject) != is_integration(ready[start][0].subject)
        if turns or key in seen:
            yield ready[start:number]
            start, seen = number, set()
        if is_integration(verdict.subject):
            seen.add(key)
    if start < len(ready):
        yield ready[start:]


def _decided(verdict: Verdict, outcome: Outcome, facts: Facts, behind: Behind) -> Decided:
    version = facts.switches.version if facts.switches else verdict.policy_version
    evidence = with_decision(verdict.evidence, policy_version=version, since=verdict.since, behind=behind)
    if facts.held_back is not None:
        evidence["held_back"] = facts.held_back.times
    commands = of_outcome(verdict, outcome, evidence)
    if isinstance(outcome, Joined | OpenedTogether | Merged):
        evidence = {**evidence, SHARES: dedup_key(outcome.parent.subject, outcome.parent.condition)}
    awaits = commands[0].id if isinstance(outcome, Opened | OpenedTogether | Reopened | Merged) else None
    return Decided(verdict, outcome, version, evidence, commands, awaits)


def _asking(command: OwnCommand) -> Asking:
    return "open" if command.verb == "open" else "resolve"


def _tell(decided: Sequence[Decided]) -> None:
    """A line for each outcome from which commands follow, and one for all that are alike and ask for nothing, or are
    too many: a storm has thousands of those. Counts those that await no answer."""
    alike: defaultdict[tuple[str, str, str, bool], list[Decided]] = defaultdict(list)
    ended = (one for one in decided if one.awaits is None)
    for labels, number in Counter(
        (one.verdict.cause.value, one.outcome.name, one.outcome.because) for one in ended
    ).items():
        OUTCOMES.labels(*labels).inc(number)
    for one in decided:
        alike[one.verdict.org, one.verdict.cause.value, one.outcome.name, bool(one.commands)].append(one)
    for (org, cause, name, asks), several in alike.items():
        if asks and len(several) <= _TOLD_EACH:
            for one in several:
                log.info(
                    "verdict.decided",
                    org=org,
                    subject=one.verdict.subject,
                    cause=cause,
                    outcome=name,
                    reason=one.outcome.reason,
                    verdict=str(one.verdict.id),
                )
            continue
        first = several[0]
        log.info(
            "verdicts.decided",
            org=org,
            subjects=len(several),
            first=first.verdict.subject,
            cause=cause,
            outcome=name,
            reason=first.outcome.reason,
        )
