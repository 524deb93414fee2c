"""Which triggers of one workflow an event fires, and why the others do not."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fettle_workflow_engine.domain.definition import Definition, Trigger
from fettle_workflow_engine.domain.languages import Conditions, Verdict


class Unmoved(StrEnum):
    """Why a trigger does not fire."""

    OTHER_KIND = "other_kind"
    NOT_TAKEN = "not_taken"
    CONDITION_FALSE = "condition_false"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Match:
    """What an event means to a trigger; one that it does not fire has the reason, and in words what it comes from."""

    trigger: Trigger
    why_not: Unmoved | None = None
    message: str = ""

    @property
    def fires(self) -> bool:
        return self.why_not is None


def matches(definition: Definition, on: str, event: Mapping[str, Any], conditions: Conditions) -> tuple[Match, ...]:
    """One for each trigger, in document order, of an event of the kind `on`. All conditions are judged over one reading
    of the event."""
    triggers = definition.triggers
    taken = {trigger.name: trigger for trigger in triggers if trigger.on == on and trigger.takes(event)}
    sources = list(dict.fromkeys(trigger.where.source for trigger in taken.values() if trigger.where))
    verdicts = dict(zip(sources, conditions.judge(sources, event), strict=True)) if sources else {}
    return tuple(
        _judged(trigger, verdicts) if trigger.name in taken else _passed_over(trigger, on, event)
        for trigger in triggers
    )


def _judged(trigger: Trigger, verdicts: Mapping[str, Verdict]) -> Match:
    if trigger.where is None:
        return Match(trigger)
    verdict = verdicts[trigger.where.source]
    if verdict.holds:
        return Match(trigger)
    if verdict.problem:
        return Match(trigger, Unmoved.UNDECIDED, f"Its `where` cannot be decided: {verdict.problem}.")
    return Match(trigger, Unmoved.CONDITION_FALSE, "Its `where` does not hold.")


def _passed_over(trigger: Trigger, on: str, event: Mapping[str, Any]) -> Match:
    if trigger.on != on:
        return Match(trigger, Unmoved.OTHER_KIND, f"It is for {trigger.on}, the event is {on}.")
    return Match(trigger, Unmoved.NOT_TAKEN, _not_taken(trigger, event))


def _not_taken(trigger: Trigger, event: Mapping[str, Any]) -> str:
    if trigger.schedule is not None and event.get("trigger") != trigger.name:
        return "The event is another schedule's."
    name, pattern = next((name, one) for name, one in trigger.only.items() if not one.fits(event.get(name)))
    return f"It takes the {name} {pattern.text}, and the event's is another."
