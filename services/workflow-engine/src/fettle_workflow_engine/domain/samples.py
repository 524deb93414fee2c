"""The event that a workflow is tried on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_contracts.ticket import Ticket
from fettle_contracts.ticket_events import Entry, EntryType
from fettle_workflow_engine.domain.catalogue import ENTRY_OF, SCHEDULE, TRIGGERS, trigger_name
from fettle_workflow_engine.domain.definition import Definition, Trigger
from fettle_workflow_engine.domain.examples import event_like, example_event
from fettle_workflow_engine.domain.faults import suggest
from fettle_workflow_engine.domain.shapes import Fields, shape_of


@dataclass(frozen=True, slots=True)
class Sample:
    """An event of the kind `on`. `depth` is the place that its run would have in the chain of causes."""

    on: str
    event: Mapping[str, Any]
    id: str = "test"
    depth: int = 1


class NoTrigger(ValueError):
    """There is no such trigger, or it is not for such an event. The text names it."""


_ENTRY, _TICKET = shape_of(Entry), shape_of(Ticket)


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


def entry_for(definition: Definition, named: str | None) -> EntryType:
    """What happens to a ticket by the trigger `named`, without a name by the first that is about tickets. Raises
    NoTrigger, also for a trigger that is about something else."""
    if named is not None:
        on = _trigger(definition, named).on
        if on not in ENTRY_OF:
            raise NoTrigger(f"The trigger {named!r} is not about tickets: give an event to try it on.")
        return ENTRY_OF[on]
    for trigger in definition.triggers:
        if trigger.on in ENTRY_OF:
            return ENTRY_OF[trigger.on]
    raise NoTrigger("None of the workflow's triggers is about tickets: give an event to try it on.")


def sample_of_ticket(org: str, ticket: Mapping[str, Any], entry: Mapping[str, Any]) -> Sample:
    """What happened to a ticket by an entry of its timeline, as its event says it, but with the ticket as it is given;
    what answers by HTTP have besides is left out, as runs do not see it either."""
    on = trigger_name(EntryType(entry["type"]))
    event = {"org": org, "entry": _known(_ENTRY, entry), "ticket": _known(_TICKET, ticket)}
    return Sample(on, event_like(on, event), entry["id"])


def _known(shape: Fields, shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name in shape.fields}


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
