"""What of a workflow is drawn: its nodes, and by which ways out of each others follow."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from fettle_workflow_engine.domain.definition import Action, Definition, Node, Trigger, Way


class NodeKind(StrEnum):
    """What a node is: it starts runs, parts their ways, or does something."""

    TRIGGER = "trigger"
    IF = "if"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class Edge:
    """From `node`, by the way `way` out of it."""

    node: str
    way: Way


@dataclass(frozen=True, slots=True)
class OutlinedNode:
    """One node. `does` is the name of its trigger or action, None for an `if`; `line` is where in its document that
    stands, from 1."""

    node: str
    kind: NodeKind
    does: str | None
    after: tuple[Edge, ...]
    line: int


def outline(definition: Definition) -> Sequence[OutlinedNode]:
    """All nodes in document order, which is that in which they run."""
    return [_outlined(node) for node in definition.nodes]


def _outlined(node: Node) -> OutlinedNode:
    if isinstance(node, Trigger):
        return OutlinedNode(node.name, NodeKind.TRIGGER, node.on, (), node.place.line)
    after = tuple(Edge(one.node, one.way) for one in node.after)
    if isinstance(node, Action):
        return OutlinedNode(node.name, NodeKind.ACTION, node.does, after, node.place.line)
    return OutlinedNode(node.name, NodeKind.IF, None, after, node.place.line)
