"""Silences."""

from typing import Literal, TypedDict

SilenceState = Literal["active", "upcoming", "ended"]

_From = TypedDict("_From", {"from": str | None})


class HeldVerdict(TypedDict):
    """A moment at which a ticket would have been opened."""

    at: str
    condition: str
    cause: str


class Held(TypedDict):
    """How often a silence has kept a ticket from being opened so far, and the latest of these moments."""

    count: int
    latest: list[HeldVerdict]


class Silence(_From):
    """A silence. `from` and `until` are the occurrence that is under way or next, null when all are over; `ends_at` is
    the end of the last. `known` is false while nothing is known of its subject."""

    id: str
    selection: str | None
    subject: str
    name: str | None
    known: bool
    state: SilenceState
    starts_at: str
    length_s: int
    rrule: str | None
    zone: str | None
    until: str | None
    ends_at: str
    reason: str | None
    made_by: str
    made_at: str
    removed_by: str | None
    removed_at: str | None
    held: Held


class MadeSilence(Silence):
    """A silence that has been made, and up to when heartbeats have been judged."""

    as_of: str | None


class Selected(TypedDict):
    """How many subjects are selected. `selection` names their silences together; null in a dry run, which has made
    none."""

    selection: str | None
    count: int
    as_of: str | None
