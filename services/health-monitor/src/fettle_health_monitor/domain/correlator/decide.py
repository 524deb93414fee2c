"""The decisions about tickets: a verdict and the facts of its moment in, an outcome with its reason out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import assert_never

from fettle_contracts.ticket import Resolution
from fettle_health_monitor.domain.correlator.incident import Incident
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    NothingToResolve,
    Opened,
    Outcome,
    Refused,
    Reopened,
    Resolved,
    Unpublished,
)
from fettle_health_monitor.domain.correlator.verdicts import Cause, Verdict


@dataclass(frozen=True, slots=True)
class Switches:
    """The org's switches, in the policy version that made the verdict."""

    version: int
    enabled: bool
    publish_tickets: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision rests on besides the verdict. `switches` is None when the org is not known. `incidents` are the
    subject's, by condition."""

    switches: Switches | None
    org_deleted: bool
    incidents: Mapping[str, Incident]


def decide(verdict: Verdict, facts: Facts) -> Outcome:
    """The one outcome of this verdict. Commands follow from it (`commands.py`)."""
    match verdict.cause:
        case Cause.FIRING | Cause.STILL_UNHEALTHY | Cause.PUBLISHING_BEGAN:
            return _about_opening(verdict, facts)
        case Cause.RECOVERED:
            return _about_resolving(Resolution.RECOVERED, facts)
        case Cause.FORGOTTEN:
            return _about_resolving(Resolution.REMOVED, facts)
        case _:
            assert_never(verdict.cause)


def _about_opening(verdict: Verdict, facts: Facts) -> Outcome:
    """Switches before tickets: an org that publishes nothing is told nothing about them. Rollups, silences and what was
    not observed have their place between the two."""
    if facts.switches is None:
        return Refused("org_unknown")
    if facts.org_deleted:
        return Refused("org_deleted")
    if not facts.switches.enabled:
        return Refused("not_enabled")
    if not facts.switches.publish_tickets:
        return Unpublished(facts.switches.version)
    incident = facts.incidents.get(verdict.condition, Incident())
    if incident.ticket is not None and incident.surely_open:
        return AlreadyOpen(incident.ticket.number)
    return _open(verdict, facts)


def _open(verdict: Verdict, facts: Facts) -> Outcome:
    if verdict.cause is Cause.STILL_UNHEALTHY:
        return Reopened("resolved early, and unhealthy for one more open debounce")
    if verdict.cause is Cause.PUBLISHING_BEGAN:
        return Opened("firing when publishing was switched on for what exists")
    others = tuple(
        sorted(name for name, other in facts.incidents.items() if name != verdict.condition and other.maybe_open)
    )
    return Opened("unhealthy for the whole open debounce", supersedes=others)


def _about_resolving(resolution: Resolution, facts: Facts) -> Outcome:
    """Always gets through, whatever the switches say. A healthy subject has nothing wrong: all its tickets end."""
    conditions = tuple(sorted(name for name, incident in facts.incidents.items() if incident.maybe_open))
    return Resolved(resolution, conditions) if conditions else NothingToResolve()
