"""What runs have come to is put down: their rows, what they ask for, and the tickets that they go to sleep for."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from time import perf_counter
from typing import TypeVar
from uuid import UUID

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import call_rows, due_rows, run_rows, ticket_sightings
from fettle_workflow_engine.adapters.command_events import CommandWriter
from fettle_workflow_engine.adapters.definitions import VersionKey
from fettle_workflow_engine.domain.advance import advance
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import Advance, GiveCommand, Result, Run, RunState, Step, Watch
from fettle_workflow_engine.domain.waits import Seen, ended_by

T = TypeVar("T")

AT_ONCE, AT_ONCE_S = 1_000, 0.3
"""So many runs at most, and for little longer than that, are begun or taken further between two statements: the loop
has other things to do, and the server ends a transaction that says nothing for ten seconds."""

Known = Mapping[VersionKey, Definition]


@dataclass(frozen=True, slots=True)
class Moved:
    """How far a run has come. `before` is the run as its rows have it, None for a new one."""

    before: Run | None
    done: Advance


class Progress:
    """Writes within the caller's transaction, which holds the locks of the runs."""

    def __init__(self, writer: CommandWriter, languages: Languages) -> None:
        self._writer = writer
        self._languages = languages

    async def put(self, work: UnitOfWork, moves: Iterable[Moved], known: Known, now: datetime) -> list[Run]:
        """Puts down runs and gives their commands and calls; answers with the runs as they are now, in the same order.
        A run that goes to sleep for a ticket which has changed already goes on at once; `known` has the definitions of
        those that go on. Takes of `moves` what is made `AT_ONCE`, and more when that is put down.
        """
        runs: list[Run] = []
        for some in portions(moves):
            runs += await self._put(work, some, known, now)
        return runs

    async def _put(self, work: UnitOfWork, moves: Sequence[Moved], known: Known, now: datetime) -> list[Run]:
        settled = await self._settled(work, moves, known, now)
        await run_rows.insert(work.connection, [move.done.run for move in settled if move.before is None])
        await run_rows.update(work.connection, [(move.before, move.done.run) for move in settled if move.before])
        calls = []
        for move in settled:
            for effect in move.done.effects:
                if isinstance(effect, GiveCommand):
                    work.publish(self._writer.message(move.done.run, effect, now))
                    work.after_commit(metrics.COMMANDS_GIVEN.labels(effect.verb).inc)
                else:
                    calls.append((move.done.run, effect))
        await call_rows.insert(work.connection, calls, now)
        await due_rows.announce(work.connection, chain.from_iterable(map(_moments, settled)), now)
        for move in settled:
            run = move.done.run
            if run.state is not RunState.RUNNING:
                ended = metrics.RUNS_ENDED.labels(run.state, run.error.code if run.error else "")
                work.after_commit(ended.inc)
        return [move.done.run for move in settled]

    async def _settled(self, work: UnitOfWork, moves: Sequence[Moved], known: Known, now: datetime) -> list[Moved]:
        """The moves, once every ticket that a run is to sleep for has been compared with what was seen of it."""
        settled, compared = list(moves), set[UUID | None]()
        while sleepers := {
            index: (move.done.run.org, step.watches.ticket)
            for index, move in enumerate(settled)
            if (step := _falls_asleep(move)) and step.watches and step.command_id not in compared
        }:
            seen = await ticket_sightings.hold(work.connection, sleepers.values(), now)
            for index, ticket in sleepers.items():
                step = settled[index].done.run.waiting
                if step is not None and step.watches is not None:
                    compared.add(step.command_id)
                    settled[index] = self._compared(settled[index], step, step.watches, seen[ticket], known, now)
        return settled

    def _compared(self, move: Moved, step: Step, watch: Watch, seen: Seen, known: Known, now: datetime) -> Moved:
        run, effects = move.done.run, move.done.effects
        by = ended_by(watch, seen)
        if by is not None and step.command_id is not None:
            woken = Result(step.command_id, {"ended_by": by})
            further = advance(known[version_of(run)], run, woken, now=now, languages=self._languages)
            return Moved(move.before, Advance(further.run, effects + further.effects))
        if watch.since is None:
            watch = replace(watch, since=seen.version)
        steps = {**run.steps, step.node: replace(step, watches=watch)}
        return Moved(move.before, Advance(replace(run, steps=steps), effects))


def portions(made: Iterable[T], clock: Callable[[], float] = perf_counter) -> Iterator[Sequence[T]]:
    """All of them in order, at most `AT_ONCE` together, and no more once it took `AT_ONCE_S` to make these."""
    some: list[T] = []
    begun = clock()
    for one in made:
        some.append(one)
        if len(some) == AT_ONCE or clock() - begun >= AT_ONCE_S:
            yield some
            some, begun = [], clock()
    if some:
        yield some


def version_of(run: Run) -> VersionKey:
    """The version that the run goes by."""
    return VersionKey(run.org, run.workflow, run.version)


def _moments(move: Moved) -> Iterable[datetime | None]:
    """At which something happens to the run by itself, if nothing does before."""
    run = move.done.run
    if run.state is not RunState.RUNNING:
        return ()
    return run.timeout_at, run.waiting.wake_at if run.waiting else None


def _falls_asleep(move: Moved) -> Step | None:
    """The step that waits for a ticket from now on."""
    step = move.done.run.waiting
    asleep_before = move.before is not None and step is not None and move.before.steps.get(step.node) == step
    return None if asleep_before else step
