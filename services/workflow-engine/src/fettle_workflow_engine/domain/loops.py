"""Workflows that set each other off through tickets: found when one is saved, from what they may do, not from what
their conditions would let through."""

from collections.abc import Iterable, Iterator, Mapping

from fettle_workflow_engine.domain.catalogue import ACTIONS
from fettle_workflow_engine.domain.definition import Action, Definition
from fettle_workflow_engine.domain.faults import Fault

BY_MONITOR = "by the health monitor, while the subject is unhealthy"


def loop_faults(saved: Definition, others: Iterable[Definition]) -> Iterator[Fault]:
    """One fault for each action of `saved` whose effect may, by way of `others` (the org's enabled workflows), start
    `saved` again; none if the document allows it. A draft is held against itself alone: switching off always works."""
    if saved.allow_cycle:
        return
    workflows = {other.workflow: other for other in others if saved.enabled} | {saved.workflow: saved}
    for action in saved.actions:
        way = _way_back(saved, action, workflows)
        if way:
            rule = "say `allow_cycle: true` if this is meant and ends"
            yield Fault(action.place, f"starts this workflow again: {' -> '.join(way)}; {rule}")


def sets_off(action: Action) -> Mapping[str, str]:
    """The triggers that may follow the action, given the fields that it has, each as the way names it."""
    kind = ACTIONS[action.does]
    published = {*kind.sets_off, *(on for name, on in kind.sets_off_with.items() if name in action.fields)}
    return {on: f"{on} ({BY_MONITOR})" for on in kind.provokes} | {on: on for on in published}


def _way_back(saved: Definition, action: Action, workflows: Mapping[str, Definition]) -> tuple[str, ...] | None:
    """The shortest chain `action -> trigger -> workflow -> trigger -> … -> saved`."""
    ways: list[tuple[str, tuple[str, ...]]] = [
        (on, (action.does, named)) for on, named in sorted(sets_off(action).items())
    ]
    seen = {on for on, _ in ways}
    while ways:
        longer: list[tuple[str, tuple[str, ...]]] = []
        for last, way in ways:
            for name in sorted(_started_by(last, workflows)):
                if name == saved.workflow:
                    return (*way, name)
                for on, named in sorted(_all_set_off(workflows[name]).items()):
                    if on not in seen:
                        seen.add(on)
                        longer.append((on, (*way, name, named)))
        ways = longer
    return None


def _started_by(on: str, workflows: Mapping[str, Definition]) -> Iterator[str]:
    return (name for name, other in workflows.items() if any(trigger.on == on for trigger in other.triggers))


def _all_set_off(definition: Definition) -> Mapping[str, str]:
    """Of all its actions; the plainer name for what both an action and the monitor may publish."""
    named = [item for action in definition.actions for item in sets_off(action).items()]
    return dict(sorted(named, reverse=True))
