"""Why there is or is not a ticket, in one or two sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.outcomes import Refused
from fettle_health_monitor.domain.why.picture import Picture
from fettle_health_monitor.domain.why.record import Recorded, asked_last

Suppressed = Literal[
    "silenced",
    "unpublished",
    "not_enabled",
    "org_unknown",
    "org_deleted",
    "joined",
    "judged_afresh",
    "list_only",
    "subject_cap",
    "not_decided_yet",
    "never_heard",
    "removed",
    "refused_heartbeats",
    "open_refused",
    "heartbeats_lost",
]

_HELD_BACK: Mapping[str, Suppressed] = {
    "silenced": "silenced",
    "unpublished": "unpublished",
    "refused": "open_refused",
}
_REFUSALS: tuple[Literal["org_unknown", "org_deleted", "not_enabled"], ...] = (
    "org_unknown",
    "org_deleted",
    "not_enabled",
)
_REFUSED: Mapping[str, Suppressed] = {Refused(code).reason: code for code in _REFUSALS}
"""By the reason that stands on record; what the ticket service refuses has other ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that the sentences are made of. `picture` is None for a subject that its shard does not watch, `unwatched`
    says why not: alone it may have been judged, as a cap counts others too. `trouble` is what was decided since it was
    last well. `enabled` is None where no policy was in force, `org_deleted` where the org is not known. `begun_anew`:
    its shard has, and does not know who was heard before. `shared_until`: the ticket that it had with others has ended
    then, and nothing has called for another since. `unknown_since`: heartbeats of the org were lost from then on.
    `asked_again_at`: a ticket that was refused is asked for again then. `removed_at`: it was, and is not watched since.
    `refused` counts its heartbeats in the log that were refused, by reason, `ignored` those that were not judged."""

    has_ticket: bool
    judged_again: bool
    picture: Picture | None
    trouble: tuple[Recorded, ...]
    enabled: bool | None
    org_deleted: bool | None = False
    ticket: int | None = None
    resolved_by_somebody: bool = False
    begun_anew: bool = False
    shared_until: int | None = None
    unwatched: str | None = None
    unknown_since: int | None = None
    waits: int | None = None
    waits_for: str | None = None
    asked_again_at: int | None = None
    removed_at: int | None = None
    refused: Mapping[str, int] = field(default_factory=dict)
    ignored: Mapping[str, int] = field(default_factory=dict)


def because(now: Situation) -> tuple[str, Suppressed | None]:
    """The sentences, and what has kept a ticket of its own from being there, if anything has."""
    if now.has_ticket and now.trouble:
        return _there_is(now)
    if now.org_deleted is None:
        return "The org is not known to the health monitor.", "org_unknown"
    if now.org_deleted:
        return "The org has been deleted: nothing of it is judged.", "org_deleted"
    if now.unknown_since is not None:
        return _unknown(now.unknown_since), "heartbeats_lost"
    if not now.judged_again:
        return _not_kept(now)
    if now.enabled is None:
        return "No policy of the org was in force by then.", "not_enabled"
    if now.picture is None or now.unwatched is not None:
        return _not_watched(now)
    if not now.enabled:
        text = "The org's health monitor is switched off: heartbeats are not judged, and every state stays as it was."
        return text, "not_enabled"
    return _no_ticket(now, now.picture)


def _unknown(since: int) -> str:
    return (
        f"Heartbeats of the whole org did not arrive after {instant(since)}: nobody knows whether this subject is "
        "silent. It has a full timeout from the moment at which reporting resumes."
    )


def _there_is(now: Situation) -> tuple[str, Suppressed | None]:
    last = asked_last(now.trouble)
    seen = _seen(last.evidence, begun_anew=now.begun_anew)
    if last.outcome in ("joined", "merged"):
        what = "it" if last.outcome == "joined" else "its own ticket was"
        return f"{seen}At {instant(last.at)} {what} {last.reason}, which it shares with others.", "joined"
    number = f"Ticket #{now.ticket}" if now.ticket else "A ticket"
    text = f"{seen}{number} was asked for at {instant(last.at)}: {last.reason}."
    return (f"{text} Somebody has resolved it since." if now.resolved_by_somebody else text), None


def _seen(evidence: Mapping[str, Any], *, begun_anew: bool) -> str:
    """What was last seen of it; nothing where the evidence does not say."""
    if "last_heard" not in evidence:
        return ""
    heard, deadline, status = evidence["last_heard"], evidence.get("deadline"), evidence.get("status")
    never = "It has not reported since its shard began" if begun_anew else "It has never reported"
    seen = f"Last heard at {heard}" if heard else never
    if deadline:
        return f"{seen}; its silence was too long at {deadline}, after {_s(evidence.get('timeout_s'))}. "
    if status and status not in ("ok", "silent"):
        return f"Its heartbeat at {heard} said {status.replace('_', ' ')}. "
    return f"{seen}. "


def _not_watched(now: Situation) -> tuple[str, Suppressed]:
    if now.unwatched == "list_only":
        return (
            "It reports and is not judged: discover was list_only when it last did, and nobody has registered it.",
            "list_only",
        )
    if now.unwatched is not None:
        return "It reports and is not judged: the org watches as many subjects as its policy allows.", "subject_cap"
    reasons = ", ".join(f"{count} as {code}" for code, count in sorted(now.refused.items()))
    if now.removed_at is not None:
        text = f"It was removed at {instant(now.removed_at)}, and has neither been registered nor heard since."
        also = f" Heartbeats of it were refused ({reasons}); see the dead letters." if reasons else ""
        return text + also, "removed"
    if reasons:
        text = f"It was never heard: its heartbeats were refused ({reasons}); see the dead letters."
        return text, "refused_heartbeats"
    if not now.enabled:
        return "The org's health monitor is switched off, and nothing is known of this subject.", "not_enabled"
    switched_off = now.ignored.get("switched_off")
    if switched_off or now.ignored.get("unknown_org"):
        off = "the org's health monitor was switched off" if switched_off else "the org had no policy"
        return f"When it last reported, {off} and its heartbeats were not judged; since then it has not.", "not_enabled"
    text = (
        "Nothing was ever heard of it and it is not registered, so nobody waits for it. If it should report: does its "
        "key say this org and id, does its partition fit (`fettle doctor`), is it among the dead letters?"
    )
    return text, "never_heard"


def _no_ticket(now: Situation, picture: Picture) -> tuple[str, Suppressed | None]:
    without = _without(now) if picture.state != "healthy" else None
    if without is not None:
        return without
    if now.waits is not None:
        what = f"until the fate of {now.waits_for} is decided" if now.waits_for else "for the clocks of all shards"
        text = f"It called for a ticket at {instant(now.waits)}; that is not decided yet and waits {what}."
        return text, "not_decided_yet"
    return _stood(picture, begun_anew=now.begun_anew), None


def _not_kept(now: Situation) -> tuple[str, Suppressed | None]:
    text = "What was heard then is not kept any more"
    without = _without(now)
    if without is None:
        return f"{text}; nothing had called for a ticket by then.", None
    return f"{text}. {without[0]}", without[1]


def _without(now: Situation) -> tuple[str, Suppressed] | None:
    """What is on record of why it has no ticket, though it called for one or had one with others."""
    last = now.trouble[-1] if now.trouble else None
    if last is not None and last.outcome in _HELD_BACK:
        text = f"It called for a ticket at {instant(last.at)}, and none was opened: {last.reason}."
        word = _REFUSED.get(last.reason, _HELD_BACK[last.outcome])
        again = now.asked_again_at if word == "open_refused" else None
        return text if again is None else f"{text} While it lasts, that is asked for again at {instant(again)}.", word
    if now.shared_until is not None:
        text = (
            f"The ticket that it shared with others ended at {instant(now.shared_until)}: it is judged afresh since, "
            "and nothing has called for one of its own by then."
        )
        return text, "judged_afresh"
    return None


def _stood(picture: Picture, *, begun_anew: bool) -> str:
    never = _never_reported(picture, begun_anew=begun_anew)
    heard = f"last heard at {instant(picture.last_heard)}" if picture.last_heard else never
    timer = picture.timer
    if picture.state == "healthy":
        until = f"; its silence is too long at {instant(timer.at)}" if timer and timer.what == "silence" else ""
        return f"It was healthy: {heard}{until}."
    if picture.state == "pending_open":
        what = "silent for too long" if picture.silent else "reported as unhealthy"
        lasts = f", which ends at {instant(timer.at)}" if timer and timer.what == "open_debounce" else ""
        debounce = f"the open debounce of {picture.numbers.get('open_debounce_s')} s{lasts}"
        return f"It was {what} since {instant(picture.since)} ({heard}), but not yet for {debounce}."
    state = picture.state.replace("_", " ")
    return f"It was {state} ({heard}), and nothing has called for a ticket in that time."


def _never_reported(picture: Picture, *, begun_anew: bool) -> str:
    if begun_anew:
        return "not heard since its shard began: it counts from there, or from its registration behind that"
    if not picture.registered:
        return "never heard"
    return "registered, and has never reported: it counts from its registration"


def _s(seconds: object) -> str:
    return f"{seconds:g} s" if isinstance(seconds, int | float) else "its timeout"
