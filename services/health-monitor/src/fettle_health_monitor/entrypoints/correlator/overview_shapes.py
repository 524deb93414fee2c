"""Bodies of the health API about the whole fleet."""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import Field
from sqlalchemy import Row

from fettle_contracts.identity import SubjectId, SubjectType
from fettle_contracts.message import Message
from fettle_contracts.times import Instant, from_ms
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator.overview import Fleet
from fettle_health_monitor.domain.correlator.overview import STEP_S, Blind, Tally, begins, over_the_day, worst_first

INTEGRATIONS_MAX = 100

_STEPS = (
    "How many were unhealthy at most in each step since `since`: firing, recovering, flapping or unknown. Who only "
    "waits for the open debounce is not yet. Empty without `day`."
)


class StateCounts(Message):
    """How many are in each state; `unjudged` are those that are in none."""

    healthy: int
    pending_open: int
    firing: int
    pending_resolve: int
    flapping: int
    unknown: int
    unjudged: int

    @classmethod
    def of(cls, tally: Tally) -> Self:
        return cls(
            **{str(state): tally.states.get(state, 0) for state in HealthState}, unjudged=tally.states.get(None, 0)
        )


class FleetIntegration(Message):
    """An integration with the devices behind it; `id` null: devices behind none. `state` is its own, null while it is
    not judged itself."""

    id: str | None
    name: str | None
    state: HealthState | None
    devices: StateCounts
    unhealthy: tuple[int, ...] = Field(description=_STEPS)


class FleetBlind(Message):
    """A stretch of time in which some of the org's subjects could not be observed: those of at most `shards` shards.
    `until` is null while it lasts."""

    since: Instant
    until: Instant | None
    shards: int

    @classmethod
    def of(cls, blind: Blind) -> Self:
        return cls(
            since=from_ms(blind.since),
            until=None if blind.until is None else from_ms(blind.until),
            shards=blind.shards,
        )


class FleetLoss(Message):
    """A stretch in which the org's heartbeats did not arrive, and for how many subjects that was found; `until` is null
    while it lasts."""

    since: Instant
    until: Instant | None
    subjects: int


class FleetExample(Message):
    """One of the subjects."""

    type: SubjectType
    id: SubjectId
    name: str | None


class FleetChange(Message):
    """What devices behind an integration became in the last hour, or an integration itself, as `example` shows.
    `healthy` is again, after a ticket would have been right; `new` first heard or registered."""

    integration: str | None
    became: Literal["firing", "healthy", "flapping", "unknown", "new", "forgotten"]
    subjects: int
    latest: Instant
    example: FleetExample

    @classmethod
    def of(cls, row: Row[Any]) -> Self:
        type_, _, id_ = row.example.partition("/")
        example = FleetExample(type=SubjectType(type_), id=id_, name=row.name)
        return cls(
            integration=row.behind,
            became=row.became,
            subjects=row.subjects,
            latest=from_ms(row.latest),
            example=example,
        )


class Overview(Message):
    """The fleet now and over the last day, which ends where judging stands."""

    since: Instant
    step_s: int
    enabled: bool
    publish_tickets: bool
    states: StateCounts
    unhealthy: tuple[int, ...] = Field(description=_STEPS)
    integrations: tuple[FleetIntegration, ...] = Field(
        description=f"Those in trouble first, at most {INTEGRATIONS_MAX}."
    )
    more_integrations: int = Field(description="How many integrations are not shown.")
    blind: tuple[FleetBlind, ...]
    lost: tuple[FleetLoss, ...] = Field(description="The latest first.")
    changes: tuple[FleetChange, ...] = Field(description="Of the last hour, the latest first; none without `day`.")
    as_of: Instant | None


def integrations_of(fleet: Fleet, until: int, *, day: bool) -> tuple[tuple[FleetIntegration, ...], int]:
    """The first of them, and how many more there are; how their day was if `day` was counted."""
    troubled = [id for id, (state, _) in fleet.own.items() if state not in (None, "healthy")]
    order = worst_first(fleet.behind, troubled)
    shown = tuple(
        FleetIntegration(
            id=behind,
            name=fleet.own.get(behind or "", (None, None))[1],
            state=fleet.own.get(behind or "", (None, None))[0],
            devices=StateCounts.of(fleet.behind[behind]),
            unhealthy=over_the_day(fleet.behind[behind], until) if day else (),
        )
        for behind in order[:INTEGRATIONS_MAX]
    )
    return shown, len(order) - len(shown)


def overview(
    fleet: Fleet,
    *,
    until: int,
    day: bool,
    switches: tuple[bool, bool],
    blind: Sequence[Blind],
    lost: Sequence[Row[Any]],
    changes: Sequence[Row[Any]],
    as_of: Instant | None,
) -> Overview:
    """The answer. `switches` are those of the policy: judged, and tickets; without `day` no changes were counted."""
    shown, more = integrations_of(fleet, until, day=day)
    enabled, publish_tickets = switches
    return Overview(
        since=from_ms(begins(until)),
        step_s=STEP_S,
        enabled=enabled,
        publish_tickets=publish_tickets,
        states=StateCounts.of(fleet.all),
        unhealthy=over_the_day(fleet.all, until) if day else (),
        integrations=shown,
        more_integrations=more,
        blind=tuple(FleetBlind.of(each) for each in blind),
        lost=tuple(
            FleetLoss(
                since=from_ms(row.since_at),
                until=None if row.resumed_at is None else from_ms(row.resumed_at),
                subjects=row.lost,
            )
            for row in lost
        ),
        changes=tuple(FleetChange.of(row) for row in changes),
        as_of=as_of,
    )
