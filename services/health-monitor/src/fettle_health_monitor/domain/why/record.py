"""What is on record of a subject's verdicts, up to an instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from fettle_health_monitor.domain.correlator.commands import read_dedup_key
from fettle_health_monitor.domain.correlator.evidence import SHARES, before_decision
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.domain.correlator.verdicts import OPENING, Cause, Named, Verdict

_TICKETS = frozenset({"opened", "reopened", "already_open", "joined"})
_ASKED = _TICKETS | {"merged"}
_ENDS = frozenset({Cause.RECOVERED, Cause.FORGOTTEN})
WITHOUT = frozenset({Cause.STILL_UNHEALTHY, Cause.LEFT_OVER, Cause.JUDGED_AFRESH})
"""The causes that come where the ticket that there was, the subject's own or one that it shared, is there no more."""
_OF_CHANGES_OR_SILENCES = frozenset({Cause.FIRING, Cause.SILENCE_ENDED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A verdict and how it ended. `at` is in broker milliseconds."""

    verdict: UUID
    cause: Cause
    condition: str
    at: int
    outcome: str
    reason: str
    policy_version: int
    evidence: Mapping[str, Any]


def of_itself(record: Sequence[Recorded]) -> list[Recorded]:
    """Those about the subject itself: an integration's shared ticket is about others."""
    return [each for each in record if each.condition != MANY and each.cause is not Cause.FEW_LEFT]


def with_own_evidence(record: Sequence[Recorded]) -> list[Recorded]:
    """The record, the earliest first, in which a merge says what was last seen of the subject itself, and nothing where
    that is not on record: it was called for by what was seen of another one."""
    own: list[Recorded] = []
    seen: Mapping[str, Any] = {}
    for each in record:
        if each.cause is Cause.MERGED:
            shares = {SHARES: each.evidence[SHARES]} if SHARES in each.evidence else {}
            own.append(replace(each, evidence={**before_decision(seen), **shares}))
        else:
            seen = each.evidence
            own.append(each)
    return own


def has_ticket(record: Sequence[Recorded]) -> bool:
    """Whether the monitor has asked for a ticket and not for its end, by what is on record, the earliest first. Where
    it asks for one again, because somebody has resolved the last, it was refused, or it was shared and has ended, there
    is none but by that."""
    has = False
    for each in of_itself(record):
        before = has and each.cause not in WITHOUT
        has = (before or each.outcome in _TICKETS) and each.cause not in _ENDS
    return has


def asked_last(trouble: Sequence[Recorded]) -> Recorded:
    """The last verdict by which a subject has the ticket that it has."""
    return next(each for each in reversed(trouble) if each.outcome in _ASKED)


def shared_by(record: Sequence[Recorded]) -> tuple[str, str, int] | None:
    """Integration and condition of the ticket that the subject has with others by its record, and since when; None
    where it has none, or one of its own."""
    if not has_ticket(record):
        return None
    last = asked_last(present_trouble(record))
    shared = read_dedup_key(last.evidence.get(SHARES, ""))
    return None if shared is None else (*shared, last.at)


def ended(of_integration: Sequence[Recorded], condition: str, since: int) -> int | None:
    """When the ticket ended that devices had together since then, by the record of the integration that it is about;
    None where it has not. One that was merged ends with the one that it was merged into."""
    for each in of_integration:
        if each.at >= since:
            if condition == MANY and each.condition == MANY and each.cause is Cause.MERGED:
                _, condition = about(each, "")
            elif _is_over(each, condition):
                return each.at
    return None


def ended_by_monitor(behind: Sequence[Recorded], condition: str) -> bool:
    """Whether it is the monitor that has ended a ticket about a subject and this condition, by what was decided about
    the subject behind an instant at which it had that; where not, and it is resolved, somebody else has."""
    for each in behind:
        another = condition != each.condition and MANY not in (condition, each.condition)
        merged = each.cause is Cause.MERGED and condition == each.condition
        if merged or (another and each.outcome == "opened"):
            return True
        if _is_over(each, condition):
            return each.outcome == "resolved"
    return False


def _is_over(each: Recorded, condition: str) -> bool:
    """Whether the subject's ticket about this condition is over by this verdict, or stays as somebody resolved it."""
    if (each.condition == MANY) != (condition == MANY):
        return False
    if each.cause is Cause.STILL_UNHEALTHY:
        return each.outcome not in _TICKETS
    return each.cause in _ENDS or (each.cause is Cause.FEW_LEFT and each.outcome != "called_off")


def about(each: Recorded, subject: str) -> tuple[str, str]:
    """Subject and condition of the ticket that a verdict about `subject` led to: its own, or one that it shares."""
    return read_dedup_key(each.evidence.get(SHARES, "")) or (subject, each.condition)


def present_trouble(record: Sequence[Recorded]) -> list[Recorded]:
    """What has been decided since the subject was last well or gone."""
    own = of_itself(record)
    ends = [place for place, each in enumerate(own) if each.cause in _ENDS]
    return own[ends[-1] + 1 :] if ends else own


def earlier_verdicts(
    record: Sequence[Recorded], org: str, subject: str, *, at: int, offset: int
) -> tuple[Verdict, ...]:
    """Those of the trouble that is under way behind the record at this place of the log."""
    before = [each for each in record if each.at <= at and each.evidence.get("offset", offset) <= offset]
    return tuple(_verdict(each, org, subject) for each in present_trouble(before) if each.cause in OPENING)


def called_otherwise(record: Sequence[Recorded], org: str, subject: str, *, after: int) -> tuple[Verdict, ...]:
    """Those behind this instant that neither a change nor the end of a silence has called for."""
    return tuple(
        _verdict(each, org, subject)
        for each in of_itself(record)
        if each.at > after and each.cause in OPENING - _OF_CHANGES_OR_SILENCES
    )


def _verdict(each: Recorded, org: str, subject: str) -> Verdict:
    return Verdict(
        id=each.verdict,
        cause=each.cause,
        org=org,
        subject=subject,
        condition=each.condition,
        at=each.at,
        since=each.at,
        policy_version=each.policy_version,
        evidence=each.evidence,
        named=Named(),
    )
