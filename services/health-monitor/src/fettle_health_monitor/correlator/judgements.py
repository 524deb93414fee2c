"""What the judges say becomes live status, history, verdicts, and what follows from time that has passed."""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_health_monitor.adapters.correlator import (
    books,
    incidents,
    losses,
    policies,
    progress,
    rollups,
    unseen_timers,
    verdicts,
    watches,
)
from fettle_health_monitor.adapters.correlator.incidents import About
from fettle_health_monitor.adapters.correlator.live import Key
from fettle_health_monitor.adapters.correlator.policies import KnownOrg
from fettle_health_monitor.adapters.correlator.progress import Progress, Seen
from fettle_health_monitor.adapters.correlator.rollups import Belongs
from fettle_health_monitor.adapters.correlator.watches import RunOut
from fettle_health_monitor.correlator import changes, holding_back, policy_effects, retiming, silencing
from fettle_health_monitor.correlator.changes import Turned
from fettle_health_monitor.correlator.deciding import Deciding
from fettle_health_monitor.correlator.greeting import Greeting
from fettle_health_monitor.correlator.joining import watch_left_alone
from fettle_health_monitor.correlator.loss_course import that_could_be_heard
from fettle_health_monitor.correlator.news import News, Received, count_received
from fettle_health_monitor.correlator.reach import Reach, by_log, reached, slowest_at
from fettle_health_monitor.correlator.sharing import group_of
from fettle_health_monitor.domain.correlator.clocks import Behind, Patience
from fettle_health_monitor.domain.correlator.rollups import is_integration
from fettle_health_monitor.domain.correlator.verdicts import ENDING, Cause, Verdict
from fettle_health_monitor.domain.correlator.watches import MAY_BRING_A_TICKET, Watch, WatchKind
from fettle_health_monitor.domain.judgements import Hello, InForce

AT_ONCE_MS = 1_000
"""Verdicts of so short a time are decided together: what follows from one of them by a debounce comes later, unless
there is none."""


