"""Cursors of pages: opaque to callers, and no secret."""

import base64
import binascii
import json

from fettle_chassis.http import Problem
from fettle_contracts.problems import ProblemCode


def write_cursor(*place: str | int) -> str:
    """Where the next page begins."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read_cursor(cursor: str, *types: type) -> list[str | int]:
    """The place in a cursor. Raises `Problem` (400) for one that no page has given."""
    try:
        place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        place = None
    if not isinstance(place, list) or [type(each) for each in place] != list(types):
        raise Problem(400, ProblemCode.MALFORMED, "is not a cursor that a page has given", field="cursor")
    return place
