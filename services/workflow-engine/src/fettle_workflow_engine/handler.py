"""What the engine does with events, results and the passing of time. Each call is part of one transaction."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.times import rfc3339
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import budgets, run_rows, workflow_rows
from fettle_workflow_engine.adapters.command_events import CommandWriter
from fettle_workflow_engine.adapters.definitions import Definitions, VersionKey
from fettle_workflow_engine.domain.admission import Refused, admit
from fettle_workflow_engine.domain.advance import advance, begin, refuse, run_id_for
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.endings import time_out
from fettle_workflow_engine.domain.languages import Languages, Verdict
from fettle_workflow_engine.domain.run import Advance, Cause, GiveCommand, Result, Run, RunState

log = structlog.get_logger(__name__)

Problems = dict[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that can start runs. `depth` is how long the chain of causes is that led to it (0: a person's act)."""

    org: str
    trigger: str
    source: str
    id: str
    data: Mapping[str, Any]
    depth: int
    traceparent: str | None = None


class Engine:
    """Starts runs and takes them further. `clock` gives the time that goes on record."""

    def __init__(
        self, definitions: Definitions, languages: Languages, writer: CommandWriter, clock: Callable[[], datetime]
    ) -> None:
        self._definitions = definitions
        self._languages = languages
        self._writer = writer
        self._clock = clock

    async def take_events(self, work: UnitOfWork, events: Sequence[Event]) -> None:
        """Starts every run that these events start, up to its first command. An event must come here once only."""
        now = self._clock()
        live = await self._definitions.started_by(work.connection, ((event.org, event.trigger) for event in events))
        if not live:
            return
        problems: Problems = {}
        starts = [start for event in events for start in self._matching(event, live, problems)]
        spent = Counter(await budgets.spent(work.connection, {(key.org, key.workflow) for _, key, _ in starts}, now))
        before = spent.copy()
        advances = [self._start(event, key, live[key], matched, spent, now) for event, key, matched in starts]
        await run_rows.insert(work.connection, [done.run for done in advances])
        await budgets.spend(work.connection, spent - before, now)
        await workflow_rows.note_condition_problems(work.connection, problems)
        self._give_commands(work, advances, now)

    async def take_results(self, work: UnitOfWork, results: Sequence[Result]) -> None:
        """Takes further every run that waits for one of these. A result may come again."""
        now = self._clock()
        by_command = {result.command_id: result for result in results}
        runs = await run_rows.waiting_for(work.connection, list(by_command))
        metrics.RESULTS_UNAWAITED.inc(len(results) - len(runs))
        if not runs:
            return
        known = await self._definitions.of(work.connection, [_version(run) for run in runs])
        advances = []
        for run in runs:
            definition = known.get(_version(run))
            if definition is not None and run.waiting and run.waiting.command_id:
                result = by_command[run.waiting.command_id]
                done = advance(definition, run, result, now=now, templates=self._languages.templates)
                advances.append((run, done))
        await run_rows.update(work.connection, [(run, done.run) for run, done in advances])
        self._give_commands(work, [done for _, done in advances], now)

    async def end_overdue(self, work: UnitOfWork, limit: int = 100) -> int:
        """Ends runs that are over their timeout, at most `limit`; returns how many there were."""
        now = self._clock()
        runs = await run_rows.overdue(work.connection, now, limit)
        known = await self._definitions.of(work.connection, [_version(run) for run in runs])
        ended = [(run, time_out(known.get(_version(run)), run, now=now)) for run in runs]
        await run_rows.update(work.connection, ended)
        self._count([run for _, run in ended])
        return len(ended)

    def _matching(
        self, event: Event, live: Mapping[VersionKey, Definition], problems: Problems
    ) -> list[tuple[Event, VersionKey, frozenset[str]]]:
        """The workflows that the event starts, each with the triggers that fired. All conditions of all of them are
        judged over one reading of the event."""
        triggers = [
            (key, trigger)
            for key, definition in live.items()
            if key.org == event.org
            for trigger in definition.triggers
            if trigger.on == event.trigger
        ]
        sources = list(dict.fromkeys(trigger.where.source for _, trigger in triggers if trigger.where))
        verdicts = dict(zip(sources, self._languages.conditions.judge(sources, event.data), strict=True))
        fired: dict[VersionKey, set[str]] = {}
        for key, trigger in triggers:
            verdict = verdicts[trigger.where.source] if trigger.where else Verdict(True)
            if verdict.holds:
                fired.setdefault(key, set()).add(trigger.name)
            elif verdict.problem and trigger.where:
                problems[key.org, key.workflow] = self._problem(event, key, trigger.name, verdict.problem)
        return [(event, key, frozenset(names)) for key, names in fired.items()]

    def _start(
        self, event: Event, key: VersionKey, definition: Definition, matched: frozenset[str],
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
        metrics.RUNS_STARTED.labels(event.trigger).inc()
        run = begin(definition, matched, cause, run_id=run_id, org=key.org, version=key.version, now=now)
        return advance(definition, run, now=now, templates=self._languages.templates)

    def _give_commands(self, work: UnitOfWork, advances: Sequence[Advance], now: datetime) -> None:
        for done in advances:
            for effect in done.effects:
                if isinstance(effect, GiveCommand):
                    work.publish(self._writer.message(done.run, effect, now))
                    metrics.COMMANDS_GIVEN.labels(effect.verb).inc()
        self._count([done.run for done in advances])

    def _count(self, runs: Sequence[Run]) -> None:
        for run in runs:
            if run.state is not RunState.RUNNING:
                metrics.RUNS_ENDED.labels(run.state, run.error.code if run.error else "").inc()

    def _problem(self, event: Event, key: VersionKey, trigger: str, problem: str) -> Mapping[str, Any]:
        metrics.CONDITION_PROBLEMS.inc()
        log.warning(
            "condition.undecided", org=key.org, workflow=key.workflow, trigger=trigger, problem=problem,
            event_id=event.id,
        )  # fmt: skip
        return {"at": rfc3339(self._clock()), "trigger": trigger, "event_id": event.id, "message": problem}


def _version(run: Run) -> VersionKey:
    return VersionKey(run.org, run.workflow, run.version)