class Judgements:
    """Takes in batches of `health.judgements`. `shards` asks for the number of heartbeat partitions.

    Most batches hold clocks alone and arrive many times a second: their cost must not grow with the partitions.
    """

    def __init__(self, deciding: Deciding, greeting: Greeting, patience: Patience, shards: Callable[[], int]) -> None:
        self._deciding, self._greeting, self._patience, self._shards = deciding, greeting, patience, shards

    async def handle(self, work: UnitOfWork, batch: Sequence[Received]) -> None:
        """Everything that these messages change, in one transaction; repeats change nothing. Of a batch in parts nobody
        knows yet whom the later ones concern: it takes what any of them may lock before the first. Hellos of all parts
        are answered behind the last."""
        known = await progress.lock(work.connection, {received.partition for received in batch})
        parts = by_log(known, batch)
        if len(parts) > 1:
            await policies.lock_all(work.connection)
            await progress.lock_gaps(work.connection)
        hellos: list[Hello] = []
        for place, part in enumerate(parts):
            if place:
                known = await progress.lock(work.connection, {received.partition for received in part})
            hellos += await self._take(work, known, part)
        if hellos:
            await self._greeting.answer(work, hellos)

    async def _take(self, work: UnitOfWork, known: Mapping[Seen, Progress], batch: Sequence[Received]) -> list[Hello]:
        """Answers with the hellos among these messages."""
        connection = work.connection
        slowest = slowest_at(known, batch)
        holes = {} if slowest is None else await progress.holes(connection, range(self._shards()), after=slowest)
        reach = reached(known, batch, self._shards(), self._patience, holes)
        if not reach.fresh:
            return []
        news = News.of(reach.fresh)
        work.after_commit(partial(count_received, reach.fresh))
        if doubted := await holding_back.in_doubt(connection, news, reach):
            reach = reach.waiting(doubted)
        concerned = set(news.partition_of)
        concerned |= await verdicts.orgs_with_ready(connection, reach.ready_before)
        concerned |= await watches.orgs_with_due(connection, reach.settled)
        concerned |= await losses.orgs_with_ready(connection, reach.ready_before, reach.clocks)
        ended = await silencing.orgs_with_ended(connection, reach.settled)
        concerned |= ended
        locked = concerned | news.written_of  # what people enter writes the same rows, in another order
        orgs = await policies.lock_orgs(connection, locked) if locked else {}
        in_force, turned = await _take_in(work, news, known, reach, concerned)
        if ended:
            await silencing.call_for_ended(connection, reach.settled, ended, [said for _, said in in_force])
        if concerned:
            await self._decide(work, reach, concerned, orgs, in_force, turned)
        return news.hellos

    async def _decide(
        self,
        work: UnitOfWork,
        reach: Reach,
        concerned: set[str],
        orgs: Mapping[str, KnownOrg],
        in_force: Sequence[tuple[int, InForce]],
        turned: Sequence[Turned],
    ) -> None:
        """What has waited for the clocks, what has run out by them, the policies that came into force, and what changes
        begin and end, in the order of their instants: what is decided begins watches and ends others. At one instant a
        recovery ends what would else have run out."""
        connection = work.connection
        waited: list[tuple[int, Verdict]] = []
        at_once: set[str] | None = None
        policies_left, turned = sorted(in_force, key=lambda each: each[1].at), sorted(turned, key=lambda each: each.at)
        while True:
            waited += await verdicts.take_ready(connection, reach.ready_before, concerned)
            waited.sort(key=lambda each: _turn_of(each[1]))
            out = await watches.settle_run_out(connection, reach.settled, concerned)
            out = await that_could_be_heard(connection, out)
            instants = [each.at for each in out] + [verdict.at for _, verdict in waited]
            until = min(instants, default=math.inf)
            if policies_left and policies_left[0][1].at <= min([until, *(each.at for each in turned[:1])]):
                partition, said = policies_left.pop(0)
                if await policy_effects.take_effect(connection, partition, said):
                    left = [each for _, each in policies_left]
                    await silencing.call_for_ended(connection, reach.settled, {said.org}, left)
                continue
            before_policy = policies_left[0][1].at if policies_left else math.inf
            if past := [each for each in turned if each.at <= until and each.at < before_policy]:
                turned = turned[len(past) :]
                if well := await _end_watches(connection, [each for each in past if each.ends]):
                    await self._deciding.call_off(work, well)
                await changes.watch_the_healthy_anew(connection, past)
                continue
            if not instants:
                return
            first = min(instants)
            following = [said.at for _, said in policies_left]
            ends = min([first + AT_ONCE_MS, *following, *(each.at + 1 for each in out)])
            turn = [each for each in waited if each[1].at < ends]
            if turn and turn[-1][1].at > first:
                if at_once is None:
                    at_once = await policies.resolving_at_once(connection, concerned)
                turn = await _before_lists_end(connection, turn, at_once)
            if turn:
                waited = waited[len(turn) :]
                ready = [(verdict, reach.horizons[partition].behind(verdict.at)) for partition, verdict in turn]
                await self._deciding.decide(work, ready, orgs)
                continue
            turn_out = _of_one_turn([each for each in out if each.at == first])
            await watches.take(connection, turn_out)
            called_for, let_go = await _called_for(connection, turn_out)
            if called_for:
                await books.enter(connection, called_for)
            if called_for or let_go:
                by_name = turn_out[0].watch.kind is WatchKind.JUDGED_AFRESH
                follows = [*called_for, *let_go]
                follows.sort(key=lambda verdict: (verdict.at, verdict.subject if by_name else ""))
                await self._deciding.decide(work, [(verdict, Behind()) for verdict in follows], orgs)


async def _end_watches(connection: AsyncConnection, over: Sequence[Turned]) -> set[Key]:
    """Ends what these changes have ended. Answers with the subjects that are well, and for which nothing is left that
    had run out before."""
    if not over:
        return set()
    first = {each.key: each.then for each in reversed(over)}
    await watches.end_at(connection, MAY_BRING_A_TICKET, first)
    well = {each.key: each.then for each in reversed(over) if each.well}
    ran_out = await watches.end_at(connection, [WatchKind.JUDGED_AFRESH], well) if well else set()
    for each in over:
        if is_integration(each.change.subject) and not each.well:
            org, subject, cause = each.change.org, each.change.subject, UUID(each.change.id)
            await watch_left_alone(connection, each.partition, org, subject, cause=cause, at=each.at)
    return well.keys() - ran_out


