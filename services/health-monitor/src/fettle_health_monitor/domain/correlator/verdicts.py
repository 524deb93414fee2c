"""Verdicts: the moments at which something must be decided about a ticket."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self
from uuid import UUID, uuid5

from fettle_contracts.times import parse_time, to_ms
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.domain.correlator.evidence import of_change
from fettle_health_monitor.domain.correlator.losses import ALL_HEARTBEATS, LOST, Loss, lost_from
from fettle_health_monitor.domain.judgements import Change

VERDICTS = UUID("6f0a2d5e-52d5-5d0c-9c0b-1f1f7c3f8a11")
"""The namespace of verdicts that no change carries an id for."""


class Cause(StrEnum):
    """What calls for a decision. What may open a ticket is in `OPENING`."""

    FIRING = "firing"
    """The subject fires, for another condition than before too, or flaps: the evidence says why."""
    STILL_UNHEALTHY = "still_unhealthy"
    """Somebody resolved the ticket early, or the ticket service refused it, and the subject stayed unhealthy."""
    PUBLISHING_BEGAN = "publishing_began"
    """Publishing was switched on with `publish_existing` while the subject was firing, or heartbeats were lost."""
    JUDGED_AFRESH = "judged_afresh"
    """The integration has recovered or is gone, and the device has been unhealthy for a full timeout and debounce
    since. Or a ticket that devices shared ended while it was just being heard again, and it has failed again."""
    LEFT_OVER = "left_over"
    """The ticket that the device shared has ended, not by its integration's recovery, and the device is still
    unhealthy."""
    SILENCE_ENDED = "silence_ended"
    """A silence has ended or was removed while the subject was firing or flapping."""
    UNSEEN = "unseen"
    """The subject would fire, or flap, but its silence may be that of all: heartbeats are lost."""
    MERGED = "merged"
    """The subject's ticket is to go on in one that it shares with others."""
    RECOVERED = "recovered"
    FORGOTTEN = "forgotten"
    FEW_LEFT = "few_left"
    """Fewer devices than make many are down, for the whole resolve debounce."""


OPENING = frozenset(Cause) - {Cause.UNSEEN, Cause.MERGED, Cause.RECOVERED, Cause.FORGOTTEN, Cause.FEW_LEFT}
"""The causes that may open a ticket."""

ENDING = frozenset({Cause.RECOVERED, Cause.FORGOTTEN})
"""The causes that end what is about their subject itself."""

CALLS_FOR_A_TICKET = frozenset({HealthState.FIRING, HealthState.FLAPPING})
"""The states of a subject that is confirmed as unhealthy and is not just heard to be well."""

LEAVING_UNHEALTH = frozenset({HealthState.PENDING_RESOLVE, HealthState.FLAPPING})
"""The states with a ticket whose subject may be healthy: firing out of them is nothing new."""

_WITH_A_TICKET = LEAVING_UNHEALTH | {HealthState.FIRING}
"""Healthy out of them is a confirmed recovery, out of pending open nothing had been decided. Straight out of firing
goes who was shown as it had been while it could not be heard."""


@dataclass(frozen=True, slots=True)
class Named:
    """What people call a subject and where it belongs, as far as anybody said."""

    name: str | None = None
    integration: str | None = None
    space: str | None = None


