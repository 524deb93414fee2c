"""Instants on the wire: RFC 3339, UTC, milliseconds (`2026-11-23T10:15:30.250Z`)."""

import re
from bisect import bisect_left
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_USUAL_LENGTH = 32
"""Characters; whoever sends longer ones must not fill memory with them."""
_EPOCH, _MILLISECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(milliseconds=1)
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
"""The first and the last moment of the years 1 to 9999. Nothing ever happened then: they stand for what is outside."""


def rfc3339(moment: datetime) -> str:
    """`moment` in UTC with milliseconds and `Z`; finer parts are cut off.

    Raises ValueError for a datetime without a time zone.
    """
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def parse_time(text: str) -> datetime:
    """The instant in an RFC 3339 text, in UTC, cut to milliseconds.

    Raises ValueError for anything else, a time without an offset included.
    """
    return _remembered(text) if len(text) <= _USUAL_LENGTH else _parsed(text)


def _parsed(text: str) -> datetime:
    upper = text.upper()
    if not _RFC3339.fullmatch(upper):
        raise ValueError("must be a time such as 2026-11-23T10:15:30.250Z")
    try:
        return to_milliseconds(datetime.fromisoformat(upper))
    except OverflowError:
        raise ValueError("must be a time of the years 1 to 9999 in UTC") from None


_remembered = lru_cache(maxsize=1_000)(_parsed)
"""A message and its headers say the same moment three or four times."""


def to_milliseconds(moment: datetime) -> datetime:
    """The same instant in UTC without anything finer than a millisecond, as the wire carries it."""
    if moment.tzinfo is None:
        raise ValueError("a time needs a time zone")
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    finer = utc.microsecond % 1000
    return utc.replace(microsecond=utc.microsecond - finer) if finer else utc


def from_ms(milliseconds: int) -> datetime:
    """The instant of a Kafka timestamp (milliseconds since 1970, UTC)."""
    return _EPOCH + milliseconds * _MILLISECOND


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970, UTC, of an instant; finer parts are cut off."""
    whole = to_milliseconds(moment)
    return int(whole.replace(microsecond=0).timestamp()) * 1000 + whole.microsecond // 1000


class NoSuchTime(ValueError):
    """A clock was put forward over a local time; the text says from where to where, and `way_out` what else to say of a
    beginning."""

    way_out = "begin before that or behind it or, where it recurs, on another day"


def instant_of(local: datetime, clock: tzinfo | None) -> datetime:
    """When this clock (None: that of the machine) shows a local time, which has no zone of its own; where it does so
    twice, the first time. Raises NoSuchTime where it never does, OverflowError outside of the years 1 to 9999."""
    instant = local.replace(tzinfo=clock).astimezone(UTC)
    if instant.astimezone(clock).replace(tzinfo=None) == local:
        return instant
    second, either = timedelta(seconds=1), (local.replace(tzinfo=clock, fold=fold, microsecond=0) for fold in (0, 1))
    before, behind = sorted(each.astimezone(UTC) for each in either)
    offset = behind.astimezone(clock).utcoffset()
    seconds = range((behind - before) // second + 1)
    changed = before + second * bisect_left(
        seconds, True, key=lambda passed: (before + second * passed).astimezone(clock).utcoffset() == offset
    )
    gap = [
        (at.astimezone(clock).replace(tzinfo=None) + shift).isoformat(timespec="minutes")
        for at, shift in ((changed - second, second), (changed, timedelta()))
    ]
    whose = "this machine" if clock is None else clock
    raise NoSuchTime(f"is a time that the clock of {whose} never shows: it goes from {gap[0]} to {gap[1]}")


def _read(value: object) -> object:
    if isinstance(value, str):
        return parse_time(value)
    if isinstance(value, datetime):
        return to_milliseconds(value)
    raise ValueError("must be a time such as 2026-11-23T10:15:30.250Z")


Instant = Annotated[
    datetime,
    BeforeValidator(_read),
    PlainSerializer(rfc3339, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
