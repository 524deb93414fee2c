"""The decisions about tickets: a verdict and the facts of its moment in, an outcome with its reason out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import assert_never

from fettle_contracts.ticket import Resolution
from fettle_health_monitor.domain.correlator.evidence import LEFT_OVER_BEHIND, LEFT_OVER_FROM
from fettle_health_monitor.domain.correlator.incident import Incident
from fettle_health_monitor.domain.correlator.losses import LOST
from fettle_health_monitor.domain.correlator.outcomes import (
    AlreadyOpen,
    CalledOff,
    HeldBack,
    Joined,
    Merged,
    NothingToResolve,
    Opened,
    OpenedTogether,
    Outcome,
    Refused,
    Reopened,
    Resolved,
    Silenced,
    Unobserved,
    Unpublished,
    Wait,
)
from fettle_health_monitor.domain.correlator.rollups import (
    MANY,
    Begins,
    Group,
    Joins,
    Member,
    Parent,
    Waits,
    integration_of,
    member_of,
    shared,
)
from fettle_health_monitor.domain.correlator.verdicts import Cause, Verdict, merging
from fettle_health_monitor.domain.correlator.watches import FAILED_AGAIN, OPEN_REFUSED

_WHY: Mapping[str, str] = MappingProxyType(
    {
        "changed_too_often": "flapping: too many confirmed changes within the flap window",
        "flipped_too_often": "flapping: too many flips of the reading within the flap window",
        "condition_changed": "another condition for the whole open debounce",
        LOST: "four fifths of the subjects have fallen silent within the rollup window",
    }
)


SUPERSEDING = frozenset({Cause.FIRING, Cause.PUBLISHING_BEGAN, Cause.SILENCE_ENDED})
"""What may be about another condition than the subject's tickets."""


@dataclass(frozen=True, slots=True)
class Switches:
    """The org's switches, in the policy version that made the verdict."""

    version: int
    enabled: bool
    publish_tickets: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision rests on besides the verdict. `switches` is None when the org is not known. `incidents` are the
    subject's, by condition. `group` is what a device shares with others, or what an integration has behind it; None
    where there is no integration. `afresh`: the subject's full timeout and debounce after its integration's recovery
    are not over yet. `unpublished`: the last that was decided about the subject ended so, and it has not been well
    since. `silenced` is by the silence that covers the verdict's instant, `held_back` what the one has whose end called
    for it."""

    switches: Switches | None
    org_deleted: bool
    incidents: Mapping[str, Incident]
    group: Group | None = None
    afresh: bool = False
    unpublished: bool = False
    silenced: Silenced | None = None
    held_back: HeldBack | None = None


def decide(verdict: Verdict, facts: Facts) -> Outcome | Wait:
    """The one outcome of this verdict, or that it must wait. Commands follow from outcomes (`commands.py`)."""
    match verdict.cause:
        case Cause.RECOVERED:
            return _about_resolving(Resolution.RECOVERED, facts)
        case Cause.FORGOTTEN:
            return _about_resolving(Resolution.REMOVED, facts)
        case Cause.FEW_LEFT:
            return _about_the_end_of_many(facts) if verdict.condition == MANY else NothingToResolve()
        case Cause.UNSEEN:
            return Unobserved()
        case Cause.MERGED:
            raise ValueError("what is merged follows from a decision, and calls for none")
        case (
            Cause.FIRING
            | Cause.STILL_UNHEALTHY
            | Cause.PUBLISHING_BEGAN
            | Cause.JUDGED_AFRESH
            | Cause.LEFT_OVER
            | Cause.SILENCE_ENDED
        ):
            return _about_opening(verdict, facts)
        case _:
            assert_never(verdict.cause)


def _about_opening(verdict: Verdict, facts: Facts) -> Outcome | Wait:
    """Switches before tickets: an org that publishes nothing is told nothing about them. Then the ticket that the
    subject has, as a silence holds back only what would open, and its end opens only what was held back, not what
    publishing has left out; then the silence, as who is silenced shares no ticket either; then its own fresh time
    behind a ticket that it shared, as who waits for that may be well; then those that it could share. What many
    devices share is not the integration's own."""
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
        return _already_open(verdict, facts, incident.ticket.number)
    if facts.unpublished and verdict.cause is Cause.SILENCE_ENDED and not incident.will_be_open:
        return Unpublished()
    if facts.silenced is not None and verdict.condition != MANY:
        return facts.silenced
    if facts.afresh:
        return Wait("judged_afresh")
    if facts.group is None:
        return _open(verdict, facts)
    if verdict.condition == MANY:
        return _about_many(verdict, facts.group)
    if verdict.subject == facts.group.subject:
        return _open_for_all(verdict, facts, facts.group)
    return _open_or_share(verdict, facts, facts.group)


def _already_open(verdict: Verdict, facts: Facts, number: int) -> AlreadyOpen:
    """Somebody may have reopened the ticket while another one was the one about the subject's condition, or while many
    devices share one: an integration's own takes that over."""
    if verdict.cause not in SUPERSEDING:
        return AlreadyOpen(number)
    group = facts.group
    takes_over = group is not None and group.subject == verdict.subject and group.has_many
    return AlreadyOpen(number, _superseded(verdict, facts), takes_over)


def _about_many(verdict: Verdict, group: Group) -> Outcome:
    if group.down < group.threshold:
        return CalledOff(f"{group.down} devices are still down, and {group.threshold} are many", "few_down")
    if verdict.evidence.get("reason") == OPEN_REFUSED:
        return Opened(f"refused before, and {group.down} devices are still down", because=OPEN_REFUSED)
    return Reopened(f"resolved early, and {group.down} devices are down after one more open debounce")


