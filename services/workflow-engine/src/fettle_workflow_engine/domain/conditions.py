"""Whether an `if` holds. Every row is looked at, also when the outcome is sure already, so that a run shows them all.

An operation that does not fit its value is false, its opposite too, and says so (`mismatch`). A value that is null or
not there fits `exists`, `is_empty`, `equals` and `not_equals`, and nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_contracts.times import parse_time
from fettle_workflow_engine.domain.definition import Branch, Check, Condition, How, Row, Rows, Value
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.operations import DAYS, MONTHS, OPERATIONS, Operand, age, clock_time, zone_of
from fettle_workflow_engine.domain.resolve import InputFailed, ScopeValues, resolve
from fettle_workflow_engine.domain.shapes import FLAG, NUMBER, TEXT, TIME

SHOWN_LIMIT = 200
"""Characters of a text that a step shows of what it compared."""


class Mismatch(Exception):
    """The operation does not fit the value or what it is compared with. The text says how."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a branch came to: what it compared, and what held, both as JSON."""

    input: Mapping[str, Any]
    output: Mapping[str, Any]


def judge(branch: Branch, scope: ScopeValues, languages: Languages, now: datetime) -> Judged:
    """`output` is `{holds, rows}` with, per row, `holds` and where something did not fit `mismatch`; groups have rows
    of their own. `now` is what `older_than` counts from."""
    found = [_judged(row, scope, languages, now) for row in branch.rows]
    rows = [output for _, output in found]
    return Judged({"rows": [given for given, _ in found]}, {"holds": _together(branch.how, rows), "rows": rows})


def _judged(
    row: Check, scope: ScopeValues, languages: Languages, now: datetime
) -> tuple[dict[str, Any], dict[str, Any]]:
    match row:
        case Rows(how, inner):
            found = [_judged(one, scope, languages, now) for one in inner]
            rows = [output for _, output in found]
            return {how.value: [given for given, _ in found]}, {"holds": _together(how, rows), "rows": rows}
        case Condition(source):
            verdict = languages.conditions.judge_in(source, scope)
            return {"cel": _shown(source)}, _outcome(verdict.holds, verdict.problem)
        case Row():
            return _row(row, scope, languages, now)


def _together(how: How, rows: Sequence[Mapping[str, Any]]) -> bool:
    return (all if how is How.ALL else any)(row["holds"] for row in rows)


def _outcome(holds: bool, mismatch: str | None = None) -> dict[str, Any]:
    return {"holds": holds} if mismatch is None else {"holds": False, "mismatch": mismatch}


def _row(row: Row, scope: ScopeValues, languages: Languages, now: datetime) -> tuple[dict[str, Any], dict[str, Any]]:
    given: dict[str, Any] = {}
    try:
        value = _resolved(row.value, scope, languages)
        given["value"] = _shown(value)
        operand = _resolved(row.operand, scope, languages)
        given[row.operation] = _shown(operand)
        return given, _outcome(_holds(row, value, operand, languages, now))
    except Mismatch as mismatch:
        return given, _outcome(False, str(mismatch))


def _resolved(value: Value, scope: ScopeValues, languages: Languages) -> Any:
    """None also for what is not there."""
    try:
        return resolve(value, scope, languages.templates)
    except InputFailed as failure:
        if failure.code == "reference_missing":
            return None
        raise Mismatch(failure.message) from None


def _holds(row: Row, value: Any, operand: Any, languages: Languages, now: datetime) -> bool:
    """Raises Mismatch."""
    operation = OPERATIONS[row.operation]
    if value is None:
        absent = {
            "exists": operand is False,
            "is_empty": operand is True,
            "equals": operand is None,
            "not_equals": operand is not None,
        }
        if row.operation in absent:
            return absent[row.operation]
    kind = kind_of(value)
    if row.operation == "matches" and kind == TEXT.name:
        verdict = languages.conditions.matches(operand, value)
        if verdict.problem:
            raise Mismatch(verdict.problem)
        return verdict.holds
    if operation.fits == (TIME.name,):
        if kind != TEXT.name:
            raise Mismatch(f"{row.operation} is for a time; the value is {kind}")
        moment = _time(value, "the value")
        return _of_time(row, moment, operand, now)
    if kind not in operation.fits:
        raise Mismatch(f"{row.operation} is for {' or '.join(_told(operation.fits))}; the value is {kind}")
    return _COMPARED[row.operation](value, operand)


