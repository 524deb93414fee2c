"""Whether what stands in a field can be what the field wants, and whether what it names is there."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fettle_contracts.identity import SubjectType
from fettle_contracts.ticket import MONITOR_KEY_PREFIXES
from fettle_workflow_engine.domain.catalogue import ACTIONS, CHANGES, Wants
from fettle_workflow_engine.domain.definition import Fixed, Group, Reference, Series, Template, Value
from fettle_workflow_engine.domain.durations import LONGEST_WAIT_S, seconds_of
from fettle_workflow_engine.domain.faults import Fault, Place, suggest, unknown
from fettle_workflow_engine.domain.http_requests import METHODS, expected, timeout_of
from fettle_workflow_engine.domain.languages import Mention, Templates
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.secrets import SCOPE
from fettle_workflow_engine.domain.shapes import FLAG, Anything, Fields, Items, Missing, Plain, Shape, at

SUBJECT_PARTS = ("type", "id", "name")
LINK_PARTS = ("label", "url")
WATCH_PARTS = ("ticket", "change")
TICKET_PARTS = ("dedup_key",)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a node may name: `event` and the outputs of the nodes before it. `nodes` are all names of the document."""

    shapes: Mapping[str, Shape]
    nodes: frozenset[str]


def inside(base: Place, place: Place) -> Place:
    """A place in a text of its own, as a place in the document that the text begins in at `base`."""
    if place.line == 1:
        return Place(base.line, base.column + place.column - 1)
    return Place(base.line + place.line - 1, place.column)


def check_field(name: str, wants: Wants, value: Value, scope: Scope, templates: Templates) -> Iterator[Fault]:
    """Every fault of one field."""
    match value:
        case Fixed(fixed, place):
            yield from _fixed(name, wants, fixed, place)
        case Reference():
            yield from _reference(name, wants, value, scope)
        case Template(_, place):
            yield from check_template(value, scope, templates)
            if wants in (Wants.SUBJECT, Wants.LINKS, Wants.WATCH, Wants.TEXTS):
                yield Fault(place, f"`{name}` is {wants.value}; a template gives text")
        case Group(parts, place) if wants is Wants.SUBJECT:
            yield from _parts(name, SUBJECT_PARTS, ("type", "id"), parts, place, scope, templates)
        case Group(parts, place) if wants is Wants.TICKET and name == "ticket":
            yield from _parts(name, TICKET_PARTS, TICKET_PARTS, parts, place, scope, templates)
        case Group(_, place) if wants is Wants.TICKET:
            yield Fault(place, f"`{name}` must be a ticket's id or number")
        case Group(parts, place) if wants is Wants.WATCH:
            yield from _parts(name, WATCH_PARTS, WATCH_PARTS, parts, place, scope, templates)
        case Group(parts, _) if wants in (Wants.TEXTS, Wants.JSON):
            for part, inner in parts.items():
                within = Wants.TEXT if wants is Wants.TEXTS else Wants.JSON
                yield from check_field(f"{name}.{part}", within, inner, scope, templates)
        case Series(items, _) if wants is Wants.JSON:
            for index, inner in enumerate(items):
                yield from check_field(f"{name}.{index}", Wants.JSON, inner, scope, templates)
        case Series(items, _) if wants is Wants.ADDRESSES:
            for inner in items:
                yield from check_field(name, Wants.TEXT, inner, scope, templates)
        case Series(items, _) if wants is Wants.LINKS:
            for item in items:
                yield from _link(name, item, scope, templates)
        case Group(_, place) | Series(_, place):
            yield Fault(place, f"`{name}` must be {wants.value}")


def check_template(template: Template, scope: Scope, templates: Templates) -> Iterator[Fault]:
    """What is wrong with a template by itself, and every name in it that means nothing there."""
    reading = templates.read(template.source)
    for complaint in reading.complaints:
        yield Fault(inside(template.place, complaint.place), complaint.message, complaint.suggestion)
    yield from check_mentions(reading.mentions, template.place, scope)


def check_reference(reference: Reference, scope: Scope) -> Iterator[Fault]:
    """The fault of a reference that leads nowhere."""
    yield from _named(reference.path, reference.place, scope)


def check_mentions(mentions: Sequence[Mention], base: Place, scope: Scope) -> Iterator[Fault]:
    """Every name in a template or condition that means nothing there."""
    for mention in mentions:
        yield from _named(mention.path, inside(base, mention.place), scope)


def _named(path: tuple[str, ...], place: Place, scope: Scope) -> Iterator[Fault]:
    root, *rest = path
    shape = scope.shapes.get(root)
    if shape is None:
        if root == SCOPE:
            takers = [name for name, kind in ACTIONS.items() if kind.takes_secrets]
            yield Fault(place, f"secrets are for {', '.join(takers)} alone")
        elif root in scope.nodes:
            yield Fault(
                place, f"{root!r} has nothing to refer to here: only actions and `if`s that run before this node have"
            )
        else:
            yield unknown(place, "name", root, scope.shapes)
        return
    found = at(shape, rest)
    if isinstance(found, Missing):
        parent = ".".join(path[: found.index + 1])
        wrong = rest[found.index]
        known = f"; known: {', '.join(sorted(found.known))}" if found.known else ""
        near = suggest(wrong, found.known)
        suggestion = ".".join((*path[: found.index + 1], near, *rest[found.index + 1 :])) if near else None
        yield Fault(place, f"{parent!r} has no {wrong!r}{known}", suggestion)


