"""What all messages and shared bodies have in common: frozen, tolerant readers, plain words for what is wrong."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from fettle_contracts.codes import DeadLetterCode


class Unreadable(Exception):
    """A record that is not the message it should be. `code` is one of `DeadLetterCode`, `message` is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a value: the field's path (`overrides.0.timeout_s`, empty for the whole) and the rule."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Message(BaseModel):
    """A value that crosses a border. Unknown fields are ignored; times are UTC with milliseconds."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", populate_by_name=True, serialize_by_alias=True, ser_json_inf_nan="null"
    )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises Unreadable (code `unreadable`) naming each field at fault and its rule. `"30"` is no number."""
        try:
            return cls.model_validate_json(data, strict=True)
        except ValidationError as error:
            raise Unreadable(DeadLetterCode.UNREADABLE, "; ".join(str(fault) for fault in faults(error))) from None

    def to_json(self) -> bytes:
        return self.__pydantic_serializer__.to_json(self)

    def to_dict(self) -> dict[str, Any]:
        """The value as JSON would hold it: times as text, enums as their values."""
        return self.model_dump(mode="json")


def is_none(value: object) -> bool:
    """For `Field(exclude_if=is_none)`: fields that are left out instead of being written as null."""
    return value is None


def faults(error: ValidationError) -> tuple[Fault, ...]:
    """Everything wrong with a value, in plain words, in the order of its fields."""
    return tuple(_fault(detail) for detail in error.errors(include_url=False))


def _fault(detail: ErrorDetails) -> Fault:
    return Fault(".".join(_path(detail["loc"])), in_words(detail))


def _path(location: tuple[int | str, ...]) -> Iterator[str]:
    for part in location:
        if isinstance(part, int) or not part.startswith(("function-", "tagged-union", "union", "lax-or-strict")):
            yield str(part)


def in_words(detail: ErrorDetails) -> str:
    """Which rule is broken, in plain words; in pydantic's where there are none for it."""
    context = detail.get("ctx", {})
    template = _PLAIN.get(detail["type"])
    if template is None:
        return detail["msg"].removeprefix("Value error, ")
    return template.format(**context)


_PLAIN = {
    "missing": "is missing",
    "json_invalid": "is not JSON: {error}",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "dict_type": "must be an object",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "too_long": "must have at most {max_length} items",
    "uuid_parsing": "must be a UUID",
    "uuid_type": "must be a UUID",
}
