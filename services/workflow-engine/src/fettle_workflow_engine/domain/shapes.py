"""What form a value has, as far as it is known when a document is saved.

Shapes of events are taken from the contracts' models, so that a field added there can be referred to at once.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import UnionType
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class Plain:
    """Text, a number, or true and false; `name` is what people call it."""

    name: str


@dataclass(frozen=True, slots=True)
class Anything:
    """Known only when the run is there (evidence, for one)."""

    name: str = "anything"


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    of: "Shape"
    name: str = "a list"


@dataclass(frozen=True, slots=True)
class Fields:
    """An object with these fields."""

    fields: Mapping[str, "Shape"]
    name: str = "an object"


Shape: TypeAlias = Plain | Anything | Items | Fields

TEXT = Plain("text")
TIME = Plain("a time")
NUMBER = Plain("a number")
FLAG = Plain("true or false")
ANYTHING = Anything()


def shape_of(model: type[BaseModel]) -> Fields:
    """The shape in which a message's JSON holds its fields."""
    return Fields({field.alias or name: _shape(field.annotation) for name, field in model.model_fields.items()})


def at(shape: Shape, path: Sequence[str]) -> "Shape | Missing":
    """The shape that `path` leads to; numbers count into lists."""
    for index, part in enumerate(path):
        match shape:
            case Fields(fields):
                if part not in fields:
                    return Missing(index, tuple(fields))
                shape = fields[part]
            case Items(of):
                if not part.isdecimal():
                    return Missing(index, ())
                shape = of
            case Plain():
                return Missing(index, ())
            case Anything():
                return shape
    return shape


def paths(shape: Shape) -> Iterator[str]:
    """Each value that can be named below the shape, as references write it: `ticket.subject.id`."""
    if isinstance(shape, Fields):
        for name, part in shape.fields.items():
            yield name
            yield from (f"{name}.{deeper}" for deeper in paths(part))


def common(shapes: Sequence[Shape]) -> Shape:
    """What values of any of these shapes have in common: of objects the fields that all of them have."""
    first, *others = shapes
    if all(other == first for other in others):
        return first
    objects = [shape for shape in shapes if isinstance(shape, Fields)]
    if len(objects) == len(shapes):
        shared = [name for name in objects[0].fields if all(name in other.fields for other in objects)]
        return Fields({name: common([one.fields[name] for one in objects]) for name in shared})
    lists = [shape for shape in shapes if isinstance(shape, Items)]
    return Items(common([one.of for one in lists])) if len(lists) == len(shapes) else ANYTHING


@dataclass(frozen=True, slots=True)
class Missing:
    """The path ends at its part number `index`; there, these names are known."""

    index: int
    known: tuple[str, ...]


def completed(shape: Shape, value: Any) -> Any:
    """`value` with null for every field that its shape has and it leaves out; what the shape does not know stays."""
    return completing(shape)(value)


def completing(shape: Shape) -> Callable[[Any], Any]:
    """`completed` for many values of one shape: what a shape asks for is found out once. Nothing is copied where
    nothing was left out."""
    if isinstance(shape, Items):
        of_each = completing(shape.of)
        return lambda value: [of_each(item) for item in value] if value and isinstance(value, list) else value
    if not isinstance(shape, Fields):
        return lambda value: value
    nothing: Mapping[str, Any] = dict.fromkeys(shape.fields)
    deeper = [(name, completing(part)) for name, part in shape.fields.items() if isinstance(part, Fields | Items)]

    def whole(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        found = value if value.keys() >= nothing.keys() else {**nothing, **value}
        for name, complete in deeper:
            part = found[name]
            if part is not None and (whole_part := complete(part)) is not part:
                found = dict(found) if found is value else found
                found[name] = whole_part
        return found

    return whole


def _shape(annotation: Any) -> Shape:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _shape(get_args(annotation)[0])
    if origin in (Union, UnionType):
        present = [part for part in get_args(annotation) if part is not type(None)]
        return _shape(present[0]) if len(present) == 1 else ANYTHING
    if origin in (tuple, list):
        return Items(_shape(get_args(annotation)[0]))
    if not isinstance(annotation, type):
        return ANYTHING
    if issubclass(annotation, BaseModel):
        return shape_of(annotation)
    if issubclass(annotation, bool):
        return FLAG
    if issubclass(annotation, int | float):
        return NUMBER
    if issubclass(annotation, datetime):
        return TIME
    if issubclass(annotation, str | UUID | Enum):
        return TEXT
    return ANYTHING
