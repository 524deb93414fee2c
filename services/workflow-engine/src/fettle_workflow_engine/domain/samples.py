"""The event that a workflow is tried on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_workflow_engine.domain.catalogue import SCHEDULE, TRIGGERS
from fettle_workflow_engine.domain.definition import Definition, Trigger
from fettle_workflow_engine.domain.examples import event_like, example_event
from fettle_workflow_engine.domain.faults import suggest


@dataclass(frozen=True, slots=True)
class Sample:
    """An event of the kind `on`. `depth` is the place that its run would have in the chain of causes."""

    on: str
    event: Mapping[str, Any]
    id: str = "test"
    depth: int = 1


class NoTrigger(ValueError):
    """There is no such trigger. The text names it."""


def sample_of(
    definition: Definition, named: str | None, event: Mapping[str, Any] | None, *, org: str, now: datetime
) -> Sample:
    """The event as one that the trigger `named` is for (by its node or its kind; without a name the first of the
    workflow), with null for what it leaves out; without an event an example that it takes by all but its `where`.
    Raises NoTrigger."""
    trigger = _trigger(definition, named)
    if event is None:
        return Sample(trigger.on, example_event(trigger, org, now))
    by_schedule = {"trigger": trigger.name} if trigger.on == SCHEDULE else {}
    return Sample(trigger.on, event_like(trigger.on, {**by_schedule, **event}))


def _trigger(definition: Definition, named: str | None) -> Trigger:
    triggers = definition.triggers
    if named is None:
        return triggers[0]
    for one in (*(one for one in triggers if one.name == named), *(one for one in triggers if one.on == named)):
        return one
    if named in TRIGGERS:
        return Trigger("", named)
    meant = suggest(named, [*(one.name for one in triggers), *TRIGGERS])
    raise NoTrigger(f"There is no trigger {named!r}" + (f"; did you mean {meant}?" if meant else "."))