def _about_the_end_of_many(facts: Facts) -> Outcome:
    if facts.group is not None and facts.group.down >= facts.group.threshold:
        return CalledOff(f"with those that are about to fire, {facts.group.down} devices are down", "many_down")
    many = facts.incidents.get(MANY, Incident())
    return Resolved(Resolution.RECOVERED, (MANY,)) if many.maybe_open else NothingToResolve()


def _open_for_all(verdict: Verdict, facts: Facts, group: Group) -> Outcome:
    """An integration's own ticket takes in what fails behind it, when it is asked for and not when it is once more."""
    asked = facts.incidents.get(verdict.condition, Incident()).will_be_open
    merges = () if asked else tuple(single.member for single in group.singles_before(verdict.at))
    return replace(_open(verdict, facts), merges=merges, takes_over=group.has_many)


def _open_or_share(verdict: Verdict, facts: Facts, group: Group) -> Outcome | Wait:
    """Whose own ticket is on its way asks for that once more, and for no other."""
    if facts.incidents.get(verdict.condition, Incident()).will_be_open:
        return _open(verdict, facts)
    if verdict.cause is Cause.LEFT_OVER and _after(verdict) == Parent(group.subject, MANY) and group.parent is None:
        return _open(verdict, facts)
    match shared(verdict, group):
        case Joins(parent):
            return Joined(parent, member_of(verdict))
        case Begins(failing, members, singles):
            parent = Parent(group.subject, MANY)
            name, threshold, window_ms = group.name or "", group.threshold, group.window_ms
            return OpenedTogether(parent, name, failing, members, singles, threshold, window_ms)
        case Waits():
            return Wait("resolved_early")
        case None:
            return _open(verdict, facts)


def _open(verdict: Verdict, facts: Facts) -> Opened | Reopened:
    match verdict.cause:
        case Cause.STILL_UNHEALTHY if verdict.evidence.get("reason") == OPEN_REFUSED:
            after = _after(verdict) if LEFT_OVER_FROM in verdict.evidence else None
            return Opened("refused before, and still unhealthy", OPEN_REFUSED, after=after)
        case Cause.STILL_UNHEALTHY:
            return Reopened("resolved early, and unhealthy for one more open debounce")
        case Cause.PUBLISHING_BEGAN:
            why = "firing when publishing was switched on for what exists"
            return Opened(why, verdict.cause.value, supersedes=_superseded(verdict, facts))
        case Cause.JUDGED_AFRESH if verdict.evidence.get("reason") == FAILED_AGAIN:
            return Opened("failed again after the ticket that it shared had ended", FAILED_AGAIN)
        case Cause.JUDGED_AFRESH:
            return Opened(
                "unhealthy for a full timeout and open debounce after its integration recovered", verdict.cause.value
            )
        case Cause.LEFT_OVER:
            which = "about many devices" if _left_over_from(verdict) == MANY else "of its integration"
            return Opened(f"unhealthy when the ticket {which} ended", verdict.cause.value, after=_after(verdict))
        case Cause.SILENCE_ENDED:
            superseded, held_back = _superseded(verdict, facts), facts.held_back
            return Opened(
                "unhealthy when its silence ended", verdict.cause.value, supersedes=superseded, held_back=held_back
            )
        case _:
            because = verdict.evidence.get("reason", "")
            if because not in _WHY:
                return Opened("unhealthy for the whole open debounce", supersedes=_superseded(verdict, facts))
            return Opened(_WHY[because], because, supersedes=_superseded(verdict, facts))


def merges_of(verdict: Verdict, outcome: Outcome) -> list[tuple[Verdict, Merged]]:
    """The tickets that are merged into the one that an outcome asks for, each a verdict that ends so."""
    match outcome:
        case OpenedTogether():
            parent, taken = outcome.parent, list(outcome.merges)
        case Opened() | Reopened():
            parent, taken = Parent(verdict.subject, verdict.condition), list(outcome.merges)
            taken += [Member(verdict.subject, MANY)] if outcome.takes_over else []
        case AlreadyOpen(takes_over=True):
            parent, taken = Parent(verdict.subject, verdict.condition), [Member(verdict.subject, MANY)]
        case _:
            return []
    return [(merging(verdict, one.subject, one.condition, one.name), Merged(parent)) for one in taken]


def _left_over_from(verdict: Verdict) -> str:
    """What the ticket was about that a device was left over from."""
    condition: str = verdict.evidence.get(LEFT_OVER_FROM, MANY)
    return condition


def _after(verdict: Verdict) -> Parent:
    behind = verdict.evidence.get(LEFT_OVER_BEHIND, integration_of(verdict.named.integration or ""))
    return Parent(behind, _left_over_from(verdict))


def _superseded(verdict: Verdict, facts: Facts) -> tuple[str, ...]:
    return tuple(
        sorted(
            name
            for name, other in facts.incidents.items()
            if name not in (verdict.condition, MANY) and other.maybe_open
        )
    )


def _about_resolving(resolution: Resolution, facts: Facts) -> Outcome:
    """Always gets through, whatever the switches say. A healthy subject has nothing wrong: all its tickets end. That of
    many devices is about others and has an end of its own."""
    conditions = tuple(
        sorted(name for name, incident in facts.incidents.items() if name != MANY and incident.maybe_open)
    )
    return Resolved(resolution, conditions) if conditions else NothingToResolve()
