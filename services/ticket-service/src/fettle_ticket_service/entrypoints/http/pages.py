"""Pages of lists: their size, and cursors that only this service reads."""

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from fettle_chassis.http import Problem
from fettle_contracts.problems import ProblemCode
from fettle_ticket_service.adapters.ticket_lists import Place, Sort

Limit = Annotated[int, Query(ge=1, le=200)]
LIMIT_DEFAULT = 50


def _plain(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold the character U+0000")
    return text


Filter = Annotated[str | None, Query(max_length=500), AfterValidator(lambda text: text and _plain(text))]


def cursor_of(sort: Sort, place: Place) -> str:
    return _encoded([sort, place.number, place.at and place.at.isoformat()])


def place_of(cursor: str, sort: Sort) -> Place:
    """Where the page before ended. Raises Problem 400 for a cursor of another order, or none at all."""
    match _decoded(cursor):
        case [str(order), int(number), str(at)] if order == sort:
            return Place(number, _time(at))
        case [str(order), int(number), None] if order == sort:
            return Place(number)
    raise _not_a_cursor()


def version_cursor_of(version: int) -> str:
    return _encoded([version])


def version_of(cursor: str) -> int:
    """The version of the last entry on the page before. Raises Problem 400."""
    match _decoded(cursor):
        case [int(version)] if 0 <= version < 2**31:
            return version
    raise _not_a_cursor()


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> object:
    try:
        decoded: object = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise _not_a_cursor() from None
    return decoded


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _not_a_cursor() from None
    if moment.tzinfo is None:
        raise _not_a_cursor()
    return moment


def _not_a_cursor() -> Problem:
    return Problem(400, ProblemCode.MALFORMED, "The cursor does not belong to this list.", field="cursor")
