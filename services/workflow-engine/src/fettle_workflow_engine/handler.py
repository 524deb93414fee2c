"""What the engine does with events, results, outcomes, changes of tickets and the passing of time. Each call is part of
one transaction.

Locks are taken in one order, runs by their ids and then calls or tickets, with one exception: whoever brings changes of
tickets holds these before the runs that wait for them. Should that ever close a circle, the database ends one of the
transactions, and it is tried again.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import perf_counter
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis import bugs
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.times import rfc3339
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import budgets, call_rows, policies, run_rows, ticket_sightings, workflow_rows
from fettle_workflow_engine.adapters.definitions import Definitions, VersionKey
from fettle_workflow_engine.domain.admission import Refused, admit
from fettle_workflow_engine.domain.advance import advance, begin, refuse, run_id_for
from fettle_workflow_engine.domain.audience import Audience
from fettle_workflow_engine.domain.calls import Again, OutsideCall
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.endings import INTERNAL, give_up, internal, time_out
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.run import Advance, Cause, Failure, Result, Run, RunState, Step
from fettle_workflow_engine.domain.waits import ELAPSED, Sighting, ended_by, newest
from fettle_workflow_engine.progress import AT_ONCE_S, Moved, Progress, version_of

log = structlog.get_logger(__name__)

_STILL_HERE = text("SELECT 1")

Problems = dict[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that can start runs. `depth` is how long the chain of causes is that led to it (0: a person's act).
    One that is meant for a single workflow names it."""

    org: str
    trigger: str
    source: str
    id: str
    data: Mapping[str, Any]
    depth: int
    traceparent: str | None = None
    workflow: str | None = None


