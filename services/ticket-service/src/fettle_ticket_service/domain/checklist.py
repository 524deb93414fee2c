"""The checklist of a rollup: the subjects it stands for, and which of them have recovered.

Members are data: they change at once and without an entry. What has changed since the timeline last spoke of them is
summed up as it happens (`unsaid`) and said in one entry, at most one a minute; the ticket's opening counts as one.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from fettle_contracts.identity import SubjectType
from fettle_contracts.ticket import CHECKLIST_ITEMS_IN_EVENTS
from fettle_ticket_service.domain.values import Subject

QUIET = timedelta(minutes=1)
"""What lies between two entries at least."""
NAMED_LIMIT = 20
"""Members that an entry names for each kind of change; all are counted."""

MemberKey = tuple[SubjectType, str]
Json = Mapping[str, Any]


class Change(StrEnum):
    """What can happen to a member."""

    ADDED = "added"
    RECOVERED = "recovered"
    DOWN_AGAIN = "down_again"
    """It had recovered and was added again."""


class Member(Struct, frozen=True):
    """One subject on a checklist; `place` counts from 1 in the order of joining, and nobody leaves. `changes` is how
    often it has changed, its joining included; 0 on a checklist whose changes are not counted."""

    place: int
    subject: Subject
    joined_at: datetime
    recovered_at: datetime | None = None
    changes: int = 0

    @property
    def key(self) -> MemberKey:
        return key_of(self.subject)


def key_of(subject: Subject) -> MemberKey:
    return subject.type, subject.id


MemberChange = tuple[Change, Member]
"""What happened, and the member after it."""


class Checklist(Struct, frozen=True, kw_only=True):
    """total, recovered: of all members. changes: how often they have changed, all together; 0: a version that did not
    count that has begun the checklist. first: the first hundred. noted_at: when the timeline last spoke of them.
    unsaid: what has changed since, as the evidence of the entry to come: for each kind of change how many, and the
    first of them by name."""

    total: int = 0
    recovered: int = 0
    changes: int = 0
    first: tuple[Member, ...] = ()
    noted_at: datetime | None = None
    unsaid: Json | None = None

    @property
    def counts_changes(self) -> bool:
        return self.changes > 0 or self.total == 0


NO_CHECKLIST = Checklist()


def changed(checklist: Checklist, changes: Sequence[MemberChange]) -> Checklist:
    """The checklist after the changes, which are not yet said."""
    first = {member.place: member for member in checklist.first}
    first |= {member.place: member for _, member in changes if member.place <= CHECKLIST_ITEMS_IN_EVENTS}
    kinds = [change for change, _ in changes]
    return replace(
        checklist,
        total=checklist.total + kinds.count(Change.ADDED),
        recovered=checklist.recovered + kinds.count(Change.RECOVERED) - kinds.count(Change.DOWN_AGAIN),
        changes=checklist.changes + (len(changes) if checklist.counts_changes else 0),
        first=tuple(first.values()),
        unsaid=_summed_up(checklist.unsaid or {}, changes),
    )


def noted(checklist: Checklist, at: datetime) -> Checklist:
    """The checklist after the entry that says what was unsaid."""
    return replace(checklist, noted_at=at, unsaid=None)


def evidence_of(checklist: Checklist) -> Json:
    """The evidence of the entry that is due: what was unsaid, and how the checklist stands."""
    return {**(checklist.unsaid or {}), "checklist": {"total": checklist.total, "recovered": checklist.recovered}}


def subject_json(subject: Subject) -> dict[str, Any]:
    said: dict[str, Any] = {"type": subject.type, "id": subject.id}
    if subject.name is not None:
        said["name"] = subject.name
    return said


def _summed_up(before: Json, changes: Sequence[MemberChange]) -> Json:
    kinds = {change: [member.subject for kind, member in changes if kind is change] for change in Change}
    sums = {change: _sum(before.get(change), subjects) for change, subjects in kinds.items()}
    return {str(change): sum for change, sum in sums.items() if sum is not None}


def _sum(before: Json | None, more: Sequence[Subject]) -> Json | None:
    if not more:
        return before
    count, named = (before["count"], before["members"]) if before is not None else (0, [])
    room = NAMED_LIMIT - len(named)
    return {"count": count + len(more), "members": [*named, *map(subject_json, more[:room])]}
