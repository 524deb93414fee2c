"""From a document's text to a definition: does it have the form of a workflow?

What the names in it mean is the next question, and `validate.py`'s.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from fettle_workflow_engine.domain.definition import (
    DEFAULT_BUDGET_PER_HOUR,
    DEFAULT_TIMEOUT_S,
    Action,
    After,
    Branch,
    Definition,
    Node,
    Way,
)
from fettle_workflow_engine.domain.faults import DocumentRefused, Fault, Place, suggest, unknown
from fettle_workflow_engine.domain.field_values import read_values
from fettle_workflow_engine.domain.read_rows import read_if
from fettle_workflow_engine.domain.tree import Entry, Listing, Scalar, Table, Tree, read_tree
from fettle_workflow_engine.domain.trigger_reading import read_trigger

NODES_LIMIT = 100
TITLE_LIMIT = 200
TEXT_LIMIT = 10_000
NUMBERS = {
    "budget_per_hour": (DEFAULT_BUDGET_PER_HOUR, 1, 100_000),
    "timeout_s": (DEFAULT_TIMEOUT_S, 1, 30 * 86_400),
}
"""Whole numbers: what holds without, the least and the most."""
NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,49}")
NODE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,49}")
RESERVED_NAMES = frozenset(
    {"event", "loop", "self", "not", "and", "or", "if", "else", "in", "is", "true", "false", "none", "secrets"}
)

TOP_FIELDS = (
    "workflow", "title", "description", "enabled", "allow_cycle", "budget_per_hour", "timeout_s", "nodes"
)  # fmt: skip
ACTION_FIELDS = ("action", "after", "with")
BRANCH_FIELDS = ("if", "after")
WAYS = (Way.ERROR, Way.FALSE, Way.TRUE)


@dataclass(frozen=True, slots=True)
class Draft:
    """As much of a definition as could be read, the names of all its nodes, and what is wrong so far."""

    definition: Definition
    node_names: frozenset[str]
    faults: tuple[Fault, ...]


def read_document(text: str) -> Draft:
    """Raises DocumentRefused when the text is not even a YAML or JSON object; every other fault is in the draft."""
    tree = read_tree(text)
    if not isinstance(tree, Table):
        raise DocumentRefused([Fault(tree.place, "a workflow document is an object with `workflow` and `nodes`")])
    return _Reader().read(tree)


class _Reader:
    """Reads on after a fault, so that all of them are found in one go."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []

    def read(self, top: Table) -> Draft:
        self._known_fields(top, "field", TOP_FIELDS)
        nodes = self._nodes(top)
        definition = Definition(
            workflow=self._name(top),
            title=self._text(top, "title", limit=TITLE_LIMIT),
            nodes=tuple(node for node in (self._node(name, entry) for name, entry in nodes) if node),
            description=self._text(top, "description"),
            enabled=self._flag(top, "enabled"),
            allow_cycle=self._flag(top, "allow_cycle"),
            budget_per_hour=self._whole_number(top, "budget_per_hour"),
            timeout_s=self._whole_number(top, "timeout_s"),
        )
        return Draft(definition, frozenset(name for name, _ in nodes), tuple(self.faults))

    def _name(self, top: Table) -> str:
        if "workflow" not in top.entries:
            self._fault(top.place, "`workflow`, its name, is missing")
            return ""
        faults = len(self.faults)
        name = self._text(top, "workflow")
        if len(self.faults) == faults and not NAME.fullmatch(name):
            rule = "a workflow's name is 1 to 50 of a-z, 0-9 and -, and begins with a letter or digit"
            self._fault(top.entries["workflow"].value.place, rule)
        return name

    def _nodes(self, top: Table) -> list[tuple[str, Entry]]:
        entry = top.entries.get("nodes")
        if entry is None:
            self._fault(top.place, "`nodes` is missing")
            return []
        if not isinstance(entry.value, Table) or not entry.value.entries:
            self._fault(entry.value.place, "`nodes` is an object: nodes by name, at least a trigger")
            return []
        if len(entry.value.entries) > NODES_LIMIT:
            self._fault(entry.value.place, f"a workflow has at most {NODES_LIMIT} nodes")
        return list(entry.value.entries.items())

    def _node(self, name: str, entry: Entry) -> Node | None:
        if name.lower() in RESERVED_NAMES:
            self._fault(entry.key_place, f"{name!r} has a meaning of its own and cannot name a node")
        elif not NODE_NAME.fullmatch(name):
            rule = "a node's name is 1 to 50 letters, digits and _, and begins with a letter"
            self._fault(entry.key_place, rule)
        table = entry.value
        if not isinstance(table, Table):
            self._fault(table.place, "a node is an object with `trigger`, `if` or `action`")
            return None
        kinds = [kind for kind in ("trigger", "if", "action") if kind in table.entries]
        faults = len(self.faults)
        match kinds:
            case ["trigger"]:
                trigger = read_trigger(name, table, self.faults)
                return trigger if trigger.on or len(self.faults) == faults else None
            case ["action"]:
                action = self._action(name, table)
                return action if action.does or len(self.faults) == faults else None
            case ["if"]:
                return self._branch(name, table)
            case []:
                near = next((found for key in table.entries if (found := suggest(key, ("trigger", "action")))), None)
                self.faults.append(Fault(entry.key_place, "a node needs `trigger`, `if` or `action`", near))
            case _:
                self._fault(table.entries[kinds[1]].key_place, f"a node is one thing: not {' and '.join(kinds)}")
        return None

    def _branch(self, name: str, table: Table) -> Branch:
        self._known_fields(table, "field of an `if`", BRANCH_FIELDS)
        rows = read_if(table.entries["if"], self.faults)
        return Branch(name, self._after(table), rows.rows, rows.how, table.entries["if"].key_place)

    def _action(self, name: str, table: Table) -> Action:
        self._known_fields(table, "field of an action", ACTION_FIELDS)
        fields = self._with(table)
        return Action(
            name,
            self._text(table, "action"),
            self._after(table),
            read_values(fields, self.faults),
            table.entries["action"].value.place,
            {field: entry.key_place for field, entry in fields.items()},
        )

    def _after(self, table: Table) -> tuple[After, ...]:
        entry = table.entries.get("after")
        if entry is None:
            kind = "an action" if "action" in table.entries else "an `if`"
            self._fault(table.place, f"{kind} needs `after`: the nodes that it follows")
            return ()
        if not isinstance(entry.value, Listing) or not entry.value.items:
            self._fault(entry.value.place, "`after` is a list of at least one node")
            return ()
        return tuple(after for after in map(self._one_after, entry.value.items) if after)

    def _one_after(self, item: Tree) -> After | None:
        if not isinstance(item, Scalar) or not isinstance(item.value, str):
            self._fault(item.place, "`after` lists names of nodes: text")
            return None
        node, dot, way = item.value.partition(".")
        if dot and way not in WAYS:
            self.faults.append(unknown(item.place, "way out of a node", way, WAYS))
            return None
        return After(node, Way(way) if dot else Way.DONE, item.place)

    def _with(self, table: Table) -> Mapping[str, Entry]:
        entry = table.entries.get("with")
        if entry is None:
            return {}
        if not isinstance(entry.value, Table):
            self._fault(entry.value.place, "`with` is an object: the action's fields by name")
            return {}
        return entry.value.entries

    def _text(self, table: Table, name: str, *, limit: int = TEXT_LIMIT) -> str:
        entry = table.entries.get(name)
        if entry is None:
            return ""
        if not isinstance(entry.value, Scalar) or not isinstance(entry.value.value, str):
            self._fault(entry.value.place, f"`{name}` must be text")
            return ""
        if len(entry.value.value) > limit:
            self._fault(entry.value.place, f"`{name}` has at most {limit} characters")
        return entry.value.value

    def _flag(self, table: Table, name: str) -> bool:
        entry = table.entries.get(name)
        if entry is None:
            return False
        if isinstance(entry.value, Scalar) and isinstance(entry.value.value, bool):
            return entry.value.value
        self._fault(entry.value.place, f"`{name}` must be true or false")
        return False

    def _whole_number(self, table: Table, name: str) -> int:
        default, least, most = NUMBERS[name]
        entry = table.entries.get(name)
        if entry is None:
            return default
        value = entry.value.value if isinstance(entry.value, Scalar) else None
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            return value
        self._fault(entry.value.place, f"`{name}` must be a whole number from {least} to {most}")
        return default

    def _known_fields(self, table: Table, what: str, known: Collection[str]) -> None:
        for name, entry in table.entries.items():
            if name not in known:
                self.faults.append(unknown(entry.key_place, what, name, known))

    def _fault(self, place: Place, message: str) -> None:
        self.faults.append(Fault(place, message))