async def _before_lists_end(
    connection: AsyncConnection, turn: Sequence[tuple[int, Verdict]], at_once: Collection[str]
) -> list[tuple[int, Verdict]]:
    """Of these verdicts, in their order, those up to the instant at which somebody leaves a list that may end at that
    very instant, as its org is one of those that resolve `at_once`: who fires later finds it ended."""
    may_end = [verdict for _, verdict in turn if verdict.org in at_once]
    listed = await rollups.parents(connection, {(each.org, each.subject) for each in may_end}) if may_end else {}
    leaving = (each.at for each in may_end if each.cause in ENDING or _moves(each, listed))
    until = next(leaving, math.inf)
    return [each for each in turn if each[1].at <= until]


def _moves(verdict: Verdict, listed: Mapping[Key, Belongs]) -> bool:
    """Whether the device is on the list of an integration that it is behind no more."""
    belongs = listed.get((verdict.org, verdict.subject))
    return belongs is not None and (verdict.org, belongs.parent.subject) != group_of(verdict)


async def _called_for(connection: AsyncConnection, out: Sequence[RunOut]) -> tuple[list[Verdict], list[Verdict]]:
    """What these watches call for, and the verdicts that have waited for them: a device whose verdict has waited until
    it has been judged afresh needs no other."""
    kind = WatchKind.JUDGED_AFRESH
    afresh = {(each.watch.org, each.watch.subject): each.at for each in out if each.watch.kind is kind}
    let_go = await verdicts.let_go(connection, afresh) if afresh else []
    waited = {(verdict.org, verdict.subject) for verdict in let_go}
    rest = [each for each in out if (each.watch.org, each.watch.subject) not in waited]
    return await policy_effects.verdicts_of(connection, await _to_resolve(connection, rest)), let_go


async def _to_resolve(connection: AsyncConnection, out: Sequence[RunOut]) -> Sequence[RunOut]:
    """Without those that came up healthy in a new log and for whom no ticket was opened after all, and without lists
    that are not left alone, as a ticket has taken them over, say, or somebody has reopened theirs."""
    kind = WatchKind.HEALTHY_ANEW
    anew = [each.watch for each in out if each.watch.kind is kind]
    well = {(watch.org, watch.subject): (watch.start_at, True) for watch in anew}
    begun = {key: at for key, (at, _) in well.items()}
    if without := await incidents.without_ticket(connection, begun) if begun else set():
        without -= await incidents.left_open(connection, well)
    of_lists = {each.key for each in out if each.watch.kind is WatchKind.LEFT_ALONE}
    alone = await rollups.left_alone(connection, of_lists) if of_lists else set()
    return [
        each
        for each in out
        if (each.watch.kind is not kind or _about(each.watch) not in without)
        and (each.watch.kind is not WatchKind.LEFT_ALONE or _about(each.watch) in alone)
    ]


def _about(watch: Watch) -> About:
    return (watch.org, watch.subject, watch.condition)


def _of_one_turn(out: Sequence[RunOut]) -> list[RunOut]:
    """Of what runs out at one instant: devices whose fresh time is over before anything that looks at who is down."""
    return [each for each in out if each.watch.kind is WatchKind.JUDGED_AFRESH] or list(out)


def _turn_of(verdict: Verdict) -> tuple[int, int, bool]:
    """At the instant of a policy: what was due by the one before it, what it publishes, and what it makes due."""
    return (verdict.at, verdict.policy_version, verdict.cause is not Cause.PUBLISHING_BEGAN)


async def _take_in(
    work: UnitOfWork, news: News, known: Mapping[Seen, Progress], reach: Reach, concerned: set[str]
) -> tuple[Sequence[tuple[int, InForce]], Sequence[Turned]]:
    connection = work.connection
    moved = [each for seen, each in reach.after.items() if known.get(seen) != each]
    await progress.save(connection, moved)
    await progress.record_stalls(connection, known, reach.after)
    if news.gaps:
        await progress.record_unobserved(connection, news.gaps)
    if begun := reach.begun_anew(known):
        ended = reach.ended(known)
        await watches.begin_anew(connection, begun, ended)
        await unseen_timers.begin_anew(connection, begun, ended)
    if behind := reach.behind_holes(known):
        await watches.go_on_behind_holes(connection, behind)
    if without := [partition for partition, horizon in reach.horizons.items() if horizon.stalled]:
        await retiming.go_on_without(connection, without)
    return await changes.take_in(work, news, reach, concerned)
