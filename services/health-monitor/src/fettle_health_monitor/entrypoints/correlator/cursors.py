"""Cursors of pages: opaque to callers, and no secret."""

import base64
import binascii
import json

from fettle_chassis.http import Problem, keepable
from fettle_contracts.problems import ProblemCode


def write_cursor(*place: str | int) -> str:
    """Where the next page begins."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *types: type) -> list[str | int]:
    """The place in a cursor. Raises `Problem` (400) for one that no page has given."""
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        place = None
    if (
        not isinstance(place, list)
        or [type(each) for each in place] != list(types)
        or not all(_could_be_given(each) for each in place)
    ):
        raise Problem(400, ProblemCode.MALFORMED, "is not a cursor that a page has given", field="cursor")
    return place


def _could_be_given(part: str | int) -> bool:
    """Whether the database could hold it."""
    if isinstance(part, int):
        return abs(part) < 2**63
    try:
        keepable(part)
    except ValueError:
        return False
    return True
