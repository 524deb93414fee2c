"""The filters that templates have. None of them can make much text out of little."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jinja2 import Undefined, pass_context
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.runtime import Context

from fettle_workflow_engine.domain.secrets import SecretText, unmarked

JOINED_LIMIT = 64 * 1024
TURNS_LIMIT = 10_000
TURNS = " turns"
"""Counts loops; no template can spell this name."""


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


def join(value: Any, separator: str = "") -> str:
    """The items of a list as one text."""
    if not isinstance(value, list | tuple):
        raise TypeError("join is for lists")
    if len(separator) * len(value) > JOINED_LIMIT:
        raise ValueError("the joined text is too long")
    return separator.join(str(shown(item)) for item in value)


def as_json(value: Any) -> str:
    """The value as JSON."""
    return json.dumps(value, ensure_ascii=False)


def truncate(value: Any, length: int = 200) -> str:
    """At most `length` characters; an ellipsis stands for what was cut."""
    text = str(shown(value))
    return text if len(text) <= length else f"{text[: max(length - 1, 0)]}…"


BORROWED = ("abs", "capitalize", "first", "float", "int", "last", "length", "lower", "round", "title", "trim", "upper")
FILTERS: Mapping[str, Callable[..., Any]] = {
    "default": default,
    "join": join,
    "json": as_json,
    "truncate": truncate,
    **{name: JINJA_FILTERS[name] for name in BORROWED},
}


@pass_context
def count_turns(context: Context, value: Any) -> Iterator[Any]:
    """What a loop goes over, counted against the turns that are left for the whole text."""
    if isinstance(value, Undefined):
        iter(value)  # raises, naming what is undefined
    if not isinstance(value, list | tuple):
        raise TypeError("a loop goes over a list")
    left = context[TURNS]
    for item in value:
        left[0] -= 1
        if left[0] < 0:
            raise ValueError(f"loops take at most {TURNS_LIMIT} turns")
        yield item
