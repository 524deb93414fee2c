"""A workflow as the engine runs it: what a document says, without its spelling."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from fettle_workflow_engine.domain.faults import Place
from fettle_workflow_engine.domain.schedules import Schedule

DEFAULT_BUDGET_PER_HOUR = 1_000
DEFAULT_TIMEOUT_S = 2 * 86_400

_NOWHERE = Place(1, 1)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A value that stands in the document."""

    value: Any
    place: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """`{ref: node.output}`: the value that `path` leads to, from `event` or a node's name."""

    path: tuple[str, ...]
    place: Place = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Template:
    """`{template: "…"}`: text with values in it."""

    source: str
    place: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """An object whose parts are values themselves."""

    parts: Mapping[str, "Value"]
    place: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Series:
    """A list whose items are values themselves."""

    items: tuple["Value", ...]
    place: Place = field(default=_NOWHERE, compare=False)


Value: TypeAlias = Fixed | Reference | Template | Group | Series


@dataclass(frozen=True, slots=True)
class Condition:
    """A CEL expression: over `event` where it narrows a trigger, in an `if` over earlier outputs as well."""

    source: str
    place: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A text, or the beginning of one: `com.acme.*`."""

    text: str

    def fits(self, value: object) -> bool:
        if self.text.endswith("*"):
            return isinstance(value, str) and value.startswith(self.text[:-1])
        return value == self.text


@dataclass(frozen=True, slots=True)
class Trigger:
    """A node that starts runs: `on` names an event, `only` what its fields must be, `where` narrows it further;
    `schedule` says when a `schedule` is due."""

    name: str
    on: str
    where: Condition | None = None
    place: Place = field(default=_NOWHERE, compare=False)
    only: Mapping[str, Pattern] = field(default_factory=dict)
    schedule: Schedule | None = None

    @property
    def is_choosy(self) -> bool:
        """Whether `takes` can say no."""
        return self.schedule is not None or bool(self.only)

    def takes(self, event: Mapping[str, Any]) -> bool:
        """Whether an event of the kind `on` is one of this trigger's, by all but `where`. That of a schedule names its
        trigger."""
        if self.schedule is not None and event.get("trigger") != self.name:
            return False
        return all(pattern.fits(event.get(name)) for name, pattern in self.only.items())


class Way(StrEnum):
    """By which way out of a node another one follows. `.true` and `.false` are an `if`'s, `.error` is an action's."""

    DONE = "done"
    ERROR = "error"
    TRUE = "true"
    FALSE = "false"


@dataclass(frozen=True, slots=True)
class After:
    """One entry of `after`: `node`, or a way out of it, as in `node.error`."""

    node: str
    way: Way = Way.DONE
    place: Place = field(default=_NOWHERE, compare=False)

    def __str__(self) -> str:
        return self.node if self.way is Way.DONE else f"{self.node}.{self.way}"


@dataclass(frozen=True, slots=True)
class Action:
    """A node that does something: `does` names what, `fields` say with what, `field_places` where their names stand."""

    name: str
    does: str
    after: tuple[After, ...]
    fields: Mapping[str, Value]
    place: Place = field(default=_NOWHERE, compare=False)
    field_places: Mapping[str, Place] = field(default_factory=dict, compare=False)


class How(StrEnum):
    """Whether all rows must hold or any of them."""

    ALL = "all"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: whether `operation` holds between `value` and `operand`, by the clock of `zone` where it asks for
    one (UTC without)."""

    value: Value
    operation: str
    operand: Value
    zone: str | None = None
    place: Place = field(default=_NOWHERE, compare=False)
    zone_place: Place = field(default=_NOWHERE, compare=False)


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that count as one."""

    how: How
    rows: tuple["Check", ...]
    place: Place = field(default=_NOWHERE, compare=False)


Check: TypeAlias = Row | Rows | Condition


@dataclass(frozen=True, slots=True)
class Branch:
    """An `if` node: it does nothing, and what follows it follows by `.true` or `.false`."""

    name: str
    after: tuple[After, ...]
    rows: tuple[Check, ...]
    how: How = How.ALL
    place: Place = field(default=_NOWHERE, compare=False)


Node: TypeAlias = Trigger | Branch | Action
Follower: TypeAlias = Branch | Action
"""What comes `after` something."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One workflow. `nodes` stand in document order, names are unique, `after` makes no circle; what they are sorted
    into is looked at for every event and node."""

    workflow: str
    title: str
    nodes: tuple[Node, ...]
    description: str = ""
    enabled: bool = False
    allow_cycle: bool = False
    budget_per_hour: int = DEFAULT_BUDGET_PER_HOUR
    timeout_s: int = DEFAULT_TIMEOUT_S

    triggers: tuple[Trigger, ...] = field(init=False, repr=False, compare=False)
    actions: tuple[Action, ...] = field(init=False, repr=False, compare=False)
    followers: tuple[Follower, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        nodes = self.nodes
        object.__setattr__(self, "triggers", tuple(node for node in nodes if isinstance(node, Trigger)))
        object.__setattr__(self, "actions", tuple(node for node in nodes if isinstance(node, Action)))
        object.__setattr__(self, "followers", tuple(node for node in nodes if not isinstance(node, Trigger)))

    def same_graph(self, other: "Definition") -> bool:
        """Whether runs of both do and say the same; description and `enabled` have no part in that."""
        return self._behaviour() == other._behaviour()

    def _behaviour(self) -> tuple[object, ...]:
        return (self.title, self.nodes, self.allow_cycle, self.budget_per_hour, self.timeout_s)
