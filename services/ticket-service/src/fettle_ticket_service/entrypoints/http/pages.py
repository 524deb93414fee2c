"""Pages of lists: their size, and cursors that only this service reads."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator

from fettle_chassis.http import Problem, keepable
from fettle_contracts.problems import ProblemCode
from fettle_ticket_service.adapters.books import BIGGEST_NUMBER
from fettle_ticket_service.adapters.list_statements import Sort
from fettle_ticket_service.adapters.ticket_lists import Place
from fettle_ticket_service.adapters.timelines import BIGGEST_VERSION

Limit = Annotated[int, Query(ge=1, le=200)]
LIMIT_DEFAULT = 50


Filter = Annotated[str | None, Query(max_length=500), AfterValidator(lambda text: keepable(text) if text else None)]
"""What is empty is no filter."""


def cursor_of(sort: Sort, place: Place) -> str:
    return _encoded([sort, place.number, place.at and place.at.isoformat()])


def place_of(cursor: str, sort: Sort) -> Place:
    """Where the page before ended. Raises Problem 400 for a cursor of another order, or none at all."""
    match _decoded(cursor):
        case [str(order), int(number), str(at)] if order == sort and _is_up_to(BIGGEST_NUMBER, number):
            return Place(number, _time(at))
        case [str(order), int(number), None] if order == sort and _is_up_to(BIGGEST_NUMBER, number):
            return Place(number)
    raise _not_a_cursor()


def number_cursor_of(number: int, *, backwards: bool = False) -> str:
    """For lists in the order of one number, which is above 0: an entry's version, a member's place."""
    return _encoded([-number if backwards else number])


def number_of(cursor: str, *, backwards: bool = False) -> int:
    """The number of the last one on the page before. Raises Problem 400, also for a cursor of the other direction."""
    match _decoded(cursor):
        case [int(number)] if _is_up_to(BIGGEST_VERSION, number, backwards=backwards):
            return abs(number)
    raise _not_a_cursor()


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _decoded(cursor: str) -> object:
    try:
        decoded: object = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise _not_a_cursor() from None
    return decoded


def _is_up_to(most: int, number: int, *, backwards: bool = False) -> bool:
    """Whether a ticket, entry or member may have the number. JSON's `true` is one to Python and none to the
    database."""
    return not isinstance(number, bool) and 0 < (-number if backwards else number) <= most


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the first and the last day are out of reach in other time zones
        pass
    raise _not_a_cursor()


def _not_a_cursor() -> Problem:
    return Problem(400, ProblemCode.MALFORMED, "The cursor does not belong to this list.", field="cursor")
