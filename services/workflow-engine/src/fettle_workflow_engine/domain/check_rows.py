"""Whether the rows of an `if` node mean something: what they name is there, and operation, value and what it is
compared with can fit."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from fettle_contracts.times import parse_time
from fettle_workflow_engine.domain.check_values import Scope, check_mentions, check_reference, check_template, inside
from fettle_workflow_engine.domain.conditions import kind_of
from fettle_workflow_engine.domain.definition import (
    Check,
    Condition,
    Fixed,
    Group,
    Reference,
    Row,
    Rows,
    Series,
    Template,
    Value,
)
from fettle_workflow_engine.domain.faults import Fault, Place, suggest, unknown
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.operations import (
    DAYS,
    LENGTHS,
    MONTHS,
    OPERATIONS,
    PAIRS,
    REFERABLE,
    Operand,
    age,
    clock_time,
    may_fit,
    zone_of,
)
from fettle_workflow_engine.domain.shapes import FLAG, NUMBER, TEXT, TIME, Anything, Fields, Items, Missing, Shape, at


def check_row(row: Check, scope: Scope, languages: Languages) -> Iterator[Fault]:
    """Every fault of one row, and of those in it."""
    match row:
        case Rows(_, rows):
            for one in rows:
                yield from check_row(one, scope, languages)
        case Condition(source, place):
            reading = languages.conditions.read(source)
            for complaint in reading.complaints:
                yield Fault(inside(place, complaint.place), complaint.message, complaint.suggestion)
            yield from check_mentions(reading.mentions, place, scope)
        case Row():
            yield from _comparison(row, scope, languages)


def _comparison(row: Row, scope: Scope, languages: Languages) -> Iterator[Fault]:
    operation = OPERATIONS[row.operation]
    faults = list(_named(row.value, scope, languages))
    yield from faults
    shape = None if faults else _shape(row.value, scope)
    if shape is None:
        if isinstance(row.value, Group):
            yield Fault(row.value.place, "`value` is a reference, a template, or what it is itself")
    elif not may_fit(operation, shape):
        yield Fault(
            row.place, f"{row.operation} is for {' or '.join(operation.fits)}; {_told(row.value)} is {shape.name}"
        )
        return
    faults = list(_operand(row, operation.operand, row.operand, scope, languages))
    yield from faults
    if not faults and shape is not None and operation.operand is Operand.PLAIN:
        yield from _alike(row, shape, scope)
    if row.zone is not None:
        yield from _zone(row.zone, row.zone_place)


def _operand(row: Row, wants: Operand, operand: Value, scope: Scope, languages: Languages) -> Iterator[Fault]:
    if wants in PAIRS:
        if isinstance(operand, Series) and len(operand.items) == 2:
            for item in operand.items:
                yield from _operand(row, PAIRS[wants], item, scope, languages)
            if wants is Operand.NUMBERS and _fixed_numbers(operand) and operand.items[0].value > operand.items[1].value:  # type: ignore[union-attr]
                yield Fault(operand.place, "nothing is in this range: its least is above its most")
        else:
            yield Fault(_place(operand), f"`{row.operation}` must be {wants.value}")
    elif isinstance(operand, Reference | Template) and wants not in REFERABLE:
        yield Fault(operand.place, f"`{row.operation}` must stand in the document: {wants.value}")
    elif isinstance(operand, Reference | Template):
        faults = list(_named(operand, scope, languages))
        yield from faults
        if not faults and isinstance(operand, Reference):
            shape = _shape(operand, scope)
            if shape is not None and not _can_be(wants, shape):
                yield Fault(operand.place, f"`{row.operation}` must be {wants.value}; {operand} is {shape.name}")
        elif isinstance(operand, Template) and wants is Operand.NUMBER:
            yield Fault(operand.place, f"`{row.operation}` must be {wants.value}; a template gives text")
    else:
        yield from _fixed(row.operation, wants, operand, languages)


def _fixed(operation: str, wants: Operand, operand: Value, languages: Languages) -> Iterator[Fault]:
    """Faults of what stands in the document itself."""
    must = Fault(_place(operand), f"`{operation}` must be {wants.value}")
    plain = _plain(operand)
    match wants:
        case Operand.PATTERN:
            wrong = languages.conditions.read_pattern(plain) if isinstance(plain, str) else wants.value
            if wrong:
                yield Fault(_place(operand), wrong if isinstance(plain, str) else must.message)
        case Operand.DAYS | Operand.MONTHS:
            known = DAYS if wants is Operand.DAYS else MONTHS
            if not isinstance(operand, Series) or not operand.items:
                yield must
                return
            for item in operand.items:
                if not isinstance(item, Fixed) or item.value not in known:
                    near = suggest(str(item.value).lower(), known) if isinstance(item, Fixed) else None
                    yield Fault(_place(item), must.message, near or _beginning(item, known))
        case Operand.CLOCK:
            yield from _clock(operation, operand)
        case Operand.LENGTH:
            yield from _length(operand)
        case Operand.TEXT if plain == "":
            yield Fault(_place(operand), f"`{operation}` must be text that is not empty")
        case Operand.PLAIN if plain is None and isinstance(operand, Fixed):
            yield Fault(operand.place, "nothing is compared with null; `exists: false` asks for it", "exists")
        case _:
            if not _READS[wants](plain):
                yield must


def _length(operand: Value) -> Iterator[Fault]:
    plain = _plain(operand)
    if isinstance(plain, int) and not isinstance(plain, bool) and plain >= 0:
        return
    if not isinstance(operand, Group) or len(operand.parts) != 1:
        yield Fault(_place(operand), f"`length` must be {Operand.LENGTH.value}")
        return
    ((how, length),) = operand.parts.items()
    if how not in LENGTHS:
        yield unknown(_place(length), "comparison of a length", how, LENGTHS)
        return
    numbers = length.items if isinstance(length, Series) and how == "in_range" else (length,)
    wants = Operand.NUMBERS if how == "in_range" else Operand.NUMBER
    if len(numbers) != (2 if how == "in_range" else 1) or not all(
        _READS[Operand.NUMBER](_plain(one)) for one in numbers
    ):
        yield Fault(_place(length), f"`{how}` must be {wants.value}")


def _clock(operation: str, operand: Value) -> Iterator[Fault]:
    texts = [_plain(item) for item in operand.items] if isinstance(operand, Series) else []
    try:
        start, end = (clock_time(text) for text in texts if isinstance(text, str))
    except ValueError:
        yield Fault(_place(operand), f"`{operation}` must be {Operand.CLOCK.value}")
        return
    if start == end:
        yield Fault(_place(operand), "no time of the day is between these two: they are the same")


def _zone(name: str, place: Place) -> Iterator[Fault]:
    try:
        zone_of(name)
    except ValueError:
        message = f"there is no time zone {name!r}; one is called for instance Europe/Oslo"
        yield Fault(place, message, _near_zone(name))


def _near_zone(name: str) -> str | None:
    """The zone of a place that is called alike; compared with few, since a document may name many bad zones."""
    place = name.rpartition("/")[2].lower()
    zones = _zones_by_place()
    near = place if place in zones else suggest(place, [known for known in zones if known[:1] == place[:1]])
    return zones[near] if near else None


@cache
def _zones_by_place() -> Mapping[str, str]:
    """`oslo` is `Europe/Oslo`; of several that end alike the one that people use."""
    ordered = sorted(available_timezones(), key=lambda zone: (zone.count("/") == 1, not zone.startswith("Etc/"), zone))
    return {zone.rpartition("/")[2].lower(): zone for zone in ordered}


def _alike(row: Row, shape: Shape, scope: Scope) -> Iterator[Fault]:
    """Text never equals a number."""
    kind = kind_of(row.operand.value) if isinstance(row.operand, Fixed) and row.operand.value is not None else None
    if isinstance(row.operand, Reference) and (other := _shape(row.operand, scope)) and not isinstance(other, Anything):
        kind = TEXT.name if other == TIME else other.name
    if isinstance(row.operand, Template):
        kind = TEXT.name
    if kind is None or isinstance(shape, Anything | Items):
        return
    if kind != (TEXT.name if shape == TIME else shape.name):
        yield Fault(_place(row.operand), f"{_told(row.value)} is {shape.name}: `{row.operation}` cannot be {kind}")


def _named(value: Value, scope: Scope, languages: Languages) -> Iterator[Fault]:
    match value:
        case Reference():
            yield from check_reference(value, scope)
        case Template():
            yield from check_template(value, scope, languages.templates)


def _shape(value: Value, scope: Scope) -> Shape | None:
    """What is known of a value that names something that is there."""
    match value:
        case Reference(path):
            found = at(scope.shapes[path[0]], path[1:]) if path[0] in scope.shapes else None
            return None if isinstance(found, Missing) else found
        case Template():
            return TEXT
        case Fixed(fixed):
            shapes = {TEXT.name: TEXT, NUMBER.name: NUMBER, FLAG.name: FLAG}
            return shapes.get(kind_of(fixed), Anything())
        case Series():
            return Items(Anything())
    return None


def _can_be(wants: Operand, shape: Shape) -> bool:
    match shape:
        case Anything():
            return True
        case Items() | Fields():
            return False
    kinds = {Operand.TEXT: (TEXT, TIME), Operand.NUMBER: (NUMBER,), Operand.TIME: (TEXT, TIME)}
    return shape in kinds.get(wants, (shape,))


def _fixed_numbers(pair: Series) -> bool:
    return all(isinstance(item, Fixed) and _READS[Operand.NUMBER](item.value) for item in pair.items)


def _plain(value: Value) -> Any:
    return value.value if isinstance(value, Fixed) else None


def _is_time(plain: Any) -> bool:
    return isinstance(plain, str) and _readable(parse_time, plain)


def _readable(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


_READS: dict[Operand, Callable[[Any], bool]] = {
    Operand.PLAIN: lambda plain: plain is not None,
    Operand.TEXT: lambda plain: isinstance(plain, str) and plain != "",
    Operand.NUMBER: lambda plain: isinstance(plain, int | float) and not isinstance(plain, bool),
    Operand.TIME: _is_time,
    Operand.FLAG: lambda plain: isinstance(plain, bool),
    Operand.AGE: lambda plain: isinstance(plain, str) and _readable(age, plain),
}


def _beginning(item: Value, known: tuple[str, ...]) -> str | None:
    """`Monday` means `mon`."""
    text = item.value.lower() if isinstance(item, Fixed) and isinstance(item.value, str) else ""
    return text[:3] if text[:3] in known else None


def _told(value: Value) -> str:
    return str(value) if isinstance(value, Reference) else "the value"


def _place(value: Value) -> Place:
    return value.place
