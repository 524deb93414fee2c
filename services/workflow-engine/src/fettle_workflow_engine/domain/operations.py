"""The operations of `if` rows: to which values each fits, and what it is compared with. A new one starts here.

Texts of the document are read here once (`07:00`, `mon`, `2h`), so that saving and running cannot differ.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fettle_workflow_engine.domain.shapes import FLAG, NUMBER, TEXT, TIME, Anything, Fields, Items, Shape

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
LENGTHS = ("equals", "greater", "less", "in_range")
"""By what a list's length can be compared."""

CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
AGE = re.compile(r"([1-9]\d{0,8})([smhdw])", re.ASCII)
_UNITS = {
    "s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(1), "w": timedelta(7)
}  # fmt: skip
AGE_LIMIT = timedelta(days=3_650)


class Operand(Enum):
    """What an operation compares with. The first six may be references and templates, the others stand in the
    document."""

    PLAIN = "text, a number, or true or false"
    TEXT = "text"
    NUMBER = "a number"
    NUMBERS = "two numbers: [least, most]"
    TIME = "a time such as 2026-11-23T10:15:30.250Z"
    TIMES = "two times: [from, to]"
    PATTERN = "a regular expression"
    FLAG = "true or false"
    CLOCK = 'two times of the day: ["07:00", "19:00"]'
    DAYS = f"a list of days: {', '.join(DAYS)}"
    MONTHS = f"a list of months: {', '.join(MONTHS)}"
    AGE = "a length of time such as 30s, 15m, 2h, 1d or 1w"
    LENGTH = f"a whole number, or one of {', '.join(LENGTHS)}"


REFERABLE = frozenset(
    {Operand.PLAIN, Operand.TEXT, Operand.NUMBER, Operand.NUMBERS, Operand.TIME, Operand.TIMES}
)  # fmt: skip
PAIRS = {Operand.NUMBERS: Operand.NUMBER, Operand.TIMES: Operand.TIME}


@dataclass(frozen=True, slots=True)
class Operation:
    """`fits` are the kinds of value that it can be asked of, in the words of shapes; with `zone` it reads the clock of
    a time zone."""

    fits: tuple[str, ...]
    operand: Operand
    zone: bool = False


_PLAIN = (TEXT.name, TIME.name, NUMBER.name, FLAG.name)
_TEXTS = (TEXT.name, TIME.name)
_LIST, _OBJECT = "a list", "an object"

OPERATIONS: Mapping[str, Operation] = {
    "equals": Operation(_PLAIN, Operand.PLAIN),
    "not_equals": Operation(_PLAIN, Operand.PLAIN),
    "contains": Operation((*_TEXTS, _LIST), Operand.PLAIN),
    "starts_with": Operation(_TEXTS, Operand.TEXT),
    "ends_with": Operation(_TEXTS, Operand.TEXT),
    "matches": Operation(_TEXTS, Operand.PATTERN),
    "under": Operation((TEXT.name,), Operand.TEXT),
    "is_empty": Operation((*_TEXTS, _LIST, _OBJECT), Operand.FLAG),
    "exists": Operation((*_PLAIN, _LIST, _OBJECT), Operand.FLAG),
    "greater": Operation((NUMBER.name,), Operand.NUMBER),
    "less": Operation((NUMBER.name,), Operand.NUMBER),
    "in_range": Operation((NUMBER.name,), Operand.NUMBERS),
    "before": Operation((TIME.name,), Operand.TIME),
    "after": Operation((TIME.name,), Operand.TIME),
    "between": Operation((TIME.name,), Operand.TIMES),
    "older_than": Operation((TIME.name,), Operand.AGE),
    "time_of_day": Operation((TIME.name,), Operand.CLOCK, zone=True),
    "days": Operation((TIME.name,), Operand.DAYS, zone=True),
    "months": Operation((TIME.name,), Operand.MONTHS, zone=True),
    "length": Operation((_LIST,), Operand.LENGTH),
}


def may_fit(operation: Operation, shape: Shape) -> bool:
    """Whether a value of this shape can be one that the operation fits. Text may turn out to be a time."""
    match shape:
        case Anything():
            return True
        case Items():
            return _LIST in operation.fits
        case Fields():
            return _OBJECT in operation.fits
    return shape.name in operation.fits or (shape == TEXT and TIME.name in operation.fits)


def clock_time(text: str) -> time:
    """`07:00`. Raises ValueError."""
    found = CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return time(int(found[1]), int(found[2]))


def age(text: str) -> timedelta:
    """`2h`. Raises ValueError, for more than ten years too."""
    found = AGE.fullmatch(text)
    if found is None or int(found[1]) > AGE_LIMIT / _UNITS[found[2]]:
        raise ValueError(text)
    return int(found[1]) * _UNITS[found[2]]


def zone_of(name: str) -> ZoneInfo:
    """An IANA time zone. Raises ValueError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):
        raise ValueError(name) from None
