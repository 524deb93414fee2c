"""Workflows that set each other off through tickets: found when one is saved, from what they may do, not from what
their conditions would let through."""

from collections.abc import Iterable, Iterator, Mapping

from fettle_workflow_engine.domain.catalogue import ACTIONS
from fettle_workflow_engine.domain.definition import Action, Definition
from fettle_workflow_engine.domain.faults import Fault


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


def sets_off(action: Action) -> frozenset[str]:
    """The triggers that the action may publish, given the fields that it has."""
    kind = ACTIONS[action.does]
    return frozenset(kind.sets_off) | {on for name, on in kind.sets_off_with.items() if name in action.fields}


def _way_back(saved: Definition, action: Action, workflows: Mapping[str, Definition]) -> tuple[str, ...] | None:
    """The shortest chain `action -> trigger -> workflow -> trigger -> … -> saved`."""
    ways: list[tuple[str, ...]] = [(action.does, on) for on in sorted(sets_off(action))]
    seen = {way[-1] for way in ways}
    while ways:
        longer: list[tuple[str, ...]] = []
        for way in ways:
            for name in sorted(_started_by(way[-1], workflows)):
                if name == saved.workflow:
                    return (*way, name)
                for on in sorted(_all_set_off(workflows[name]) - seen):
                    seen.add(on)
                    longer.append((*way, name, on))
        ways = longer
    return None


def _started_by(on: str, workflows: Mapping[str, Definition]) -> Iterator[str]:
    return (name for name, other in workflows.items() if any(trigger.on == on for trigger in other.triggers))


def _all_set_off(definition: Definition) -> frozenset[str]:
    return frozenset(on for action in definition.actions for on in sets_off(action))
