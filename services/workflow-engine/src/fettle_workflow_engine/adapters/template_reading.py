"""What can be known of a template before it is filled: what it may not use, and which values it names."""

from collections.abc import Iterator

from jinja2 import nodes

from fettle_workflow_engine.adapters.template_filters import FILTERS
from fettle_workflow_engine.domain.faults import Place, suggest
from fettle_workflow_engine.domain.languages import Complaint, Mention
from fettle_workflow_engine.domain.secrets import SCOPE

DEPTH_LIMIT = 40
TESTS = ("defined", "undefined", "none", "number", "string", "eq", "ne", "lt", "le", "gt", "ge", "in", "even", "odd")
LOOP_FIELDS = ("index", "index0", "first", "last", "length")

ALLOWED_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Const,
    nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.If,
    nodes.For, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg,
    nodes.List, nodes.Tuple, nodes.Keyword,
)  # fmt: skip
WORDS: dict[type[nodes.Node], str] = {
    nodes.Call: "a call",
    nodes.Assign: "set",
    nodes.Pow: "**",
    nodes.Dict: "an object",
}


def complaints_of(tree: nodes.Template, source: str) -> Iterator[Complaint]:
    """What of Jinja's language is not part of templates here, and names of filters and tests that there are not."""
    if _depth(tree) > DEPTH_LIMIT:
        yield Complaint("the template is nested too deep", Place(1, 1))
        return
    for node in _all_nodes(tree):
        if not isinstance(node, ALLOWED_NODES):
            what = WORDS.get(type(node), type(node).__name__.lower())
            yield Complaint(f"{what} is not part of templates; values, filters, if and for are", Place(node.lineno, 1))
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            place = find_name(source, node.name, node.lineno)
            yield Complaint(f"unknown filter {node.name!r}", place, suggest(node.name, FILTERS))
        elif isinstance(node, nodes.Test) and node.name not in TESTS:
            place = find_name(source, node.name, node.lineno)
            yield Complaint(f"unknown test {node.name!r}", place, suggest(node.name, TESTS))
        elif isinstance(node, nodes.For) and node.recursive:
            yield Complaint("a recursive loop is not part of templates", Place(node.lineno, 1))
    yield from _secrets_in_company(tree, source)


def _secrets_in_company(tree: nodes.Template, source: str) -> Iterator[Complaint]:
    """A filter or an operation would see a name instead of the secret: that is filled in after the template."""
    alone = {
        id(shown.node)
        for output in tree.find_all(nodes.Output)
        for shown in output.nodes
        if isinstance(shown, nodes.Getattr)
    }
    for name in tree.find_all(nodes.Name):
        if name.name == SCOPE and id(name) not in alone:
            place = find_name(source, SCOPE, name.lineno)
            yield Complaint("a secret stands alone between its braces: {{ secrets.name }}", place)


def mentions_of(node: nodes.Node, source: str, bound: frozenset[str] = frozenset()) -> Iterator[Mention]:
    """Every chain of names that starts at a name from outside the template; `bound` are the loops' own names."""
    path = _path(node)
    if path:
        if path[0] not in bound:
            yield Mention(path, find_name(source, path[0], node.lineno))
    elif isinstance(node, nodes.For):
        inside = bound | {name.name for name in _all_nodes(node.target) if isinstance(name, nodes.Name)} | {"loop"}
        for inner in (*node.body, *([node.test] if node.test else ())):
            yield from mentions_of(inner, source, inside)
        for outer in (node.iter, *node.else_):
            yield from mentions_of(outer, source, bound)
    else:
        for child in node.iter_child_nodes():
            yield from mentions_of(child, source, bound)


def find_name(source: str, name: str, line: int) -> Place:
    """Where `name` first stands in its line; Jinja knows lines only."""
    lines = source.splitlines() or [""]
    return Place(line, max(lines[min(line, len(lines)) - 1].find(name), 0) + 1)


def _path(node: nodes.Node) -> tuple[str, ...] | None:
    """`a.b.c` as its names; a computed index ends it."""
    match node:
        case nodes.Name(name=name, ctx="load"):
            return (name,)
        case nodes.Getattr(node=parent, attr=attribute):
            above = _path(parent)
            return (*above, attribute) if above else None
        case nodes.Getitem(node=parent, arg=nodes.Const(value=str() | int() as key)):
            above = _path(parent)
            return (*above, str(key)) if above else None
    return None


def _all_nodes(node: nodes.Node) -> Iterator[nodes.Node]:
    yield node
    for child in node.iter_child_nodes():
        yield from _all_nodes(child)


def _depth(tree: nodes.Node) -> int:
    deepest, level = 0, [tree]
    while level:
        deepest += 1
        level = [child for node in level for child in node.iter_child_nodes()]
    return deepest
