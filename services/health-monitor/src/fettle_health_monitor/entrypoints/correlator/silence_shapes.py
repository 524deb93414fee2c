"""Bodies of the health API about silences."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StrictInt, WithJsonSchema
from sqlalchemy import Row

from fettle_chassis.http import keepable
from fettle_contracts.heartbeat import SPACE_MAX_CHARACTERS
from fettle_contracts.identity import HEARTBEAT_TYPES, SubjectId, SubjectRef, SubjectType
from fettle_contracts.message import Message
from fettle_contracts.times import Instant, from_ms
from fettle_health_monitor.adapters.correlator.silence_register import Covered
from fettle_health_monitor.domain.correlator.recurrence import RULE_MAX_CHARACTERS
from fettle_health_monitor.domain.correlator.silences import LENGTH_MAX_S, REASON_MAX_CHARACTERS, Occurrence

EXAMPLES: dict[str, Any] = {
    "one": {
        "summary": "One device, for four hours from now",
        "value": {"subject": "device/t17", "length_s": 14_400, "reason": "Battery swap"},
    },
    "nightly": {
        "summary": "Two hours every night at 02:00 in Oslo, 30 times",
        "value": {
            "subject": "integration/hue-1",
            "starts_at": "2026-12-01T01:00:00.000Z",
            "length_s": 7_200,
            "rrule": "FREQ=DAILY;COUNT=30",
            "zone": "Europe/Oslo",
            "reason": "Nightly restart",
        },
    },
    "selection": {
        "summary": "Everything in a space and under it; ?dry_run=true first says how many",
        "value": {"filter": {"space": "oslo/hq/3"}, "length_s": 86_400, "reason": "Floor 3 is rebuilt"},
    },
}

SHOWN: dict[str, Any] = {
    "id": "5f6cbb7e-4d0a-5f0e-9d8e-0e1a2b3c4d5e",
    "selection": None,
    "subject": "device/t17",
    "name": "Thermostat 17",
    "known": True,
    "state": "active",
    "starts_at": "2026-11-26T12:00:00.000Z",
    "length_s": 14_400,
    "rrule": None,
    "zone": None,
    "from": "2026-11-26T12:00:00.000Z",
    "until": "2026-11-26T16:00:00.000Z",
    "ends_at": "2026-11-26T16:00:00.000Z",
    "reason": "Battery swap",
    "made_by": "ann@acme.test",
    "made_at": "2026-11-26T12:00:00.000Z",
    "removed_by": None,
    "removed_at": None,
    "subjects": 1,
    "held": {
        "count": 1,
        "latest": [{"at": "2026-11-26T12:04:11.020Z", "condition": "device_offline", "cause": "firing"}],
    },
}
MADE: dict[str, Any] = {**SHOWN, "as_of": "2026-11-26T12:10:00.000Z"}


class SilenceState(StrEnum):
    """Whether a silence holds now, will, or is over."""

    ACTIVE = "active"
    UPCOMING = "upcoming"
    ENDED = "ended"


def _watched(written: str) -> str:
    subject = SubjectRef.parse(written)
    if subject.type not in HEARTBEAT_TYPES:
        raise ValueError("only devices and integrations can be silenced: device/… or integration/…")
    return str(subject)


def _fits(path: str) -> str:
    if len(path) > SPACE_MAX_CHARACTERS:
        raise ValueError(f"must have at most {SPACE_MAX_CHARACTERS} characters")
    return path


Watched = Annotated[
    str, AfterValidator(_watched), WithJsonSchema({"type": "string", "pattern": "^(device|integration)/."})
]
Words = Annotated[str, Field(min_length=1, max_length=REASON_MAX_CHARACTERS), AfterValidator(keepable)]


class WantedSelection(Message, extra="forbid"):
    """All that fits each of these: an integration and its devices, what is in a space and under it, devices or
    integrations, a model. At least one of them."""

    integration: SubjectId | None = None
    type: Literal["device", "integration"] | None = None
    model: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(keepable)] | None = None
    space: Annotated[str, Field(min_length=1), AfterValidator(keepable), AfterValidator(_fits)] | None = None


class WantedSilence(Message, extra="forbid"):
    """A silence of one `subject`, or of each subject that `filter` selects now: from `starts_at` (left out: from now
    on) for `length_s` seconds. With `rrule`, an RFC 5545 rule that ends and is no finer than an hour, it recurs by the
    clock of `zone`, counting from `starts_at`."""

    subject: Watched | None = None
    filter: WantedSelection | None = None
    starts_at: Instant | None = None
    length_s: StrictInt = Field(ge=1, le=LENGTH_MAX_S)
    rrule: Annotated[str, Field(min_length=1, max_length=RULE_MAX_CHARACTERS), AfterValidator(keepable)] | None = None
    zone: Annotated[str, Field(min_length=1, max_length=64), AfterValidator(keepable)] | None = None
    reason: Words | None = None


class HeldVerdict(Message):
    """A moment at which a ticket would have been opened."""

    at: Instant
    condition: str
    cause: str


class ShownHeld(Message):
    """How often the silence has kept a ticket from being opened so far, and the latest of these moments."""

    count: int
    latest: tuple[HeldVerdict, ...]


class ShownSilence(Message):
    """A silence. `from` and `until` are the occurrence that is under way or next, null when all are over; `ends_at` is
    the end of the last. `known` is false while nothing is known of its subject."""

    model_config = ConfigDict(json_schema_extra={"examples": [SHOWN]})

    id: UUID
    selection: UUID | None
    subject: str
    name: str | None
    known: bool
    state: SilenceState
    starts_at: Instant
    length_s: int
    rrule: str | None
    zone: str | None
    from_: Instant | None = Field(alias="from")
    until: Instant | None
    ends_at: Instant
    reason: str | None
    made_by: str
    made_at: Instant
    removed_by: str | None
    removed_at: Instant | None
    subjects: int = Field(description="For how many subjects it stands: more than one where a selection is one item.")
    held: ShownHeld

    @classmethod
    def of(cls, row: Row[Any], **more: Any) -> Self:
        over = row.state == SilenceState.ENDED
        latest = tuple(
            HeldVerdict(at=from_ms(each["at"]), condition=each["condition"], cause=each["cause"])
            for each in row.held_latest or ()
        )
        return cls(
            id=row.id,
            selection=row.selection,
            subject=row.subject,
            name=row.name,
            known=row.known,
            state=row.state,
            starts_at=from_ms(row.starts_at),
            length_s=row.length_s,
            rrule=row.rrule,
            zone=row.zone,
            from_=None if over else from_ms(row.from_at),
            until=None if over else from_ms(row.until_at),
            ends_at=from_ms(row.ends_at),
            reason=row.reason,
            made_by=row.made_by,
            made_at=row.made_at,
            removed_by=row.removed_by,
            removed_at=None if row.removed_at is None else from_ms(row.removed_at),
            subjects=row.subjects,
            held=ShownHeld(count=row.held_count or 0, latest=latest),
            **more,
        )


class MadeSilence(ShownSilence):
    """A silence that has been made, and up to when heartbeats have been judged."""

    model_config = ConfigDict(json_schema_extra={"examples": [MADE]})

    as_of: Instant | None


class ShownOccurrence(Message):
    """When a silence would hold."""

    from_: Instant = Field(alias="from")
    until: Instant


class CoveredSubject(Message):
    """One of those that a silence would be about; `name` is null for one that nothing is known of."""

    type: SubjectType
    id: SubjectId
    name: str | None


class SilencePreview(Message):
    """What a silence would cover: how many devices and integrations, the first few of them, and when: the first few
    occurrences and the end of the last."""

    devices: int
    integrations: int
    first: tuple[CoveredSubject, ...]
    occurrences: tuple[ShownOccurrence, ...]
    ends_at: Instant

    @classmethod
    def of(cls, covered: Covered, occurrences: Sequence[Occurrence], ends_at: int) -> Self:
        first = [(SubjectRef.parse(subject), name) for subject, name in covered.first]
        return cls(
            devices=covered.devices,
            integrations=covered.count - covered.devices,
            first=tuple(CoveredSubject(type=whose.type, id=whose.id, name=name) for whose, name in first),
            occurrences=tuple(
                ShownOccurrence.model_validate({"from": from_ms(each.start), "until": from_ms(each.end)})
                for each in occurrences
            ),
            ends_at=from_ms(ends_at),
        )


class Selected(Message):
    """How many subjects are selected. `selection` names their silences together; null in a dry run, which has made
    none and says in `preview` what it would be."""

    selection: UUID | None
    count: int
    preview: SilencePreview | None = None
    as_of: Instant | None


class SilencePage(Message):
    """A page of silences, the newest first."""

    items: tuple[ShownSilence, ...]
    next_cursor: str | None
    as_of: Instant | None
