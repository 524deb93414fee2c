"""What the client sends: each of its methods called once, with something for every argument."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from cli.tests.fettle_api import Request, serving

from fettle_client import Fettle, FettleError
from fettle_client.synchronous.pages import Pages


@dataclass(frozen=True)
class Method:
    """One method of the client, its hints, and the request that it made."""

    name: str
    hints: Mapping[str, Any]
    asked: Request

    @property
    def body(self) -> dict[str, Any]:
        """The fields of a JSON body; none for any other."""
        is_json = self.asked.headers.get("content-type") == "application/json"
        return dict(json.loads(self.asked.body)) if is_json else {}

    @property
    def headers(self) -> set[str]:
        return set(self.asked.headers) & {"idempotency-key", "if-match", "last-event-id", "fettle-hook-secret"}


def methods() -> Iterator[Method]:
    """Every public method but `close`."""
    for name, function in inspect.getmembers(Fettle, inspect.isfunction):
        if not name.startswith("_") and name != "close":
            hints = get_type_hints(function)
            with serving() as api, Fettle(api.url, "s3cret", "acme") as fettle:
                arguments = {key: something(hint) for key, hint in hints.items() if key != "return"}
                for argument, value in (("again", False), ("subject", "device/x")):
                    if type(arguments.get(argument)) is type(value):
                        arguments[argument] = value
                with suppress(FettleError):  # there is nothing there
                    found = getattr(fettle, name)(**arguments)
                    if isinstance(found, Pages | Iterator):
                        list(found)
            yield Method(name, hints, api.requests[0])


def something(hint: Any) -> Any:
    """A value of the kind; of a dict with all of its fields."""
    hint = without_none(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        return {name: something(kind) for name, kind in fields_of(hint).items()}
    if origin is Literal:
        return arguments[0]
    if origin is dict:
        return {something(arguments[0]): something(arguments[1])}
    if origin is not None and issubclass(origin, Iterable):
        return [something(arguments[0])]
    simple = {
        str: "x",
        int: 7,
        bool: True,
        bytes: b"x",
        float: 1.5,
        Any: [],
        datetime: datetime(2026, 12, 1, tzinfo=UTC),
    }
    return simple[hint]


def without_none(hint: Any) -> Any:
    """The kind itself, of one that may be left out or be null."""
    if get_origin(hint) in (Union, types.UnionType):
        choices = [one for one in get_args(hint) if one is not type(None)]
        return choices[0] if len(choices) == 1 else hint
    return hint


def fields_of(kind: Any) -> dict[str, Any]:
    """A typed dict's fields with their kinds, `NotRequired` taken off."""
    return get_type_hints(kind)