def _reference(name: str, wants: Wants, reference: Reference, scope: Scope) -> Iterator[Fault]:
    faults = list(_named(reference.path, reference.place, scope))
    yield from faults
    if faults:
        return
    shape = at(scope.shapes[reference.path[0]], reference.path[1:])
    if not isinstance(shape, Missing) and not _fits(wants, shape):
        yield Fault(reference.place, f"`{name}` must be {wants.value}; {reference} is {shape.name}")


def _fits(wants: Wants, shape: Shape) -> bool:
    match wants, shape:
        case _, Anything():
            return True
        case Wants.JSON, _:
            return True
        case Wants.TEXT | Wants.DURATION | Wants.METHOD | Wants.SECONDS | Wants.STATUSES, Plain():
            return True
        case Wants.TICKET, Plain():
            return shape != FLAG
        case Wants.ADDRESSES, Plain() | Items(Plain()):
            return True
        case Wants.TEXTS, Fields():
            return True
        case Wants.TICKET, Fields(fields):
            return {"id", "number"} <= fields.keys()
        case Wants.SUBJECT, Fields(fields):
            return {"type", "id"} <= fields.keys()
        case Wants.LINKS, Items(Fields(fields)):
            return set(LINK_PARTS) <= fields.keys()
    return False


def _fixed(name: str, wants: Wants, fixed: object, place: Place) -> Iterator[Fault]:
    if wants is Wants.DURATION:
        yield from _duration(name, fixed, place)
        return
    if wants in _FITTING:
        if not _FITTING[wants](fixed):
            yield Fault(place, f"`{name}` must be {wants.value}")
        return
    is_number = isinstance(fixed, int) and not isinstance(fixed, bool)
    if not (wants in (Wants.TEXT, Wants.TICKET) and isinstance(fixed, str)) and not (
        wants is Wants.TICKET and is_number
    ):
        yield Fault(place, f"`{name}` must be {wants.value}")
    elif name == "dedup_key" and str(fixed).startswith(MONITOR_KEY_PREFIXES):
        yield Fault(place, f"keys that begin with {' or '.join(MONITOR_KEY_PREFIXES)} are the health monitor's alone")


def _readable(read: Callable[[Any], object]) -> Callable[[object], bool]:
    def fits(fixed: object) -> bool:
        try:
            read(fixed)
        except InputFailed:
            return False
        return True

    return fits


_FITTING: Mapping[Wants, Callable[[object], bool]] = {
    Wants.METHOD: lambda fixed: isinstance(fixed, str) and fixed.upper() in METHODS,
    Wants.JSON: lambda _: True,
    Wants.ADDRESSES: lambda fixed: isinstance(fixed, str),
    Wants.SECONDS: _readable(lambda fixed: timeout_of({"timeout_s": fixed})),
    Wants.STATUSES: _readable(expected),
}


def _duration(name: str, fixed: object, place: Place) -> Iterator[Fault]:
    seconds = seconds_of(fixed)
    if seconds is None:
        yield Fault(place, f"`{name}` must be {Wants.DURATION.value}")
    elif not 1 <= seconds <= LONGEST_WAIT_S:
        yield Fault(place, f"`{name}` must be from 1 s to {LONGEST_WAIT_S // 86_400} d")


def _link(name: str, item: Value, scope: Scope, templates: Templates) -> Iterator[Fault]:
    if isinstance(item, Group):
        yield from _parts(name, LINK_PARTS, LINK_PARTS, item.parts, item.place, scope, templates)
    else:
        yield Fault(item.place, f"`{name}` must be {Wants.LINKS.value}")


def _parts(
    name: str,
    known: Sequence[str],
    required: Sequence[str],
    parts: Mapping[str, Value],
    place: Place,
    scope: Scope,
    templates: Templates,
) -> Iterator[Fault]:
    for part, value in parts.items():
        if part not in known:
            yield unknown(value.place, f"part of `{name}`", part, known)
            continue
        wants = Wants.TICKET if part == "ticket" else Wants.TEXT
        yield from check_field(f"{name}.{part}", wants, value, scope, templates)
        if part == "change" and isinstance(value, Fixed) and value.value not in CHANGES:
            yield unknown(value.place, "change of a ticket", str(value.value), CHANGES)
        if name == "subject" and part == "type" and isinstance(value, Fixed) and value.value not in tuple(SubjectType):
            yield unknown(value.place, "subject type", str(value.value), list(SubjectType))
    for part in required:
        if part not in parts:
            yield Fault(place, f"`{name}` needs `{part}`")
