"""Bodies of the health API."""

from collections.abc import Sequence
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator
from sqlalchemy import Row

from fettle_contracts.health_policy import OVERRIDES_LIMIT, HealthPolicy, Match, Override, Switch, check_timeouts
from fettle_contracts.identity import SubjectId, SubjectType
from fettle_contracts.message import Message
from fettle_contracts.ticket import TicketState
from fettle_contracts.times import Instant, from_ms
from fettle_contracts.transitions import Condition, HealthState, Transition
from fettle_health_monitor.adapters.correlator.last_heard import LastHeard
from fettle_health_monitor.adapters.correlator.why_facts import Blind
from fettle_health_monitor.domain.correlator.policies import PolicyVersion
from fettle_health_monitor.domain.correlator.silences import Held
from fettle_health_monitor.entrypoints.correlator.silence_shapes import ShownSilence


class SubjectTicket(Message):
    """The subject's unresolved ticket, or the one that it shares with others."""

    id: UUID
    number: int
    state: TicketState


class ShownSubject(Message):
    """A subject as it is now. `state` is null while it is not judged; `unwatched` says why, if the org's policy is the
    reason (`subject_cap`, `list_only`). `last_heard_as_of` is null where nobody said when it was last heard: in a list
    that was not asked for it, and while the owner of its shard does not answer."""

    type: SubjectType
    id: SubjectId
    name: str | None
    state: HealthState | None
    since: Instant | None
    condition: Condition | None
    integration: str | None
    space: str | None
    model: str | None
    interval_s: int | float | None
    registered: bool
    unwatched: str | None
    policy_version: int | None
    ticket: SubjectTicket | None
    last_heard: Instant | None = None
    last_heard_as_of: Instant | None = None

    @classmethod
    def of(cls, row: Row[Any], heard: LastHeard | None = None) -> "ShownSubject":
        return cls(**_fields(row), **_last_heard(heard))


class ShownBlind(Message):
    """A stretch of time that nobody observed, or in which a shard stood still; `until` is null while it lasts."""

    kind: Literal["unobserved", "stalled"]
    since: Instant
    until: Instant | None

    @classmethod
    def of(cls, blind: Blind) -> Self:
        until = None if blind.to_at is None else from_ms(blind.to_at)
        return cls.model_validate({"kind": blind.kind, "since": from_ms(blind.from_at), "until": until})


class ShownHolding(Message):
    """A stretch in which a silence holds."""

    silence: UUID
    since: Instant
    until: Instant
    made_by: str
    reason: str | None

    @classmethod
    def of(cls, held: Held) -> Self:
        silence, occurrence = held.silence, held.occurrence
        return cls(
            silence=silence.id,
            since=from_ms(occurrence.start),
            until=from_ms(occurrence.end),
            made_by=silence.by,
            reason=silence.reason,
        )


class SubjectDetail(ShownSubject):
    """One subject, with when it was last heard, as of when, and who says so."""

    silences: tuple[ShownSilence, ...] = Field(description="Those that are active.")
    silenced: tuple[ShownHolding, ...] = Field(
        description="When silences held in the last day up to `as_of`, those that recur each time, the latest first."
    )
    blind: tuple[ShownBlind, ...] = Field(description="When it was not observed in the last day, the latest first.")
    last_heard_told_by: Literal["owner", "checkpoint"] | None
    as_of: Instant | None

    @classmethod
    def shown(
        cls,
        row: Row[Any],
        silences: Sequence[Row[Any]],
        held: Sequence[Held],
        blind: Sequence[Blind],
        heard: LastHeard | None,
        as_of: Instant | None,
    ) -> "SubjectDetail":
        return cls(
            **_fields(row),
            silences=tuple(ShownSilence.of(silence) for silence in silences),
            silenced=tuple(ShownHolding.of(each) for each in held),
            blind=tuple(ShownBlind.of(each) for each in blind),
            **_last_heard(heard),
            last_heard_told_by=heard.told_by if heard else None,
            as_of=as_of,
        )


class SubjectPage(Message):
    """A page of subjects, in the order that was asked for."""

    items: tuple[ShownSubject, ...]
    next_cursor: str | None
    as_of: Instant | None


class PastTransition(Transition):
    """A transition as it was published, with its id."""

    id: UUID


class TransitionPage(Message):
    """A page of transitions, the newest first."""

    items: tuple[PastTransition, ...]
    next_cursor: str | None
    as_of: Instant | None


class InForce(Message):
    """The version that a shard judges by; null while it has not said."""

    shard: int
    version: int | None


class ShownPolicy(HealthPolicy):
    """The newest version of the org's policy, and which version is in force where. Can be sent back as it is."""

    version: int
    in_force: tuple[InForce, ...]
    as_of: Instant | None

    @classmethod
    def of(cls, version: PolicyVersion, in_force: dict[int, int], shards: int, as_of: Instant | None) -> "ShownPolicy":
        return cls.kept(
            {
                **dict(version.policy),
                "version": version.version,
                "in_force": tuple(InForce(shard=shard, version=in_force.get(shard)) for shard in range(shards)),
                "as_of": as_of,
            }
        )


class WantedMatch(Match, extra="forbid"):
    """For what part of the fleet: one of the three."""


class WantedOverride(Override, extra="forbid"):
    """Rules for a part of the fleet."""

    match: WantedMatch


class WantedPolicy(HealthPolicy, extra="forbid"):
    """A policy to put in the place of the present one; a field that no policy has is refused. `publish_existing`: open
    tickets for what fires already. What an answer shows besides may stand in it and is passed over."""

    publish_existing: Switch = False
    version: Any = None
    in_force: Any = None
    as_of: Any = None
    overrides: tuple[WantedOverride, ...] = Field(default=(), max_length=OVERRIDES_LIMIT)

    @model_validator(mode="after")
    def _means_what_it_says(self) -> Self:
        """An answer shows defaults too. Who writes a policy means what stands in it, also where that is a default."""
        if "version" not in self.model_fields_set:
            check_timeouts(self, self.model_fields_set)
        return self

    @property
    def policy(self) -> HealthPolicy:
        return HealthPolicy.model_construct(**{name: getattr(self, name) for name in HealthPolicy.model_fields})


def _last_heard(heard: LastHeard | None) -> dict[str, Any]:
    return {"last_heard": heard.at, "last_heard_as_of": heard.as_of} if heard else {}


def _fields(row: Row[Any]) -> dict[str, Any]:
    type_, _, id_ = row.subject.partition("/")
    ticket = None
    if row.ticket_id is not None:
        ticket = SubjectTicket(id=row.ticket_id, number=row.ticket_number, state=row.ticket_state)
    interval = row.interval_s
    return {
        "type": type_,
        "id": id_,
        "name": row.name,
        "state": row.state,
        "since": None if row.since_at is None else from_ms(row.since_at),
        "condition": row.condition,
        "integration": row.integration,
        "space": row.space,
        "model": row.model,
        "interval_s": int(interval) if interval is not None and interval == int(interval) else interval,
        "registered": row.registered,
        "unwatched": row.unwatched,
        "policy_version": row.policy_version,
        "ticket": ticket,
    }
