"""Changes of state become live status, history, transitions for the world, and verdicts that wait."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import (
    incidents,
    live,
    losses,
    policies,
    progress,
    transitions,
    verdicts,
    watches,
)
from fettle_health_monitor.adapters.correlator.live import Key, Known
from fettle_health_monitor.adapters.correlator.watches import Then
from fettle_health_monitor.correlator import holding_back, losing
from fettle_health_monitor.correlator.news import News
from fettle_health_monitor.correlator.reach import Reach
from fettle_health_monitor.domain.correlator.clocks import Hole, ShardClock
from fettle_health_monitor.domain.correlator.verdicts import called_for
from fettle_health_monitor.domain.correlator.watches import NO_GENERATION, Watch, WatchKind
from fettle_health_monitor.domain.judgements import Change, InForce


@dataclass(frozen=True, slots=True)
class Turned:
    """A change that ends watches on its subject, or may begin one, in the `partition` that its org comes by. Where it
    `ends` any, that is the one on an early resolve; where the subject is `well` also the fresh time, and whatever waits
    to be decided. What had run out before still calls for a ticket."""

    change: Change
    partition: int

    @property
    def at(self) -> int:
        return self.change.at

    @property
    def key(self) -> Key:
        return (self.change.org, self.change.subject)

    @property
    def then(self) -> Then:
        return Then(self.change.at, self.change.generation)

    @property
    def ends(self) -> bool:
        """Who fires on for another condition has a ticket of its own for that. Watches over what fires end when its
        recovery is decided."""
        return self.well or self.change.to_state == self.change.from_state

    @property
    def well(self) -> bool:
        return _is_well_without_a_verdict(self.change)


async def take_in(
    work: UnitOfWork, news: News, reach: Reach, orgs: Collection[str]
) -> tuple[Sequence[tuple[int, InForce]], Sequence[Turned]]:
    """Writes what subjects are called and how they are now. `reach` is how far the shards have come by then, `orgs` are
    those (locked) in which something that was held back may have its turn. Answers with the policies that have come
    into force, each with its partition, and with the changes that watches hang on: the caller sees to both in their
    order."""
    connection = work.connection
    if news.profiles:
        await live.record_profiles(connection, news.profiles)
    if news.unwatched:
        await live.record_unwatched(connection, news.unwatched)

    turned: list[Turned] = []
    came_up: set[Key] = set()

    async def show(changes: Sequence[Change], partition_of: Mapping[str, int], laid_over: Collection[str] = ()) -> None:
        await _show(work, changes, partition_of, laid_over)
        some = [Turned(change, partition_of[change.org]) for change in changes]
        came_up.update(each.key for each in some if each.well)
        watched = await watches.running(connection, WatchKind.HEALTHY_ANEW, {each.key for each in some}) | came_up
        turned.extend(each for each in some if each.ends or each.key in watched)

    at_once, heard_again = await holding_back.hold_back(connection, news, reach)
    if at_once:
        await show(at_once, news.partition_of)
    if heard_again:
        await losses.record_heard_again(connection, heard_again)
    in_force = await losing.take_in_order(work, reach, orgs, show) if orgs else []
    return in_force, turned


async def _show(
    work: UnitOfWork,
    changes: Sequence[Change],
    partition_of: Mapping[str, int],
    laid_over: Collection[str],
) -> None:
    """Writes these changes down as they are for the world, and keeps the verdicts that they call for."""
    connection = work.connection
    names = await live.record_states(connection, changes)
    called = [called_for(change, names.get((change.org, change.subject), Known())) for change in changes]
    calls = [verdict is not None for verdict in called]
    work.publish(*await transitions.record(connection, changes, names, calls, laid_over))
    if any(calls):
        waiting = [verdict for verdict in called if verdict is not None]
        await verdicts.wait(connection, waiting, partition_of)


async def watch_the_healthy_anew(connection: AsyncConnection, turned: Sequence[Turned]) -> None:
    """These changes end and begin the watches over who comes up healthy in a new log; they follow on all that was
    decided before them, and on the policies that came into force."""
    first = {each.key: each.then for each in reversed(turned)}
    out = await watches.end_at(connection, [WatchKind.HEALTHY_ANEW], first)
    rest = [each for each in turned if each.key not in out]
    partition_of = {each.change.org: each.partition for each in rest}
    await _begin_watches(connection, [each.change for each in rest], partition_of)


def _is_well_without_a_verdict(change: Change) -> bool:
    return change.to_state == HealthState.HEALTHY and called_for(change, Known()) is None


async def _begin_watches(
    connection: AsyncConnection, changes: Sequence[Change], partition_of: Mapping[str, int]
) -> None:
    """A shard that starts anew has forgotten who was failing: who comes up healthy there, at once or later, may have a
    ticket, or get one yet by an earlier instant. It is resolved when the subject has been healthy for its resolve
    debounce, and for its timeout before that if it has not even been heard; whatever the subject does behind that. One
    that its shard does not judge, as the org is switched off, is not healthy by that: its time begins when the org is
    on again."""
    by_subject: defaultdict[Key, list[Change]] = defaultdict(list)
    for change in changes:
        by_subject[change.org, change.subject].append(change)
    well = {key: of[-1] for key, of in by_subject.items() if _is_well_without_a_verdict(of[-1])}
    followed = {
        key: [each for each in pairwise(of) if _is_well_without_a_verdict(each[0])] for key, of in by_subject.items()
    }
    if any(followed.values()):
        times = await _times(connection, [one for pairs in followed.values() for one, _ in pairs], partition_of)
        for key, pairs in followed.items():
            lasted = (one for one, after in pairs if times.has_lasted(one, after.at))
            if (first := next(lasted, None)) is not None:
                well[key] = first
    if not well:
        return
    since = {key: (change.at, change.from_state is None) for key, change in well.items()}
    held_back = await incidents.without_ticket(connection, {key: change.at for key, change in well.items()})
    if open_ := await incidents.left_open(connection, since) | held_back:
        times = await _times(connection, list(well.values()), partition_of)
        begun = [times.watch(well[org, subject], condition) for org, subject, condition in sorted(open_)]
        await watches.begin(connection, begun, partition_of)


@dataclass(frozen=True, slots=True)
class _Times:
    """By which clocks subjects that came up healthy have been so. `off` are the policies that do not judge."""

    clocks: Mapping[str, Mapping[int, ShardClock]]
    holes: Mapping[int, Sequence[Hole]]
    off: Collection[tuple[str, int]]

    def watch(self, change: Change, condition: str) -> Watch:
        clock = self.clocks[change.org].get(change.shard)
        judged = (change.org, change.policy_version) not in self.off
        return _watch(change, condition, clock, self.holes, judged=judged)

    def has_lasted(self, change: Change, until: int) -> bool:
        """Whether the subject had been healthy for long enough by its next change."""
        clock = self.clocks[change.org].get(change.shard)
        if clock is None:
            return False
        return self.watch(change, "").out_by(until, clock, self.holes[change.shard]) is not None


async def _times(connection: AsyncConnection, well: Collection[Change], partition_of: Mapping[str, int]) -> _Times:
    clocks = {of: await progress.clocks(connection, of) for of in {partition_of[change.org] for change in well}}
    judged_by = await policies.versions(connection, {(change.org, change.policy_version) for change in well})
    return _Times(
        clocks={change.org: clocks[partition_of[change.org]] for change in well},
        holes=await progress.holes(connection, {change.shard for change in well}),
        off={which for which, version in judged_by.items() if not version.policy.enabled},
    )


def _watch(
    change: Change, condition: str, clock: ShardClock | None, holes: Mapping[int, Sequence[Hole]], *, judged: bool
) -> Watch:
    if clock is None or clock.generation != change.generation:
        clock = ShardClock(change.shard, NO_GENERATION, change.at, 0)
    lasting_s = change.evidence.debounce_s
    if change.evidence.last_heard is None:
        lasting_s += change.evidence.timeout_s
    return Watch.begin(
        WatchKind.HEALTHY_ANEW,
        cause=UUID(change.id),
        org=change.org,
        subject=change.subject,
        condition=condition,
        shard=clock.back_at(change.at).forward_to(change.at, holes[change.shard]),
        since_at=change.at,
        lasting_ms=round(lasting_s * 1000),
        runs=judged,
    )
