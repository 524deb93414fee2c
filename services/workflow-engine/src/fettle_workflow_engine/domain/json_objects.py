"""Data from outside that becomes part of an event: JSON objects that can be kept, compared and shown again."""

import json
import math
from typing import Any

DEPTH_LIMIT = 64
INTEGER_LIMIT = 2**63


class NoObject(ValueError):
    """The text is not such an object; the text of this says why, as the end of a sentence that names it."""


def read_object(raw: bytes, limit: int) -> dict[str, Any]:
    """The JSON object in `raw`, of at most `limit` bytes. Raises NoObject: also for what JSON has no word for (NaN),
    numbers of more than 64 bits, half of a surrogate pair, U+0000, and nesting of more than 64."""
    if len(raw) > limit:
        raise NoObject(f"is over {limit} bytes")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        raise NoObject("is not JSON") from None
    if not isinstance(value, dict):
        raise NoObject("is not a JSON object")
    return kept(value)


def kept(value: dict[str, Any]) -> dict[str, Any]:
    """The value itself. Raises NoObject, as `read_object` does, for one that cannot be kept."""
    level: list[Any] = [value]
    for _ in range(DEPTH_LIMIT):
        for one in level:
            _check(one)
        level = [part for one in level for part in _parts(one)]
        if not level:
            return value
    raise NoObject(f"is nested deeper than {DEPTH_LIMIT}")


def _parts(value: Any) -> list[Any]:
    match value:
        case dict():
            return [*value, *value.values()]
        case list():
            return value
    return []


def _check(value: Any) -> None:
    match value:
        case str() if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise NoObject("holds a character that text cannot hold")
        case float() if not math.isfinite(value):
            raise NoObject("holds a number that JSON cannot hold")
        case int() if not -INTEGER_LIMIT <= value < INTEGER_LIMIT:
            raise NoObject("holds a whole number of more than 64 bits")
