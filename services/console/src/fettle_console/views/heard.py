"""The heartbeats of an hour as ticks on an axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from fettle_console.views.words import span
from fettle_contracts.times import parse_time

HOUR_S = 3_600


@dataclass(frozen=True, slots=True)
class Ticks:
    """The hour up to `until`. What lies before `since` was not read: `unread` seconds. The paths are in seconds from
    the beginning of the hour: heartbeats that said all is well, that said otherwise, and that could not be read."""

    start: datetime
    since: datetime
    until: datetime
    unread: float
    well: str
    unwell: str
    unreadable: str
    sentence: str

    @property
    def minutes(self) -> Sequence[datetime]:
        """Every tenth minute of the hour."""
        return [self.start + timedelta(minutes=10 * step) for step in range(7)]


def ticks(found: Mapping[str, Any]) -> Ticks:
    """An answer of the API, drawn."""
    since, until = parse_time(found["since"]), parse_time(found["until"])
    start = until - timedelta(seconds=HOUR_S)
    beats = [(parse_time(one["at"]), one["status"]) for one in found["heartbeats"]]

    def path(*statuses: str | None) -> str:
        places = (round((at - start).total_seconds(), 1) for at, status in beats if status in statuses)
        return "".join(f"M{place:g} 0V32" for place in places)

    return Ticks(
        start=start,
        since=since,
        until=until,
        unread=max(0.0, (since - start).total_seconds()),
        well=path("ok"),
        unwell=path("offline", "unreachable", "credentials_invalid"),
        unreadable=path(None),
        sentence=_sentence(since, until, [at for at, status in beats if status is not None]),
    )


def _sentence(since: datetime, until: datetime, heard: Sequence[datetime]) -> str:
    lasted = span((until - since).total_seconds())
    if since >= until:
        return "The log is too busy for its heartbeats to be read in a moment."
    if not heard:
        return f"No heartbeat within {lasted}."
    longest = max((after - before).total_seconds() for before, after in pairwise([since, *heard, until]))
    count = f"{len(heard):,} heartbeat{'' if len(heard) == 1 else 's'}"
    return f"{count} within {lasted}; at the longest none for {span(longest)}."
