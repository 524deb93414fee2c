"""Pages of lists: their size, and cursors that only this service reads."""

import base64
import binascii
import json
from datetime import UTC, datetime
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator

from fettle_chassis.http import Problem, keepable
from fettle_contracts.problems import ProblemCode

T = TypeVar("T")

Name = Annotated[str, AfterValidator(keepable)]
"""A workflow's name in a path."""
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=500)]
LIMIT_DEFAULT = 50
MOST = 2**31 - 1
"""The highest number that a version can have."""


def cut(found: list[T], limit: int) -> tuple[list[T], T | None]:
    """The page, and its last item if more follows; `found` holds one more than the page when it does."""
    page = found[:limit]
    return page, page[-1] if len(found) > limit else None


def encoded(*place: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def name_of(cursor: str) -> str:
    """The name that a page ended with. Raises Problem 400, as all of these."""
    match _decoded(cursor):
        case [str(name)]:
            try:
                return keepable(name)
            except ValueError:
                pass
    raise _not_a_cursor()


def version_of(cursor: str) -> int:
    match _decoded(cursor):
        case [int(version)] if 0 < version < 2**31:
            return version
    raise _not_a_cursor()


def moment_of(cursor: str) -> tuple[datetime, UUID]:
    match _decoded(cursor):
        case [str(at), str(id)]:
            try:
                moment, run_id = datetime.fromisoformat(at), UUID(id)
                if moment.tzinfo is not None:
                    return moment.astimezone(UTC), run_id
            except (ValueError, OverflowError):  # the first and the last day are out of reach in other time zones
                pass
    raise _not_a_cursor()


def _decoded(cursor: str) -> object:
    try:
        decoded: object = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        raise _not_a_cursor() from None
    return decoded


def _not_a_cursor() -> Problem:
    return Problem(400, ProblemCode.MALFORMED, "The cursor does not belong to this list.", field="cursor")
