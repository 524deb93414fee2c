"""Silences."""

from typing import Literal, TypedDict

from fettle_client.shapes.people import SubjectType

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
    subjects: int
    held: Held


class MadeSilence(Silence):
    """A silence that has been made, and up to when heartbeats have been judged."""

    as_of: str | None


Occurrence = TypedDict("Occurrence", {"from": str, "until": str})


class CoveredSubject(TypedDict):
    """One of those that a silence would be about."""

    type: SubjectType
    id: str
    name: str | None


class SilencePreview(TypedDict):
    """What a silence would cover: how many, the first few of them, and when."""

    devices: int
    integrations: int
    first: list[CoveredSubject]
    occurrences: list[Occurrence]
    ends_at: str


class Selected(TypedDict):
    """How many subjects are selected. `selection` names their silences together; null in a dry run, which has made
    none and says in `preview` what it would be."""

    selection: str | None
    count: int
    preview: SilencePreview | None
    as_of: str | None
