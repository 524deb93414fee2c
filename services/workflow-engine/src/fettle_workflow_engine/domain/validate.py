"""Does a document mean something? Every fault, each with its place; a definition without faults can be run."""

from collections.abc import Iterator, Mapping

from fettle_workflow_engine.domain.catalogue import ACTIONS, ERROR, JUDGED, TRIGGERS, Wants, ends_runs
from fettle_workflow_engine.domain.check_rows import check_row
from fettle_workflow_engine.domain.check_values import Scope, check_field, check_mentions, inside
from fettle_workflow_engine.domain.definition import (
    Action,
    Branch,
    Check,
    Condition,
    Definition,
    Follower,
    Node,
    Rows,
    Trigger,
    Way,
)
from fettle_workflow_engine.domain.document import Draft, read_document
from fettle_workflow_engine.domain.faults import DocumentRefused, Fault, Place, unknown
from fettle_workflow_engine.domain.graph import ancestors, circle
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.secrets import SCOPE
from fettle_workflow_engine.domain.shapes import ANYTHING, Fields, Shape, common

EXPRESSIONS_LIMIT = 100


def load(text: str, languages: Languages) -> Definition:
    """The definition that a document describes. Raises DocumentRefused with every fault it has by itself (loops with
    other workflows are `loops.py`'s)."""
    draft = read_document(text)
    faults = [*draft.faults, *_meaning(draft, languages)]
    if faults:
        raise DocumentRefused(faults)
    return draft.definition


def _meaning(draft: Draft, languages: Languages) -> Iterator[Fault]:
    definition = draft.definition
    if definition.nodes and not definition.triggers:
        yield Fault(definition.nodes[0].place, "a workflow needs a trigger to start it")
    for trigger in definition.triggers:
        yield from _trigger(trigger, languages)
    yield from _edges(draft)
    expressions = list(_expressions(definition))
    if len(expressions) > EXPRESSIONS_LIMIT:
        rule = f"a workflow has at most {EXPRESSIONS_LIMIT} CEL expressions and patterns"
        yield Fault(expressions[EXPRESSIONS_LIMIT], rule)
        return
    before = ancestors(definition.followers)
    for node in definition.followers:
        event = _event_shape(definition, before[node.name])
        shapes = {"event": event, **_outputs(definition, before[node.name])}
        if isinstance(node, Action):
            if node.does not in ACTIONS or ACTIONS[node.does].takes_secrets:
                shapes[SCOPE] = ANYTHING
            yield from _action(node, Scope(shapes, draft.node_names), languages)
        else:
            for row in node.rows:
                yield from check_row(row, Scope(shapes, draft.node_names), languages)


def _expressions(definition: Definition) -> Iterator[Place]:
    """Where the expressions and patterns of `if`s stand, each of which takes time to read and to judge."""
    rows: list[Check] = [row for node in definition.nodes if isinstance(node, Branch) for row in node.rows]
    for row in rows:
        if isinstance(row, Rows):
            rows.extend(row.rows)
        elif isinstance(row, Condition) or row.operation == "matches":
            yield row.place


def _trigger(trigger: Trigger, languages: Languages) -> Iterator[Fault]:
    kind = TRIGGERS.get(trigger.on)
    if kind is None:
        yield unknown(trigger.place, "trigger", trigger.on, TRIGGERS)
    if trigger.where is not None:
        reading = languages.conditions.read(trigger.where.source)
        for complaint in reading.complaints:
            yield Fault(inside(trigger.where.place, complaint.place), complaint.message, complaint.suggestion)
        scope = Scope({"event": kind.event if kind else ANYTHING}, frozenset())
        yield from check_mentions(reading.mentions, trigger.where.place, scope)


def _edges(draft: Draft) -> Iterator[Fault]:
    """`after` names nodes that are there, by ways that they have, without a circle."""
    built = {node.name: node for node in draft.definition.nodes}
    for node in draft.definition.followers:
        for after in node.after:
            if after.node not in draft.node_names:
                yield unknown(after.place, "node", after.node, draft.node_names - {node.name})
            elif after.node in built and (wrong := _no_way_out(built[after.node], after.way)):
                yield Fault(after.place, f"{after.node!r} {wrong}", after.node if after.way is not Way.DONE else None)
    around = circle(draft.definition.followers)
    if around:
        yield Fault(built[around[0]].place, f"nodes wait for each other: {' after '.join(around)}")


def _no_way_out(node: Node, way: Way) -> str | None:
    """Why nothing follows the node by this way, if nothing can."""
    match node:
        case Trigger() if way is not Way.DONE:
            return "is a trigger: it cannot fail" if way is Way.ERROR else "is a trigger: only an `if` is true or false"
        case Branch() if way is Way.ERROR:
            return "is an `if`: it cannot fail; what cannot be compared is false"
        case Action() if ends_runs(node.does):
            return "ends the run: nothing follows it"
        case Action() if way in (Way.TRUE, Way.FALSE):
            return "is an action: only an `if` is true or false"
    return None


def _action(action: Action, scope: Scope, languages: Languages) -> Iterator[Fault]:
    kind = ACTIONS.get(action.does)
    if kind is None:
        yield unknown(action.place, "action", action.does, ACTIONS)
    for name, value in action.fields.items():
        wants = kind.fields[name].wants if kind and name in kind.fields else Wants.JSON  # of what is unknown: names
        yield from check_field(name, wants, value, scope, languages.templates)
        if kind and name not in kind.fields:
            yield unknown(action.field_places[name], f"field of {action.does}", name, kind.fields)
    for name, field in kind.fields.items() if kind else ():
        if field.required and name not in action.field_places:
            yield Fault(action.place, f"{action.does} needs `{name}`: {field.wants.value}")


def _event_shape(definition: Definition, before: frozenset[str]) -> Shape:
    """What the events have in common that a node can run for: those of the triggers before it, as one of them has
    fired when it runs."""
    known = [trigger for trigger in definition.triggers if trigger.on in TRIGGERS]
    leading = [trigger for trigger in known if trigger.name in before] or known
    return common([TRIGGERS[trigger.on].event for trigger in leading]) if leading else ANYTHING


def _outputs(definition: Definition, before: frozenset[str]) -> Mapping[str, Shape]:
    return {node.name: _output(node) for node in definition.followers if node.name in before}


def _output(node: Follower) -> Shape:
    if isinstance(node, Branch):
        return JUDGED
    kind = ACTIONS.get(node.does)
    return Fields({**kind.output.fields, "error": ERROR}) if kind else ANYTHING