ALL_TOGETHER = Named(name="All heartbeats")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One decision that is due once the shards' clocks have passed `at`.

    `id` names it for ever: the id of what called for it. `condition` is the one that began or ended, empty when the
    subject was healthy. `since` is when its reading became what it is, `named` how it was called then. Instants are
    broker milliseconds.
    """

    id: UUID
    cause: Cause
    org: str
    subject: str
    condition: str
    at: int
    since: int
    policy_version: int
    flap_count: int = 0
    evidence: Mapping[str, Any]
    named: Named = Named()

    def about_what_was(self, seen: "LastSeen | None") -> Self:
        """The same, with what was last seen of its own subject; with nothing where that is not on record."""
        seen = seen or LastSeen(self.at, {})
        return replace(self, since=seen.since, evidence=seen.evidence, flap_count=seen.flap_count)


@dataclass(frozen=True, slots=True)
class LastSeen:
    """What was last seen of a subject that no change calls for a verdict about: since when it is so (broker
    milliseconds), the evidence of that, and the flap count of its last change."""

    since: int
    evidence: Mapping[str, Any]
    flap_count: int = 0

    @classmethod
    def of(cls, evidence: Mapping[str, Any], flap_count: int = 0) -> Self:
        """By the evidence of a decision."""
        return cls(to_ms(parse_time(evidence["since"])), evidence, flap_count)


def called_for(change: Change, named: Named) -> Verdict | None:
    """The verdict that a change of state calls for; most call for none.

    A return from pending resolve or flapping to firing calls for none: the ticket is still there. Firing on for
    another condition calls for its own. Where nothing is said to be wrong there is nothing to open a ticket for.
    """
    cause = _cause(change)
    if cause is None:
        return None
    return Verdict(
        id=UUID(change.id),
        cause=cause,
        org=change.org,
        subject=change.subject,
        condition=change.condition or "",
        at=change.at,
        since=change.since,
        policy_version=change.policy_version,
        flap_count=change.flap_count,
        evidence=of_change(change),
        named=named,
    )


def _cause(change: Change) -> Cause | None:
    if change.to_state is None:
        return Cause.FORGOTTEN
    if change.to_state == HealthState.FLAPPING or (
        change.to_state == HealthState.FIRING and change.from_state not in LEAVING_UNHEALTH
    ):
        return Cause.FIRING if change.condition else None
    if change.to_state == HealthState.HEALTHY and change.from_state in _WITH_A_TICKET:
        return Cause.RECOVERED
    return None


def unseen(change: Change, named: Named) -> Verdict | None:
    """The verdict about a change of a shard's that is not shown, if one would open a ticket: about one into firing or
    flapping."""
    verdict = called_for(change, named)
    return None if verdict is None else replace(verdict, cause=Cause.UNSEEN)


def heartbeats_lost(loss: Loss, partition: int, window_ms: int | None = None) -> Verdict:
    """The verdict that an org's heartbeats are lost, about all of them: so many fell silent within the window."""
    return Verdict(
        id=loss.id,
        cause=Cause.FIRING,
        org=loss.org,
        subject=ALL_HEARTBEATS,
        condition=LOST,
        at=loss.begun_at,
        since=loss.since,
        policy_version=loss.policy_version,
        evidence={
            "reason": LOST,
            "unknown": loss.unknown,
            "counted": loss.counted,
            "threshold": lost_from(loss.counted),
            "window_s": None if window_ms is None else window_ms / 1000,
            "partition": partition,
        },
        named=ALL_TOGETHER,
    )


def still_lost(loss: Loss, partition: int, at: int, policy_version: int) -> Verdict:
    """The verdict, at this instant, that an org's heartbeats are lost as before, though the ticket about that has
    ended: it was few who were unknown, and they are no longer few."""
    lost = heartbeats_lost(loss, partition)
    return replace(lost, id=uuid5(loss.id, f"still/{at}"), at=at, policy_version=policy_version)


def merging(verdict: Verdict, subject: str, condition: str, name: str | None) -> Verdict:
    """The verdict that the ticket of this subject and condition is merged into the one that `verdict` asks for. What
    was seen is what `verdict` rests on."""
    return replace(
        verdict,
        id=uuid5(verdict.id, f"{Cause.MERGED}/{subject}/{condition}"),
        cause=Cause.MERGED,
        subject=subject,
        condition=condition,
        flap_count=0,
        named=Named(name=name),
    )


def joining_again(verdict: Verdict, subject: str, condition: str, name: str | None, seen: LastSeen) -> Verdict:
    """The verdict about a device that was on the list of a ticket which was refused, and is on that of the one that
    `verdict` asks for."""
    return replace(
        verdict,
        cause=Cause.STILL_UNHEALTHY,
        id=uuid5(verdict.id, f"{Cause.STILL_UNHEALTHY}/{subject}/{condition}"),
        subject=subject,
        condition=condition,
        since=seen.since,
        flap_count=seen.flap_count,
        evidence=seen.evidence,
        named=Named(name=name),
    )


def publishing_began(
    *,
    org: str,
    version: int,
    subject: str,
    condition: str,
    at: int,
    since: int,
    flap_count: int,
    evidence: Mapping[str, Any],
    named: Named,
) -> Verdict:
    """The verdict about a subject that was firing when version `version` switched publishing on, existing incidents
    included."""
    return Verdict(
        id=uuid5(VERDICTS, f"{org}/{subject}/{condition}/published/{version}"),
        cause=Cause.PUBLISHING_BEGAN,
        org=org,
        subject=subject,
        condition=condition,
        at=at,
        since=since,
        policy_version=version,
        flap_count=flap_count,
        evidence=evidence,
        named=named,
    )


def forgotten(id: UUID, *, org: str, subject: str, at: int, policy_version: int) -> Verdict:
    """The verdict about a subject that was removed while no shard knew it. A removal is carried out once, so any new
    id will do."""
    return Verdict(
        id=id,
        cause=Cause.FORGOTTEN,
        org=org,
        subject=subject,
        condition="",
        at=at,
        since=at,
        policy_version=policy_version,
        evidence={"reason": "forgotten"},
    )
