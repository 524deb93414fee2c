"""How much a template may do: so many turns of its loops, and so many steps, counted and not timed, so that a run which
is resumed elsewhere comes to the same.

A step takes a quarter of a microsecond, and half of one where a machine is slow. What a turn takes is counted in the
document, what goes through texts and lists by their sizes, before it is done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jinja2 import Undefined, nodes, pass_context
from jinja2.runtime import Context

TURNS_LIMIT, STEPS_LIMIT = 10_000, 40_000
CHARACTERS = 50
"""Of a text that are a step."""
WORK, TURNS, WEIGHED = " work", " turns", " weighed"
"""A name and two filters; no template can spell them."""

_HEAVY = (nodes.Filter, nodes.Test, nodes.Mul, nodes.Mod, nodes.Concat, nodes.Compare)
_COMPARING = (nodes.Compare, nodes.Test, nodes.Concat, nodes.Add)
"""What goes through its operands."""


@dataclass(slots=True)
class Work:
    """What is left for one text."""

    turns: int = TURNS_LIMIT
    steps: int = STEPS_LIMIT


def spend(context: Context, steps: int) -> None:
    """Raises ValueError when there are none left."""
    work: Work = context[WORK]
    work.steps -= steps
    if work.steps < 0:
        raise ValueError("it would take longer than 50 ms over this data")


def weigh(context: Context, value: Any) -> None:
    """Spends what it takes to go through a value, all that is in it included."""
    ahead = [value]
    while ahead:
        one = ahead.pop()
        if isinstance(one, str):
            spend(context, 1 + len(one) // CHARACTERS)
        elif isinstance(one, dict):
            spend(context, 1 + 2 * len(one))
            ahead.extend(one.values())
        elif isinstance(one, list | tuple):
            spend(context, 1 + len(one))
            ahead.extend(one)


@pass_context
def weighed(context: Context, value: Any) -> Any:
    """The value itself."""
    weigh(context, value)
    return value


@pass_context
def count_turns(context: Context, value: Any, steps: int) -> Iterator[Any]:
    """What a loop goes over, at so many steps a turn."""
    if isinstance(value, Undefined):
        iter(value)  # raises, naming what is undefined
    if not isinstance(value, list | tuple):
        raise TypeError("a loop goes over a list")
    work: Work = context[WORK]
    for item in value:
        work.turns -= 1
        if work.turns < 0:
            raise ValueError(f"loops take at most {TURNS_LIMIT} turns")
        spend(context, steps)
        yield item


def counted(tree: nodes.Template) -> nodes.Template:
    """The template, counting what it does. Changes and returns it."""
    loops = list(tree.find_all(nodes.For))
    turns = [_steps_of_a_turn(loop) for loop in loops]
    for node in list(tree.find_all(_COMPARING)):
        _weigh_operands(node)
    for loop, steps in zip(loops, turns, strict=True):
        loop.iter = _filtered(loop.iter, TURNS, nodes.Const(steps))
    return tree


def _weigh_operands(node: nodes.Node) -> None:
    match node:
        case nodes.Compare():
            node.expr = _filtered(node.expr, WEIGHED)
            for operand in node.ops:
                operand.expr = _filtered(operand.expr, WEIGHED)
        case nodes.Test() if node.args:
            node.node = _filtered(node.node, WEIGHED)
            node.args = [_filtered(one, WEIGHED) for one in node.args]
        case nodes.Concat():
            node.nodes = [_filtered(one, WEIGHED) for one in node.nodes]
        case nodes.Add():
            node.left, node.right = _filtered(node.left, WEIGHED), _filtered(node.right, WEIGHED)


def _filtered(node: nodes.Node, name: str, *given: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, list(given), [], None, None, lineno=node.lineno)


def _steps_of_a_turn(loop: nodes.For) -> int:
    """What stands in the loop; of a loop inside it what it goes over, as its turns count by themselves."""
    steps, ahead = 1, [loop.target, *loop.body, *([loop.test] if loop.test else [])]
    while ahead:
        node = ahead.pop()
        steps += 4 if isinstance(node, _HEAVY) else 1
        ahead.extend((node.iter, *node.else_) if isinstance(node, nodes.For) else node.iter_child_nodes())
    return steps
