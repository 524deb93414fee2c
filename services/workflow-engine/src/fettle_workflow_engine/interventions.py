"""What people do to runs: end them, have them go on from where they failed, have their event start another one."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

import structlog

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_workflow_engine import metrics
from fettle_workflow_engine.adapters import budgets, call_rows, policies, run_rows, workflow_rows
from fettle_workflow_engine.adapters.definitions import Definitions, VersionKey
from fettle_workflow_engine.domain import endings
from fettle_workflow_engine.domain.admission import RETRIED_LIMIT, Refused, admit
from fettle_workflow_engine.domain.advance import advance, begin
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.matching import matches
from fettle_workflow_engine.domain.run import Advance, Run, RunState
from fettle_workflow_engine.progress import Moved, Progress, version_of

log = structlog.get_logger(__name__)


class NoSuchRun(Exception):
    """The org has no such run."""


class NoSuchVersion(Exception):
    """The workflow never had this version."""


class NotPossible(Exception):
    """The run does not allow this. The text says why."""


class Interventions:
    """Each is part of the caller's transaction and locks the run that it is about. All raise NoSuchRun."""

    def __init__(
        self, definitions: Definitions, languages: Languages, progress: Progress, clock: Callable[[], datetime]
    ) -> None:
        self._definitions = definitions
        self._languages = languages
        self._progress = progress
        self._clock = clock

    async def cancel(self, work: UnitOfWork, org: str, run_id: UUID, by: str) -> None:
        """Ends a run. Raises NotPossible for one that has ended; a cancelled one stays as it is."""
        now, run = self._clock(), await self._find(work, org, run_id)
        if run.state is RunState.CANCELLED:
            return
        if run.state is not RunState.RUNNING:
            raise NotPossible(f"The run has ended already: it is {run.state.value}.")
        known = await self._definitions.of(work.connection, [version_of(run)])
        done = Advance(endings.cancel(known.get(version_of(run)), run, by, now=now))
        if run.waiting and run.waiting.command_id:
            await call_rows.drop(work.connection, [run.waiting.command_id])
        await self._progress.put(work, [Moved(run, done)], known, now)
        log.info("run.cancelled", org=org, workflow=run.workflow, run=str(run_id), by=by)

    async def retry(self, work: UnitOfWork, org: str, run_id: UUID, by: str, depth: int = 0) -> None:
        """Has a failed run go on from the node that failed it. Asked for by a run, which is so many `depth` deep, it is
        one deeper from then on. Raises NotPossible for one that has not failed so, or has been retried too often, while
        the org's workflows are switched off, and when a chain of runs would grow too long."""
        now, run = self._clock(), await self._find(work, org, run_id)
        await self._see_that_on(work, org)
        if endings.failed_node(run) is None:
            raise NotPossible(f"Only a run that a node has failed can be retried; this one is {run.state.value}.")
        definition = await self._understood(work, version_of(run))
        if depth and isinstance(decision := admit(depth=depth + 1, spent=0, budget_per_hour=1), Refused):
            raise NotPossible(decision.message)
        if await run_rows.count_retry(work.connection, run_id) > RETRIED_LIMIT:
            raise NotPossible(f"The run has been retried {RETRIED_LIMIT} times. It can be run again, as a new one.")
        deeper = replace(run, cause=replace(run.cause, depth=max(run.cause.depth, depth + 1)))
        done = endings.retry(definition, deeper, now=now, languages=self._languages)
        await self._progress.put(work, [Moved(run, done)], {version_of(run): definition}, now)
        log.info("run.retried", org=org, workflow=run.workflow, run=str(run_id), by=by)

    async def rerun(
        self, work: UnitOfWork, org: str, run_id: UUID, version: int | None, by: str, depth: int = 0
    ) -> UUID:
        """Starts another run by the event of this one, by `version` or the newest there is, and returns its id. Asked
        for by a run, which is so many `depth` deep, it is one deeper. Raises NoSuchVersion, and NotPossible when no
        trigger of the version takes the event, the org's workflows are switched off, a chain of runs would grow too
        long, or the workflow has spent its budget."""
        now, old = self._clock(), await self._find(work, org, run_id)
        await self._see_that_on(work, org)
        newest = await workflow_rows.newest_version(work.connection, org, old.workflow)
        if version is not None and version > newest:
            raise NoSuchVersion
        key = VersionKey(org, old.workflow, version or newest)
        definition = await self._understood(work, key)
        found = matches(definition, old.cause.trigger, old.cause.event, self._languages.conditions)
        matched = [one.trigger.name for one in found if one.fires]
        if not matched:
            raise NotPossible(f"No trigger of version {key.version} takes the event of this run.")
        cause = replace(old.cause, depth=max(old.cause.depth, depth + 1))
        workflow = (org, old.workflow)
        spent = await budgets.spent(work.connection, [workflow], now)
        decision = admit(
            depth=cause.depth if depth else 1,
            spent=spent.get(workflow, 0),
            budget_per_hour=definition.budget_per_hour,
        )
        if isinstance(decision, Refused):
            raise NotPossible(decision.message)
        await budgets.spend(work.connection, {workflow: 1}, now)
        run = begin(definition, matched, cause, run_id=uuid4(), org=org, version=key.version, now=now, rerun_of=old.id)
        work.after_commit(metrics.RUNS_STARTED.labels(old.cause.trigger).inc)
        done = advance(definition, run, now=now, languages=self._languages)
        await self._progress.put(work, [Moved(None, done)], {key: definition}, now)
        log.info("run.rerun", org=org, workflow=run.workflow, run=str(run.id), rerun_of=str(old.id), by=by)
        return run.id

    async def _find(self, work: UnitOfWork, org: str, run_id: UUID) -> Run:
        run = await run_rows.find(work.connection, org, run_id)
        if run is None:
            raise NoSuchRun
        return run

    async def _see_that_on(self, work: UnitOfWork, org: str) -> None:
        if not (await policies.policy_of(work.connection, org)).enabled:
            raise NotPossible("The org's workflows are switched off.")

    async def _understood(self, work: UnitOfWork, key: VersionKey) -> Definition:
        known, broken = await self._definitions.read(work.connection, [key])
        if key in broken:
            raise NotPossible(
                f"Version {key.version} of the workflow cannot be read: {endings.internal(broken[key]).message}"
            )
        if key not in known:
            raise NotPossible(f"This engine does not understand version {key.version} of the workflow any more.")
        return known[key]
