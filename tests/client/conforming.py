"""Whether an answer is what its shape says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin, is_typeddict

from fettle_client.shapes.pages import Page
from tests.client.spoken import fields_of, without_none


def differences(value: Any, hint: Any, where: str = "") -> Iterator[str]:
    """What the value has that the shape has not, or the other way round; all the way down."""
    if value is None:
        if type(None) not in get_args(hint) and hint not in (Any, type(None)):
            yield f"{where} is null"
        return
    hint = without_none(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    kind = origin if origin is Page else hint
    if is_typeddict(kind):
        fields = fields_of(kind) | ({"items": list[arguments[0]]} if kind is Page else {})  # type: ignore[valid-type]
        yield from (f"{where}.{name} is not in the shape" for name in set(value) - set(fields))
        yield from (f"{where}.{name} is missing" for name in kind.__required_keys__ - set(value))
        for name in set(value) & set(fields):
            yield from differences(value[name], fields[name], f"{where}.{name}")
    elif origin in (list, Sequence):
        for place, one in enumerate(value):
            yield from differences(one, arguments[0], f"{where}[{place}]")
    elif origin is dict:
        for name, one in value.items():
            yield from differences(one, arguments[1], f"{where}.{name}")
    elif origin is Literal:
        if value not in arguments:
            yield f"{where} is {value!r}"
    elif hint in (str, int, float, bool) and not isinstance(value, (int, float) if hint is float else hint):
        yield f"{where} is {value!r}, no {hint.__name__}"
