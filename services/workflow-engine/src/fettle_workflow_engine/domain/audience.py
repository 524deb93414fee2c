"""Who an event is for: the triggers of the enabled workflows, found without looking at those that are for others."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fettle_workflow_engine.domain.definition import Definition, Trigger

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Heard(Generic[K]):
    """The triggers that an event is for, each with the key of its workflow: those without `where`, and those with one,
    the ones that say the same together. `by_source` stands in the order of `sources`."""

    anyway: Sequence[tuple[K, Trigger]]
    sources: tuple[str, ...]
    by_source: Sequence[Sequence[tuple[K, Trigger]]]


class Audience(Generic[K]):
    """Workflows as `(org, name, key, definition)`. The order of these decides who is first."""

    def __init__(self, workflows: Iterable[tuple[str, str, K, Definition]]) -> None:
        self._triggers: defaultdict[tuple[str, str], list[tuple[str, K, Trigger]]] = defaultdict(list)
        self._choosy: set[tuple[str, str]] = set()
        self._heard: dict[tuple[str, str], Heard[K]] = {}
        for org, name, key, definition in workflows:
            for trigger in definition.triggers:
                self._triggers[org, trigger.on].append((name, key, trigger))
                if trigger.is_choosy:
                    self._choosy.add((org, trigger.on))

    def of(self, org: str, on: str, event: Mapping[str, Any], workflow: str | None = None) -> Heard[K]:
        """Whom an event of the kind `on` is for, by all but `where`; one that is meant for a single `workflow`, there
        alone."""
        if workflow is not None or (org, on) in self._choosy:
            among = self._triggers.get((org, on), [])
            return _heard(
                (key, trigger) for name, key, trigger in among if workflow in (None, name) and trigger.takes(event)
            )
        if (org, on) not in self._heard:
            everybody = self._triggers.get((org, on), [])
            self._heard[org, on] = _heard((key, trigger) for _, key, trigger in everybody)
        return self._heard[org, on]


def _heard(triggers: Iterable[tuple[K, Trigger]]) -> Heard[K]:
    anyway: list[tuple[K, Trigger]] = []
    by_source: dict[str, list[tuple[K, Trigger]]] = {}
    for key, trigger in triggers:
        if trigger.where is None:
            anyway.append((key, trigger))
        else:
            by_source.setdefault(trigger.where.source, []).append((key, trigger))
    return Heard(anyway, tuple(by_source), tuple(by_source.values()))