class Engine:
    """Starts runs and takes them further. `clock` gives the time that goes on record."""

    def __init__(
        self, definitions: Definitions, languages: Languages, progress: Progress, clock: Callable[[], datetime]
    ) -> None:
        self._definitions = definitions
        self._languages = languages
        self._progress = progress
        self._clock = clock

    async def take_events(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        """Starts every run that these events start, as far as it goes by itself. An event must come here once only."""
        await self.start_runs(work, events)

    async def start_runs(self, work: UnitOfWork, events: Sequence[Event]) -> list[Run]:
        """As `take_events`; answers with the runs, those that were refused too."""
        now = self._clock()
        live, broken = await self._definitions.started_by(
            work.connection, ((event.org, event.trigger, event.workflow) for event in events)
        )
        failed = await self._say_broken(work, events, broken, now)
        if not live:
            return failed
        problems: Problems = {}
        audience = Audience((key.org, key.workflow, key, definition) for key, definition in live.items())
        starts = await self._all_matching(work, events, audience, problems)
        spent = Counter(await budgets.spent(work.connection, {(key.org, key.workflow) for _, key, _ in starts}, now))
        before = spent.copy()
        begun = (
            Moved(None, self._start(work, event, key, live[key], matched, spent, now)) for event, key, matched in starts
        )
        runs = await self._progress.put(work, begun, live, now)
        await budgets.spend(work.connection, spent - before, now)
        await workflow_rows.note_condition_problems(work.connection, problems)
        return failed + runs

    async def _say_broken(
        self, work: UnitOfWork, events: Sequence[Event], broken: Mapping[VersionKey, Exception], now: datetime
    ) -> list[Run]:
        """Has workflows say so whose document raises a bug. What was for one of them alone has a failed run on record;
        answers with these."""
        failed = list[Run]()
        for key, bug in broken.items():
            failure = internal(bug)
            problem = {"at": rfc3339(now), "trigger": "", "event_id": "", "message": failure.message}
            await workflow_rows.note_condition_problems(work.connection, {(key.org, key.workflow): problem})
            for event in events:
                if (event.org, event.workflow) == (key.org, key.workflow):
                    failed += await self.put_failed(work, event, failure)
        return failed

    async def put_failed(self, work: UnitOfWork, event: Event, failure: Failure) -> list[Run]:
        """Puts the run of an event that is for one workflow on record as failed before it began; answers with it, or
        with none where the workflow was deleted."""
        now = self._clock()
        version = await workflow_rows.version_of(work.connection, event.org, event.workflow or "")
        if version is None or not event.workflow:
            return []
        run_id = run_id_for(event.org, event.workflow, event.source, event.id)
        cause = Cause(event.trigger, event.data, event.id, event.depth + 1, event.traceparent)
        state = RunState.FAILED
        run = Run(
            run_id, event.org, event.workflow, version, cause, now, now, state, error=failure, ended_at=now
        )  # fmt: skip
        await run_rows.insert(work.connection, [run])
        work.after_commit(metrics.RUNS_ENDED.labels(state, failure.code).inc)
        return [run]

    async def read_ahead(self, connection: AsyncConnection, wanted: Sequence[tuple[str, str, str | None]]) -> None:
        """Keeps the definitions at hand that events of these `(org, trigger, workflow)` would start."""
        await self._definitions.started_by(connection, wanted)

    async def take_results(self, work: UnitOfWork, results: Sequence[Result]) -> None:
        """Takes further every run that waits for one of these. A result may come again."""
        by_id: dict[UUID | None, Result] = {result.command_id: result for result in results}
        runs = await run_rows.waiting_for(work.connection, [result.command_id for result in results])
        work.after_commit(partial(metrics.RESULTS_UNAWAITED.inc, len(results) - len(runs)))
        await self._go_on(work, runs, lambda _, step: by_id.get(step.command_id))

    async def take_outcomes(self, work: UnitOfWork, outcomes: Sequence[tuple[OutsideCall, Result | Again]]) -> None:
        """Takes further the runs whose calls have come to an end, and has the other calls made again later."""
        results: dict[UUID | None, Result] = {one.id: out for one, out in outcomes if isinstance(out, Result)}
        ended = [result.command_id for result in results.values()]
        runs = await run_rows.waiting_for(work.connection, ended) if ended else []
        await call_rows.drop(work.connection, ended)
        await self._go_on(work, runs, lambda _, step: results.get(step.command_id))
        again = [(call, outcome) for call, outcome in outcomes if isinstance(outcome, Again)]
        await call_rows.put_off(work.connection, again, self._clock())

    async def take_tickets(self, work: UnitOfWork, sightings: Sequence[Sighting]) -> None:
        """Remembers what happened to tickets, and wakes the runs that wait for it. A sighting may come again."""
        seen = await ticket_sightings.note(work.connection, newest(sightings), self._clock())
        runs = await run_rows.watching(work.connection, seen) if seen else []

        def woken(run: Run, step: Step) -> Result | None:
            by = ended_by(step.watches, seen[run.org, step.watches.ticket]) if step.watches else None
            return Result(step.command_id, {"ended_by": by}) if by and step.command_id else None

        await self._go_on(work, runs, woken)

    async def take_due(self, work: UnitOfWork, limit: int = 100) -> int:
        """Wakes runs whose wait is over and ends those that are over their timeout, at most `limit` of each; returns
        how many there were."""
        return await self._ring(work, await run_rows.due(work.connection, self._clock(), limit))

    async def due_ids(self, work: UnitOfWork, limit: int) -> list[UUID]:
        """Of the runs that are due, whoever has them in hand."""
        return await run_rows.due_ids(work.connection, self._clock(), limit)

    async def take_some(self, work: UnitOfWork, ids: Sequence[UUID]) -> int:
        """As `take_due`, of these runs."""
        return await self._ring(work, await run_rows.some(work.connection, ids))

    async def set_aside(self, work: UnitOfWork, ids: Sequence[UUID], bug: Exception) -> None:
        """Ends these runs as failed, for a bug that one of them raises. A person may retry it once that is mended."""
        for id in await run_rows.set_aside(work.connection, ids, internal(bug), self._clock()):
            bugs.note("run", bug, run=str(id))
            work.after_commit(metrics.RUNS_ENDED.labels(RunState.FAILED, INTERNAL).inc)

    async def _ring(self, work: UnitOfWork, runs: Sequence[Run]) -> int:
        now = self._clock()
        if not runs:
            return 0
        known, broken = await self._definitions.read(work.connection, [version_of(run) for run in runs])
        aside = await self._set_aside_broken(work, [run for run in runs if _wakes(run, now)], broken)
        rung = [run for run in runs if run.id not in aside]
        off = await policies.off(work.connection, (run.org for run in rung))
        moves = (Moved(run, self._rung(known.get(version_of(run)), run, now, run.org in off)) for run in rung)
        after = await self._progress.put(work, moves, known, now)
        over = [run.waiting for run, ended in zip(rung, after, strict=True) if ended.state is RunState.FAILED]
        await call_rows.drop(work.connection, [step.command_id for step in over if step and step.command_id])
        return len(runs)

    async def _go_on(
        self, work: UnitOfWork, runs: Sequence[Run], result_for: Callable[[Run, Step], Result | None]
    ) -> None:
        """Takes further those runs for whose waiting step there is a result. One whose version this engine does not
        understand stays where it is; one whose version raises a bug when it is read is set aside."""
        if not runs:
            return
        now = self._clock()
        known, broken = await self._definitions.read(work.connection, [version_of(run) for run in runs])
        answered = [(run, result) for run in runs if run.waiting and (result := result_for(run, run.waiting))]
        await self._set_aside_broken(work, [run for run, _ in answered], broken)
        off = await policies.off(work.connection, (run.org for run, _ in answered))

        def moves() -> Iterator[Moved]:
            for run, result in answered:
                if (definition := known.get(version_of(run))) is not None:
                    done = advance(definition, run, result, now=now, languages=self._languages, off=run.org in off)
                    yield Moved(run, done)

        await self._progress.put(work, moves(), known, now)

    async def _set_aside_broken(
        self, work: UnitOfWork, runs: Sequence[Run], broken: Mapping[VersionKey, Exception]
    ) -> set[UUID]:
        """Sets those of these runs aside whose version raises a bug when it is read; answers with them."""
        aside = set[UUID]()
        for key, bug in broken.items():
            if ids := [run.id for run in runs if version_of(run) == key]:
                await self.set_aside(work, ids, bug)
                aside.update(ids)
        return aside

    def _rung(self, definition: Definition | None, run: Run, now: datetime, off: bool) -> Advance:
        """What follows for a run whose time has come."""
        step = run.waiting
        if step and step.command_id and _wakes(run, now):
            if definition is None:
                return Advance(give_up(run, now=now))
            slept = Result(step.command_id, {"ended_by": ELAPSED})
            return advance(definition, run, slept, now=now, languages=self._languages, off=off)
        return Advance(time_out(definition, run, now=now) if run.timeout_at <= now else run)

    async def _all_matching(
        self, work: UnitOfWork, events: Sequence[Event], audience: Audience[VersionKey], problems: Problems
    ) -> list[tuple[Event, VersionKey, frozenset[str]]]:
        """The workflows that all of these start. Where judging them takes long, the server hears of it in between, as
        with runs that are put down."""
        starts, since = list[tuple[Event, VersionKey, frozenset[str]]](), perf_counter()
        for event in events:
            starts += self._matching(work, event, audience, problems)
            if perf_counter() - since >= AT_ONCE_S:
                await work.connection.execute(_STILL_HERE)
                since = perf_counter()
        return starts

    def _matching(
        self, work: UnitOfWork, event: Event, audience: Audience[VersionKey], problems: Problems
    ) -> list[tuple[Event, VersionKey, frozenset[str]]]:
        """The workflows that the event starts, each with the triggers that fired. All conditions of all of them are
        judged over one reading of the event."""
        heard = audience.of(event.org, event.trigger, event.data, event.workflow)
        verdicts = self._languages.conditions.judge(heard.sources, event.data) if heard.sources else ()
        fired: dict[VersionKey, set[str]] = {}
        for key, trigger in heard.anyway:
            fired.setdefault(key, set()).add(trigger.name)
        for triggers, verdict in zip(heard.by_source, verdicts, strict=True):
            if verdict.holds:
                for key, trigger in triggers:
                    fired.setdefault(key, set()).add(trigger.name)
            elif verdict.problem:
                for key, trigger in triggers:
                    problems[key.org, key.workflow] = self._problem(work, event, key, trigger.name, verdict.problem)
        return [(event, key, frozenset(fired[key])) for key in sorted(fired)]

    def _start(
        self, work: UnitOfWork, event: Event, key: VersionKey, definition: Definition, matched: frozenset[str],
        spent: Counter[tuple[str, str]], now: datetime,
    ) -> Advance:  # fmt: skip
        cause = Cause(event.trigger, event.data, event.id, event.depth + 1, event.traceparent)
        run_id = run_id_for(event.org, key.workflow, event.source, event.id)
        workflow = (key.org, key.workflow)
        decision = admit(depth=cause.depth, spent=spent[workflow], budget_per_hour=definition.budget_per_hour)
        if isinstance(decision, Refused):
            log.warning(
                "run.refused", org=key.org, workflow=key.workflow, run=str(run_id), code=decision.code,
                reason=decision.message, event_id=event.id,
            )  # fmt: skip
            run = refuse(definition, decision, cause, run_id=run_id, org=key.org, version=key.version, now=now)
            return Advance(run)
        spent[workflow] += 1
        work.after_commit(metrics.RUNS_STARTED.labels(event.trigger).inc)
        run = begin(definition, matched, cause, run_id=run_id, org=key.org, version=key.version, now=now)
        return advance(definition, run, now=now, languages=self._languages)

    def _problem(
        self, work: UnitOfWork, event: Event, key: VersionKey, trigger: str, problem: str
    ) -> Mapping[str, Any]:
        work.after_commit(metrics.CONDITION_PROBLEMS.inc)
        log.warning(
            "condition.undecided", org=key.org, workflow=key.workflow, trigger=trigger, problem=problem,
            event_id=event.id,
        )  # fmt: skip
        return {"at": rfc3339(self._clock()), "trigger": trigger, "event_id": event.id, "message": problem}


def _wakes(run: Run, now: datetime) -> bool:
    """Whether the run has waited as long as it should."""
    step = run.waiting
    return step is not None and step.wake_at is not None and step.wake_at <= now
