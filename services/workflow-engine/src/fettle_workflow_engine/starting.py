"""Runs that are asked for one by one: by a person who presses Run, and by another system at a workflow's hook."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_workflow_engine.adapters import policies, workflow_rows
from fettle_workflow_engine.domain.catalogue import MANUAL, SIGNAL
from fettle_workflow_engine.domain.run import Run
from fettle_workflow_engine.handler import Engine, Event

MANUAL_SOURCE = "fettle/workflow-engine/manual"
HOOK_SOURCE = "fettle/workflow-engine/hook"


class NotStarted(StrEnum):
    """Why nothing was started."""

    UNKNOWN = "unknown"
    SWITCHED_OFF = "switched_off"
    DISABLED = "disabled"
    NO_TRIGGER = "no_trigger"
    NOT_MATCHED = "not_matched"


@dataclass(frozen=True, slots=True)
class Asked:
    """A run that is asked for; `id` is this asking's own, so that it is one run's. `depth` is how long the chain of
    causes is that led to the asking: 0 where nobody says."""

    org: str
    workflow: str
    id: UUID
    event: Mapping[str, Any]
    depth: int = 0
    traceparent: str | None = None


async def by_hand(work: UnitOfWork, engine: Engine, asked: Asked) -> Run | NotStarted:
    """Starts the workflow by its manual triggers. A run that is over its budget is refused and on record like any."""
    return await _start(work, engine, asked, MANUAL, MANUAL_SOURCE)


async def by_hook(work: UnitOfWork, engine: Engine, asked: Asked) -> Run | NotStarted:
    """Starts the workflow by those of its signal triggers that take the event."""
    return await _start(work, engine, asked, SIGNAL, HOOK_SOURCE)


async def _start(work: UnitOfWork, engine: Engine, asked: Asked, trigger: str, source: str) -> Run | NotStarted:
    event = Event(
        asked.org,
        trigger,
        source,
        str(asked.id),
        asked.event,
        depth=asked.depth,
        traceparent=asked.traceparent,
        workflow=asked.workflow,
    )
    runs = await engine.start_runs(work, [event])
    return runs[0] if runs else await _why_not(work, asked, trigger)


async def _why_not(work: UnitOfWork, asked: Asked, trigger: str) -> NotStarted:
    found = await workflow_rows.find(work.connection, asked.org, asked.workflow)
    if found is None:
        return NotStarted.UNKNOWN
    if not (await policies.policy_of(work.connection, asked.org)).enabled:
        return NotStarted.SWITCHED_OFF
    if not found.enabled:
        return NotStarted.DISABLED
    return NotStarted.NOT_MATCHED if trigger in found.triggers else NotStarted.NO_TRIGGER
