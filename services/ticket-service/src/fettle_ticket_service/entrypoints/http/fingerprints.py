"""Whether two requests under one `Idempotency-Key` ask for the same."""

import json
from functools import lru_cache
from hashlib import blake2b
from typing import Any

from msgspec import Struct
from msgspec.structs import FieldInfo, fields, replace

from fettle_ticket_service.domain.commands import Command

_BYTES = 16


def fingerprint(asked_of: object, command: Command) -> bytes:
    """Of what is asked, of which tickets, and by whom: not of what the caller is called meanwhile. What a field says
    by default counts as not said, so a version that has a field more takes the request for the same."""
    asked = replace(command, actor=replace(command.actor, name=None))
    return _digest(json.dumps([command.verb, _said(asked_of), _said(asked)], sort_keys=True))


def former_fingerprint(asked_of: object, command: Command) -> bytes:
    """What versions that knew no other have kept for the same request, for the 30 days of an answer."""
    return _digest(repr((asked_of, command)))


def _digest(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=_BYTES).digest()


def _said(value: Any) -> Any:
    if isinstance(value, Struct):
        named = ((field, getattr(value, field.name)) for field in _fields(type(value)))
        return {field.name: _said(said) for field, said in named if said != field.default}
    if isinstance(value, list | tuple):
        return [_said(each) for each in value]
    return value


@lru_cache
def _fields(of: type[Struct]) -> tuple[FieldInfo, ...]:
    return fields(of)
