"""Lost heartbeats, around one batch: what has its turn is taken in in order, and what the world is shown of it."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import structlog
from sqlalchemy import Row

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import (
    books,
    everybody,
    live,
    losses,
    policies,
    progress,
    silences,
    verdicts,
    watches,
)
from fettle_health_monitor.adapters.correlator.everybody import Profiled
from fettle_health_monitor.adapters.correlator.losses import Held
from fettle_health_monitor.adapters.correlator.watches import RunOut
from fettle_health_monitor.correlator.holding_back import may_lose_some, rules_of, window_of
from fettle_health_monitor.correlator.loss_course import LossCourse
from fettle_health_monitor.correlator.policy_effects import retimed_by, verdicts_of
from fettle_health_monitor.correlator.reach import Reach
from fettle_health_monitor.correlator.silencing import occurrences_of, unless_unreadable
from fettle_health_monitor.domain.correlator.fresh_times import Until, retimed, switched_off
from fettle_health_monitor.domain.correlator.holes import down_from
from fettle_health_monitor.domain.correlator.losses import (
    ALL_HEARTBEATS,
    ALL_TOLD,
    Census,
    Loss,
    Standing,
    hushes,
    integration_behind,
    is_old,
    would_fire_by_silence,
)
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.unseen import Seeing
from fettle_health_monitor.domain.correlator.unseen_subjects import Due, Event, Unseen
from fettle_health_monitor.domain.correlator.verdicts import Verdict, heartbeats_lost, still_lost, unseen
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind
from fettle_health_monitor.domain.judgements import Change, HeardAgain, InForce
from fettle_health_monitor.metrics import LOSSES

log = structlog.get_logger(__name__)

Record: TypeAlias = Callable[[Sequence[Change], Mapping[str, int], Collection[str]], Awaitable[None]]
"""Takes in changes as they are to be shown; by org the partition that they came by, and the ids of those that no shard
has said."""


async def take_in_order(
    work: UnitOfWork, reach: Reach, orgs: Collection[str], record: Record
) -> list[tuple[int, InForce]]:
    """Takes in what has its turn in these (locked) orgs: what was held back, and the timers of subjects that are shown
    otherwise than judged. Answers with the policies that came into force, each with the partition that it came by."""
    connection = work.connection
    ready: defaultdict[tuple[str, int], list[Held]] = defaultdict(list)
    for partition, held in await losses.take_held(connection, reach.ready_before, orgs):
        ready[held.org, partition].append(held)
    for partition, org, _ in await losses.due(connection, reach.ready_before, reach.clocks, orgs):
        ready.setdefault((org, partition), [])
    in_force: list[tuple[int, InForce]] = []
    newest = await policies.newest(connection, {org for org, _ in ready}) if ready else {}
    for (org, partition), events in sorted(ready.items()):
        if org in newest:
            await _Org(work, newest[org], partition, reach, record).take(events)
        in_force += [(partition, each) for each in events if isinstance(each, InForce)]
    return in_force


class _Org(LossCourse):
    """One org in one transaction, and what happens in it."""

    def __init__(self, work: UnitOfWork, version: PolicyVersion, partition: int, reach: Reach, record: Record) -> None:
        super().__init__(work.connection, version, partition)
        self._work, self._reach, self._record = work, reach, record
        self._known: dict[str, Row[Any]] = {}
        self._replaced: list[tuple[int, int, PolicyVersion]] = []
        self._from, self._before = 0, reach.ready_before[partition]

    async def take(self, events: Sequence[Held]) -> None:
        """All of it, in its order; what a policy re-times is looked for anew behind it, and comes after what its shard
        says at its moment."""
        await self.load()
        before = self._before
        turn: list[Event] = []
        put: InForce | None = None
        for event in events:
            if put is not None and not isinstance(event, InForce) and _is_made_by(event, put):
                await self._take_together([event])
                continue
            put = None
            if not isinstance(event, InForce):
                turn.append(event)
                continue
            self._before = event.at + 1
            await self._take(turn)
            await self._put_in_force(event)
            turn, self._from, put = [], event.at, event
        self._before = before
        await self._take(turn)

    async def _take(self, events: Sequence[Event]) -> None:
        rest = [*events, *await self._due()]
        while rest:
            left = await self._take_together(rest)
            rest = [*(event for event in left if not isinstance(event, Due)), *await self._due()]

    async def _take_together(self, events: Sequence[Event]) -> Sequence[Event]:
        before = await losses.latest(self._connection, self._org)
        seeing = await self._seeing(before, events)
        left = seeing.take(events)
        await self._write(seeing, before)
        return left

    async def _due(self) -> list[Event]:
        until = {self._partition: self._before}
        clocks = [each for each in self._reach.clocks if each[0] == self._partition]
        found = await losses.due(self._connection, until, clocks, {self._org})
        return [replace(timer, at=max(timer.at, self._from)) for _, _, timer in found]

    async def _put_in_force(self, said: InForce) -> None:
        version = (await policies.versions(self._connection, {(said.org, said.version)})).get((said.org, said.version))
        if version is None:
            return
        before = self._version_of(said.shard)
        was_off = said.shard in self._judging and not before.policy.enabled
        self._judging[said.shard] = version
        self._replaced.append((said.at, said.shard, before))
        clock = self._clock_at(said.shard, said.at)
        timers = {}
        for one, row in await losses.timed(self._connection, self._org, said.shard):
            if row.until is None:
                continue
            now = rules_of(version, one)
            if not version.policy.enabled:
                timers[row.subject] = switched_off(row.until, clock)
            elif was_off:
                lasting_ms = now.again(pending=row.is_pending, silent=row.is_silent)
                timers[row.subject] = Until.after(clock, lasting_ms)
            else:
                timers[row.subject] = retimed(row.until, rules_of(before, one), now, clock, pending=row.is_pending)
        if timers:
            await losses.give_timers(self._connection, self._org, timers)
        few = await self._watched_few()
        if few is not None and few.shard == said.shard and said.shard in self._clocks:
            again = retimed_by(few, Profiled(ALL_HEARTBEATS, said.shard, None, None, None), before, version, clock)
            await watches.begin(self._connection, [again], {self._org: self._partition})

    async def _watched_few(self) -> Watch | None:
        return await watches.of_subject(self._connection, WatchKind.FEW_UNKNOWN, self._org, ALL_HEARTBEATS)

    async def _seeing(self, loss: Loss | None, events: Sequence[Event]) -> Seeing:
        connection, org = self._connection, self._org
        subjects = {event.subject for event in events}
        self._known = await everybody.known(connection, org, subjects)
        rows = await losses.unseen(connection, org, subjects)
        census = await self._census(events, rows, loss) if loss is None or loss.resumed_at is not None else None
        return Seeing(
            before=self._before,
            loss=loss,
            unseen=rows if census is None else rows | await losses.unseen(connection, org, census.standings),
            census=census,
            rules_of=lambda subject: self._rules(self._profile(subject)),
            known=lambda subject: everybody.last_change(org, self._known[subject]),
            clock_at=self._clock_at,
        )

    async def _census(self, events: Sequence[Event], rows: Mapping[str, Unseen], loss: Loss | None) -> Census | None:
        """None where nothing in these events can lose heartbeats: nobody fires, and of nobody who is shown otherwise
        than judged it follows that it will while they are taken in."""
        candidates = [event for event in events if event.subject in rows or _fires(event)]
        if not candidates:
            return None
        version = max(self._judging.values(), key=lambda each: each.version, default=self._newest)
        if not await may_lose_some(self._connection, version, events, ALL_TOLD, before=self._before):
            return None
        window_ms = window_of(version)
        first = min(event.at for event in candidates)
        begins = first - window_ms
        holes = await progress.holes_ended(self._connection, begins - window_ms)
        subjects = {event.subject for event in events}
        fleet = await everybody.everybody(self._connection, self._org, begins, subjects)
        last = max(*(event.at for event in candidates), self._before)
        found = await unless_unreadable(
            self._connection, lambda: silences.of_org(self._connection, self._org, after=first, until=last)
        )
        self._known |= {row.subject: row for row in fleet.rows if row.subject not in self._known}
        resumed_at = None if loss is None else loss.resumed_at
        standings, restarted = {}, dict[str, tuple[int, int]]()
        for row in fleet.rows:
            timeout_ms = self._rules(everybody.profiled(row)).timeout_ms
            if holes and (row.evidence or {}).get("deadline") is not None:
                fired_at = row.changed_at if row.state == HealthState.FIRING else None
                since = row.since_at
                restarted[row.subject] = (since, down_from(since, fired_at, timeout_ms, holes.get(row.shard, ())))
            standings[row.subject] = Standing(
                state=row.state,
                silent=(row.evidence or {}).get("deadline") is not None,
                at_beginning=fleet.at_beginning.get(row.subject, row.state),
                counts=rules_of(version, everybody.profiled(row)).timeout_ms <= window_ms,
                integration=integration_behind(row.subject, row.integration),
                old=row.evidence is not None and is_old(everybody.last_change(self._org, row), resumed_at),
            )
        holding = occurrences_of(found or (), first, last)
        census = Census(standings, fleet.past, window_ms, hushes(holding), resumed_at, holes)
        if restarted:
            census.restart(restarted, begins)
        return census

    async def _write(self, seeing: Seeing, before: Loss | None) -> None:
        connection, org, loss = self._connection, self._org, seeing.loss
        same = before if before is not None and loss is not None and before.id == loss.id else None
        begins = loss is not None and same is None
        resumes = loss is not None and loss.resumed_at is not None and (same is None or same.resumed_at is None)
        partition_of = {org: self._partition}
        if seeing.shown:
            await self._record(seeing.shown, partition_of, seeing.laid_over)
        if seeing.hidden:
            await losses.hide(connection, org, seeing.hidden)
        if seeing.heard_again:
            await losses.record_heard_again(connection, list(seeing.heard_again.values()))
        if seeing.touched:
            rows = [seeing.unseen[subject] for subject in sorted(seeing.touched)]
            await losses.keep(connection, org, self._partition, rows)
        if seeing.gone:
            await losses.leave(connection, org, sorted(seeing.gone))
        if loss is not None and loss != before:
            await losses.save(connection, loss)
            if resumes:
                await self.resume(loss)
        called = await self._called(seeing)
        for few, after, ended_at in seeing.few_ended:
            called += await self._few_ended(few, after, ended_at, before)
        if loss is not None and loss.few_since is not None and (before is None or loss.few_since != before.few_since):
            await self.watch(loss)
        if begins and loss is not None:
            called.append(heartbeats_lost(loss, self._partition, seeing.census.window_ms if seeing.census else None))
            self._work.after_commit(LOSSES.inc)
            log.warning("heartbeats.lost", org=org, unknown=loss.unknown, counted=loss.counted)
        if called:
            await books.enter(connection, called)
            await verdicts.wait(connection, called, partition_of)

    async def _called(self, seeing: Seeing) -> list[Verdict]:
        if not seeing.called:
            return []
        names = await live.names(self._connection, {(each.org, each.subject) for each in seeing.called})
        found = (unseen(each, names.get((each.org, each.subject), live.Known())) for each in seeing.called)
        return [verdict for verdict in found if verdict is not None]

    async def _few_ended(self, few: Loss, after: Loss, at: int, before: Loss | None) -> list[Verdict]:
        """More are unknown again, or heartbeats are lost again: the ticket is no longer looked at. Where few had been
        unknown for the resolve debounce by then, it is, as of that; and it is called for again where reporting has not
        resumed."""
        begun = before is not None and (few.id, few.few_since) == (before.id, before.few_since)
        running = await self._watched_few() if begun else self.few_unknown(few)
        if begun:
            await watches.end(self._connection, WatchKind.FEW_UNKNOWN, {(self._org, ALL_HEARTBEATS)})
        lasted_at = None
        if running is not None and running.shard in self._clocks:
            lasted_at = running.out_before(at, self._clocks[running.shard])
        called = list[Verdict]()
        if running is not None and lasted_at is not None:
            by = self._version_at(running.shard, lasted_at).version
            found = await verdicts_of(self._connection, [RunOut(self._partition, running, lasted_at)])
            called += [replace(verdict, policy_version=by) for verdict in found]
        has_ended = lasted_at is not None or (begun and running is None)
        if has_ended and few.resumed_at is None:
            by = self._version_at(self._first or 0, at).version
            called.append(still_lost(after, self._partition, at, by))
        return called

    def _profile(self, subject: str) -> Profiled:
        row = self._known.get(subject)
        return Profiled(subject, 0, None, None, None) if row is None else everybody.profiled(row)

    def _version_at(self, shard: int, at: int) -> PolicyVersion:
        """By which a shard judged at an instant; what is due at the instant of another one is so by that."""
        then = (before for until, of, before in self._replaced if of == shard and until > at)
        return next(then, self._version_of(shard))


def _fires(event: Event) -> bool:
    return isinstance(event, Change) and would_fire_by_silence(event)


def _is_made_by(event: Change | HeardAgain, put: InForce) -> bool:
    """Whether its shard said this at the record that brought the policy."""
    return event.shard == put.shard and event.place[0] == put.place[0]
