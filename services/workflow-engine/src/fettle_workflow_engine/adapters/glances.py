"""Messages told by a glance: whether JSON is the message that it should be, without making the message of it.

What a glance takes, the model takes too; of everything else the model decides, and says what is wrong. So both come to
the same, and what comes in thousands is read once instead of twice.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin
from uuid import UUID

import msgspec
from pydantic import Field, PlainSerializer, WithJsonSchema

from fettle_contracts.identity import ORG_PATTERN, OrgName, SubjectId
from fettle_contracts.message import Message
from fettle_contracts.times import Instant
from fettle_workflow_engine.adapters.json_text import read_json

DEEPEST = 100
"""Brackets that text which is told by a glance opens at most, and so how deep it is nested: the model allows more."""

_DAYS = "(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31"
_TIME = rf"\A[12][0-9]{{3}}-({_DAYS})T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{{1,6}})?Z\Z"
_UUID = r"\A[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"
_SUBJECT_ID = r"\A[^\x00-\x1f\x7f-\x9f]{1,50}\Z"  # of four bytes at most each

_BY_RULE: Mapping[Any, Any] = {
    get_args(Instant)[1]: Annotated[str, msgspec.Meta(pattern=_TIME)],
    get_args(OrgName)[1]: Annotated[str, msgspec.Meta(pattern=rf"\A{ORG_PATTERN}\Z")],
    get_args(SubjectId)[1]: Annotated[str, msgspec.Meta(pattern=_SUBJECT_ID)],
}
_LEAST: Any = type(Field(ge=0).metadata[0])
_SAYS_NOTHING = (PlainSerializer, WithJsonSchema)


def reading(model: type[Message]) -> Callable[[bytes], Any]:
    """What `read_json` makes of a text, if `model` reads it too; raises Unreadable as `model.from_json` does. Raises
    TypeError for a model with a rule that no glance knows."""
    glance = glance_of(model)

    def read(raw: bytes) -> Any:
        try:
            value = msgspec.json.decode(raw)
            if raw.count(b"{") + raw.count(b"[") <= DEEPEST:
                msgspec.convert(value, glance)
                return value
        except (ValueError, RecursionError):  # for the model to say
            pass
        model.from_json(raw)
        return read_json(raw)

    return read


@cache
def glance_of(model: type[Message]) -> type[msgspec.Struct]:
    """A structure that takes nothing which the model does not."""
    rules = model.__pydantic_decorators__
    if rules.validators or rules.field_validators or rules.root_validators or rules.model_validators:
        raise TypeError(f"{model.__name__} has rules of its own")
    required, optional, spellings = [], [], dict[str, str]()
    for name, about in model.model_fields.items():
        looks = _looks(about.annotation, about.metadata)
        if about.is_required():
            if about.alias is not None:
                raise TypeError(f"no glance knows how {model.__name__} spells {name}")
            required.append((name, looks))
            continue
        optional.append((name, looks, None))
        if about.alias is not None:  # a message may use either
            optional.append((f"{name}_again", looks, None))
            spellings[f"{name}_again"] = about.alias
    return msgspec.defstruct(model.__name__, [*required, *optional], rename=spellings, gc=False)


def _looks(annotation: Any, rules: Iterable[Any] = ()) -> Any:
    """Raises TypeError for what no glance knows."""
    looks = None
    for rule in rules:
        if rule in _BY_RULE:
            looks = _BY_RULE[rule]
        elif isinstance(rule, _LEAST):
            looks = Annotated[_plain(annotation), msgspec.Meta(ge=rule.ge)]
        elif not isinstance(rule, _SAYS_NOTHING):
            raise TypeError(f"no glance knows {rule}")
    return _plain(annotation) if looks is None else looks


def _plain(annotation: Any) -> Any:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _looks(parts[0], annotation.__metadata__)
    if origin in (Union, UnionType) and len(parts) == 2 and NoneType in parts:
        return _looks(parts[parts[0] is NoneType]) | None
    if origin is tuple and parts[1:] == (...,):
        return tuple[_looks(parts[0]), ...]  # type: ignore[misc]
    if annotation in (str, int, bool, dict[str, Any]):
        return annotation
    if annotation is UUID:
        return Annotated[str, msgspec.Meta(pattern=_UUID)]
    if isinstance(annotation, type) and issubclass(annotation, Message):
        return glance_of(annotation)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return annotation
    raise TypeError(f"no glance knows {annotation}")