def _of_time(row: Row, moment: datetime, operand: Any, now: datetime) -> bool:
    match row.operation:
        case "before":
            return moment < _time(operand, "what it is compared with")
        case "after":
            return moment > _time(operand, "what it is compared with")
        case "between":
            start, end = _pair(operand)
            return _time(start, "`from`") <= moment < _time(end, "`to`")
        case "older_than":
            return now - moment > age(operand)
    try:
        there = moment.astimezone(zone_of(row.zone or "UTC"))
    except OverflowError:
        raise Mismatch("the value is a time that its zone's calendar does not reach") from None
    match row.operation:
        case "time_of_day":
            start, end = map(clock_time, operand)
            at = there.time()
            return start <= at < end if start < end else at >= start or at < end
        case "days":
            return DAYS[there.weekday()] in operand
        case _:
            return MONTHS[there.month - 1] in operand


def kind_of(value: Any) -> str:
    """A value's kind in the words of shapes."""
    match value:
        case None:
            return "null"
        case bool():
            return FLAG.name
        case str():
            return TEXT.name
        case int() | float():
            return NUMBER.name
        case list():
            return "a list"
    return "an object"


def _told(kinds: Sequence[str]) -> list[str]:
    """Without time, which is text as long as nobody asks for one."""
    return [kind for kind in kinds if kind != TIME.name]


def _equals(value: Any, operand: Any) -> bool:
    if operand is not None and kind_of(value) != kind_of(operand):
        raise Mismatch(f"the value is {kind_of(value)}, what it is compared with is {kind_of(operand)}")
    return bool(value == operand)


def _contains(value: Any, operand: Any) -> bool:
    if isinstance(value, list):
        return any(kind_of(one) == kind_of(operand) and one == operand for one in value)
    return _text(operand) in value


def _in_range(value: Any, operand: Any) -> bool:
    least, most = _pair(operand)
    return bool(_number(least) <= value <= _number(most))


def _under(value: str, operand: Any) -> bool:
    place, above = value.strip("/"), _text(operand).strip("/")
    return place == above or place.startswith(f"{above}/")


def _length(value: list[Any], operand: Any) -> bool:
    if not isinstance(operand, Mapping):
        return bool(len(value) == operand)
    ((how, length),) = operand.items()
    return _COMPARED[how](len(value), length)


_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": _equals,
    "not_equals": lambda value, operand: not _equals(value, operand),
    "contains": _contains,
    "starts_with": lambda value, operand: value.startswith(_text(operand)),
    "ends_with": lambda value, operand: value.endswith(_text(operand)),
    "under": _under,
    "is_empty": lambda value, operand: (len(value) == 0) is operand,
    "exists": lambda _, operand: operand is True,
    "greater": lambda value, operand: value > _number(operand),
    "less": lambda value, operand: value < _number(operand),
    "in_range": _in_range,
    "length": _length,
}


def _text(operand: Any) -> str:
    if not isinstance(operand, str):
        raise Mismatch(f"what it is compared with must be {Operand.TEXT.value}; it is {kind_of(operand)}")
    return operand


def _number(operand: Any) -> int | float:
    if kind_of(operand) != NUMBER.name:
        raise Mismatch(f"what it is compared with must be {Operand.NUMBER.value}; it is {kind_of(operand)}")
    return operand  # type: ignore[no-any-return]


def _pair(operand: Any) -> tuple[Any, Any]:
    if not isinstance(operand, list) or len(operand) != 2:
        raise Mismatch("what it is compared with must be two values")
    return operand[0], operand[1]


def _time(value: Any, what: str) -> datetime:
    if not isinstance(value, str):
        raise Mismatch(f"{what} must be a time; it is {kind_of(value)}")
    try:
        return parse_time(value)
    except ValueError:
        raise Mismatch(f"{what} is text, but no time such as 2026-11-23T10:15:30.250Z") from None


def _shown(value: Any) -> Any:
    """What a step keeps of a value: short texts and plain values whole, of lists and objects how many parts."""
    match value:
        case str():
            return value if len(value) <= SHOWN_LIMIT else f"{value[:SHOWN_LIMIT]}…"
        case list() if len(value) > 12 or any(isinstance(one, list | dict) for one in value):
            return f"a list of {len(value)}"
        case list():
            return [_shown(one) for one in value]
        case dict():
            return f"an object of {len(value)}"
        case _:
            return value
