"""A file of subjects for the registry, line by line: CSV under a header, or one JSON object a line.

Each line stands for itself, so that a bad one stops no other: a cell of CSV holds no line break.
"""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Literal, TypeAlias

import msgspec
from pydantic import ValidationError

from fettle_contracts.identity import HEARTBEAT_TYPES, SubjectRef
from fettle_contracts.message import faults
from fettle_contracts.problems import ProblemCode
from fettle_health_monitor.domain.correlator.registration import Registration

WHOSE: Final = ("type", "id")
FIELDS: Final = (*WHOSE, *Registration.model_fields)
"""What a line says: whose entry it is, and what `PUT /subjects/{type}/{id}` takes."""

_NUMBERS: Final = frozenset({"interval_s"})
_WHOLE: Final = re.compile(r"\s*([0-9]{1,18})(?:\.0*)?\s*")

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

Format = Literal["csv", "ndjson"]


class WrongHeader(Exception):
    """The first line of a CSV file names columns that cannot be read: which `field` broke which `rule`."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field, self.rule = field, rule


@dataclass(frozen=True, slots=True)
class EntryLine:
    """A line that says what a subject is."""

    number: int
    subject: SubjectRef
    said: Registration


@dataclass(frozen=True, slots=True)
class RefusedLine:
    """A line that enters nothing; `subject` as far as it could be read."""

    number: int
    subject: str | None
    code: str
    field: str | None
    rule: str


Line: TypeAlias = EntryLine | RefusedLine


class LineReader:
    """Reads the lines of one file in their order. Of several about one subject the first that can be read
    counts, whatever becomes of it, so that a file says the same when it comes again."""

    def __init__(self, format: Format) -> None:
        self._columns: Sequence[str] | None = None
        self._of_csv = format == "csv"
        self._seen: dict[SubjectRef, int] = {}

    def read(self, number: int, line: bytes) -> Line | None:
        """What line `number` (from 1) says; None for a blank one and for the header. Raises WrongHeader."""
        if number == 1:
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line.strip():
            return None
        try:
            text = line.decode()
        except UnicodeDecodeError:
            if self._of_csv and self._columns is None:
                raise WrongHeader("", "the header is not UTF-8") from None
            return _malformed(number, "is not UTF-8")
        if self._of_csv and self._columns is None:
            self._columns = _header(text)
            return None
        return self._read(number, text)

    def _read(self, number: int, text: str) -> Line:
        values = _cells(text, self._columns) if self._columns is not None else _members(text)
        if isinstance(values, str):
            return _malformed(number, values)
        subject = _subject(values)
        if not isinstance(subject, SubjectRef):
            return _malformed(number, *subject)
        written = str(subject)
        unknown = next((name for name in values if name not in FIELDS), None)
        if unknown is not None:
            return _malformed(number, _no_such("field", unknown), unknown, written)
        try:
            said = Registration.model_validate({name: value for name, value in values.items() if name not in WHOSE})
        except ValidationError as error:
            fault = faults(error)[0]
            return _malformed(number, fault.message, fault.field, written)
        first = self._seen.setdefault(subject, number)
        if first != number:
            rule = f"the subject stands on line {first} already"
            return RefusedLine(number, written, ProblemCode.CONFLICT, "id", rule)
        return EntryLine(number, subject, said)


def _header(text: str) -> Sequence[str]:
    try:
        columns = [name.strip() for name in _split(text)]
    except csv.Error as error:
        raise WrongHeader("", f"the header is not CSV: {error}") from None
    for place, name in enumerate(columns):
        if name not in FIELDS:
            raise WrongHeader(name, _no_such("column", name))
        if name in columns[:place]:
            raise WrongHeader(name, "the header names this column twice")
    for name in WHOSE:
        if name not in columns:
            raise WrongHeader(name, "the header lacks this column")
    return columns


def _split(text: str) -> list[str]:
    return next(csv.reader([text.rstrip("\r\n")], strict=True))


def _cells(text: str, columns: Sequence[str]) -> Mapping[str, Any] | str:
    """An empty cell says nothing; a whole number in a column of numbers is one. Else what is wrong with the line."""
    try:
        cells = _split(text)
    except csv.Error as error:
        return f"is not CSV: {error}"
    if len(cells) != len(columns):
        return f"has {len(cells)} cells, and the header {len(columns)}"
    said = {name: cell for name, cell in zip(columns, cells, strict=True) if cell}
    numbers = {name: _WHOLE.fullmatch(said[name]) for name in _NUMBERS & said.keys()}
    return said | {name: int(found[1]) for name, found in numbers.items() if found}


def _members(text: str) -> Mapping[str, Any] | str:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        return f"is not JSON: {error}"
    return value if isinstance(value, dict) else "is not a JSON object"


def _subject(values: Mapping[str, Any]) -> SubjectRef | tuple[str, str]:
    """The subject, or which rule is broken by which field."""
    kind, id_ = values.get("type"), values.get("id")
    if not isinstance(kind, str) or kind not in HEARTBEAT_TYPES:
        return "must be device or integration", "type"
    if not isinstance(id_, str):
        return "must be text of 1 to 200 bytes", "id"
    try:
        return SubjectRef.parse(f"{kind}/{id_}")
    except ValueError as error:
        return str(error), "id"


def _no_such(what: str, name: str) -> str:
    close = get_close_matches(name.lower(), FIELDS, n=1)
    return f"there is no {what} {name!r}; " + (
        f"did you mean {close[0]}?" if close else f"there are {', '.join(FIELDS)}"
    )


def _malformed(number: int, rule: str, field: str | None = None, subject: str | None = None) -> RefusedLine:
    return RefusedLine(number, subject, ProblemCode.MALFORMED, field, rule)
