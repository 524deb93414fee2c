"""Bodies of the answer why."""

from collections.abc import Mapping
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import Field

from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.message import Message
from fettle_contracts.ticket import TicketState
from fettle_contracts.times import Instant, from_ms
from fettle_contracts.transitions import Condition, HealthState
from fettle_health_monitor.correlator.why import Answer
from fettle_health_monitor.domain.correlator.outcomes import OutcomeName
from fettle_health_monitor.domain.why.changes import (
    DiscoverChange,
    NumberChange,
    SilenceChange,
    SwitchChange,
    WhatIf,
)
from fettle_health_monitor.entrypoints.correlator.shapes import ShownBlind, SubjectTicket


class ShownTimer(Message):
    """What is waited for, and until when if all time until then is observed. `ran_out`: it ended then."""

    what: Literal["silence", "open_debounce", "resolve_debounce", "stable_window", "condition"]
    at: Instant
    ran_out: bool


class ShownNumber(Message):
    """A value that holds for the subject, and which layer of the policy set it."""

    value: int | float
    set_by: str


class ShownRules(Message):
    """The version of the policy that held, its switches, and the values that held for the subject."""

    version: int
    enabled: bool
    publish_tickets: bool
    numbers: dict[str, ShownNumber]


class ShownVerdict(Message):
    """The last verdict about the subject by then, and how it ended; where that rests on an answer of the ticket service
    that is still to come, how it was decided."""

    id: UUID
    cause: str
    condition: str | None
    at: Instant
    outcome: OutcomeName
    reason: str
    policy_version: int
    evidence: Mapping[str, Any]


class ShownReplay(Message):
    """From when on the subject was judged again, the heartbeats of its own since, and how many of them were refused or
    not judged, by why."""

    since: Instant
    heartbeats: int
    refused: Mapping[str, int]
    ignored: Mapping[str, int]


class ShownChange(Message):
    """One change that would have decided otherwise, from `replayed.since` on; a switch as if it had stood so all along.
    `what` is a number of the policy (for just this subject), a switch of the org, its `discover`, or `silence`. Where
    `wanted` is what is `present`, another value held before. `from_the_beginning`: later it would change nothing."""

    what: str
    present: int | float | bool | str | None
    wanted: int | bool | str | None
    from_the_beginning: bool
    size: float = Field(description="By which part a number changes; 1 for anything else.")
    silence: UUID | None
    starts_at: Instant | None
    length_s: int | None
    text: str

    @classmethod
    def of(cls, change: WhatIf) -> Self:
        nothing: dict[str, Any] = {"silence": None, "starts_at": None, "length_s": None}
        match change:
            case NumberChange(rule, present, wanted):
                early = present == wanted
                text = _instead(rule, present, wanted, early=early)
                fields = {"what": rule, "present": present, "wanted": wanted, **nothing, "text": text}
            case SwitchChange(switch, wanted):
                early = change.early or change.all_along
                text = _instead(switch, _word(change.present), _word(wanted), early=early)
                fields = {"what": switch, "present": change.present, "wanted": wanted, **nothing, "text": text}
            case DiscoverChange(present):
                early = present == "judge"
                text = _instead("discover", present, "judge", early=early)
                fields = {"what": "discover", "present": present, "wanted": "judge", **nothing, "text": text}
            case SilenceChange(action, silence):
                start, length_s = from_ms(silence.schedule.start), silence.schedule.length_s
                early, added = False, action == "add"
                fields = {
                    "what": "silence",
                    "present": not added,
                    "wanted": added,
                    "silence": None if added else silence.id,
                    "starts_at": start,
                    "length_s": length_s,
                    "text": f"a silence of {length_s} s" if added else f"without the silence of {silence.by}",
                }
        return cls(size=round(change.size, 4), from_the_beginning=early, **fields)


class ShownWhy(Message):
    """`called_for`: the monitor has asked for a ticket by then and not for its end; `ticket` shows it as it is now.
    `change` is the smallest, `others` would have decided otherwise too; where there is none, `no_change` says why."""

    subject: str
    at: Instant
    as_of: Instant
    called_for: bool
    ticket: SubjectTicket | None
    because: str
    suppressed_by: str | None
    state: HealthState | None
    condition: Condition | None
    since: Instant | None
    last_heard: Instant | None
    reported: str | None
    timer: ShownTimer | None
    policy: ShownRules | None
    verdict: ShownVerdict | None
    blind: tuple[ShownBlind, ...]
    replayed: ShownReplay | None
    change: ShownChange | None
    others: tuple[ShownChange, ...]
    no_change: str | None

    @classmethod
    def of(cls, key: HeartbeatKey, answer: Answer, as_of: Instant) -> Self:
        seen, replayed = answer.picture, answer.replayed
        changes = [ShownChange.of(change) for change in answer.changes]
        return cls(
            subject=str(key.subject),
            at=from_ms(answer.at),
            as_of=as_of,
            called_for=answer.has_ticket,
            ticket=_ticket(answer),
            because=answer.because,
            suppressed_by=answer.suppressed_by,
            state=None if seen is None else HealthState(seen.state),
            condition=None if seen is None or seen.condition is None else Condition(seen.condition),
            since=None if seen is None else from_ms(seen.since),
            last_heard=None if seen is None or seen.last_heard is None else from_ms(seen.last_heard),
            reported=None if seen is None else seen.reported,
            timer=_timer(answer),
            policy=_rules(answer),
            verdict=_verdict(answer),
            blind=tuple(ShownBlind.of(each) for each in answer.blind),
            replayed=None
            if replayed is None
            else ShownReplay(
                since=from_ms(replayed.since),
                heartbeats=replayed.heartbeats,
                refused=replayed.refused,
                ignored=replayed.ignored,
            ),
            change=changes[0] if changes else None,
            others=tuple(changes[1:]),
            no_change=answer.no_change,
        )


def _ticket(answer: Answer) -> SubjectTicket | None:
    ticket = answer.ticket
    if ticket is None:
        return None
    return SubjectTicket(id=ticket.id, number=ticket.number, state=TicketState(ticket.state))


def _timer(answer: Answer) -> ShownTimer | None:
    timer = None if answer.picture is None else answer.picture.timer
    return None if timer is None else ShownTimer(what=timer.what, at=from_ms(timer.at), ran_out=timer.ran_out)


def _rules(answer: Answer) -> ShownRules | None:
    version = answer.version
    if version is None:
        return None
    numbers = {} if answer.picture is None else answer.picture.numbers
    return ShownRules(
        version=version.version,
        enabled=version.policy.enabled,
        publish_tickets=version.policy.publish_tickets,
        numbers={
            rule: ShownNumber(value=value, set_by=answer.sources.get(rule, "platform"))
            for rule, value in numbers.items()
        },
    )


def _verdict(answer: Answer) -> ShownVerdict | None:
    last = answer.verdict
    if last is None:
        return None
    return ShownVerdict.model_validate(
        {
            "id": last.verdict,
            "cause": last.cause.value,
            "condition": last.condition or None,
            "at": from_ms(last.at),
            "outcome": last.outcome,
            "reason": last.reason,
            "policy_version": last.policy_version,
            "evidence": last.evidence,
        }
    )


def _instead(what: str, present: float | str, wanted: int | str, *, early: bool) -> str:
    return f"{what} {wanted} from the beginning" if early else f"{what} {present} -> {wanted}"


def _word(switch: bool) -> str:
    return "on" if switch else "off"
