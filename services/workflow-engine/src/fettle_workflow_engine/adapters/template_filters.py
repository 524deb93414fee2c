"""The filters that templates have. None of them can make much text out of little."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from jinja2 import Undefined, pass_context
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Context

from fettle_workflow_engine.adapters.template_work import spend, weigh
from fettle_workflow_engine.domain.secrets import SecretText, unmarked

JOINED_LIMIT = 64 * 1024
DIGITS_LIMIT = 100
"""Of what a number is rounded to: to round to a thousand million of them takes hours."""
NUMBER_LIMIT = 1_000
"""Characters of a text that is read as a whole number."""
TRIMMED_LIMIT = 100
"""Characters that `trim` takes away: each of a text's is looked for among them."""
PART_LIMIT = 2_000
"""Characters of a part of an address."""


@pass_context
def written(context: Context, value: Any) -> Any:
    """A value as it stands in text, once it was weighed."""
    if isinstance(value, list | dict | tuple):
        weigh(context, value)
    return shown(value)


def shown(value: Any) -> Any:
    """How a value stands in text: null as nothing, lists and objects as JSON."""
    match value:
        case None:
            return ""
        case True | False:
            return "true" if value else "false"
        case list() | dict() | tuple():
            return unmarked(as_json(value))
        case SecretText():
            return value
        case str():
            return unmarked(value)
        case _:
            return value


def default(value: Any, instead: Any = "") -> Any:
    """`instead` for what is null or not there; empty text stays."""
    return instead if value is None or isinstance(value, Undefined) else value


@pass_context
def join(context: Context, value: Any, separator: str = "") -> str:
    """The items of a list as one text."""
    weigh(context, value)
    if not isinstance(value, list | tuple):
        raise TypeError("join is for lists")
    if len(separator) * len(value) > JOINED_LIMIT:
        raise ValueError("the joined text is too long")
    return separator.join(str(shown(item)) for item in value)


@pass_context
def json_of(context: Context, value: Any) -> str:
    """The value as JSON, for templates."""
    weigh(context, value)
    return as_json(value)


def as_json(value: Any) -> str:
    """The value as JSON."""
    return json.dumps(value, ensure_ascii=False)


@pass_context
def truncate(context: Context, value: Any, length: int = 200) -> str:
    """At most `length` characters; an ellipsis stands for what was cut."""
    weigh(context, value)
    text = str(shown(value))
    return text if len(text) <= length else f"{text[: max(length - 1, 0)]}…"


def rounded(value: Any, precision: int = 0, method: str = "common") -> Any:
    """To so many digits behind the point, or before it."""
    if not isinstance(precision, int) or abs(precision) > DIGITS_LIMIT:
        raise ValueError(f"round takes a whole number of digits, at most {DIGITS_LIMIT}")
    return JINJA_FILTERS["round"](value, precision, method)


def whole(value: Any, default: Any = 0, base: int = 10) -> Any:
    """The whole number that a text is, or that is in a number; `default` for what is none, and for longer texts."""
    if isinstance(value, str) and len(value) > NUMBER_LIMIT:
        return default
    return JINJA_FILTERS["int"](value, default, base)


def trim(value: Any, characters: str | None = None) -> Any:
    """The text without these characters around it; without blanks, if none are named."""
    if characters is not None and len(characters) > TRIMMED_LIMIT:
        raise ValueError(f"trim takes at most {TRIMMED_LIMIT} characters")
    return JINJA_FILTERS["trim"](value, characters)


@pass_context
def urlencode(context: Context, value: Any) -> str:
    """The value as one part of an address: whatever else it could mean there is written as numbers (RFC 3986, 2.1)."""
    weigh(context, value)
    text = str(shown(value))
    if len(text) > PART_LIMIT:
        raise ValueError(f"urlencode takes at most {PART_LIMIT} characters")
    if text in ("", ".", ".."):
        raise ValueError("nothing, '.' and '..' are no parts of an address: they lead elsewhere, however written")
    spend(context, len(text))
    return quote(text, safe="", errors="replace")


def _weighing(borrowed: Callable[..., Any]) -> Callable[..., Any]:
    """A filter of Jinja's that goes through what it is given, once that was weighed."""

    @pass_context
    def filtered(context: Context, value: Any, *given: Any, **named: Any) -> Any:
        weigh(context, value)
        return borrowed(value, *given, **named)

    return filtered


_LOOKING = ("abs", "first", "last", "length")
_READING = ("capitalize", "float", "lower", "title", "upper")
"""Filters of Jinja's: the first ones take as long for much as for little."""
FILTERS: Mapping[str, Callable[..., Any]] = {
    "default": default,
    "join": join,
    "json": json_of,
    "truncate": truncate,
    "round": rounded,
    "int": whole,
    "trim": _weighing(trim),
    "urlencode": urlencode,
    **{name: JINJA_FILTERS[name] for name in _LOOKING},
    **{name: _weighing(JINJA_FILTERS[name]) for name in _READING},
}
