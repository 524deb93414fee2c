"""What follows when an occurrence of a silence has ended, in the log's time.

A silent device sends nothing that could call for its ticket, so the end does. One that is just heard again is waited
for: healthy, it needs no ticket; failing again, it calls for one at that instant.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias
from uuid import uuid5

from fettle_contracts.transitions import FAILING
from fettle_health_monitor.domain.correlator.evidence import instant
from fettle_health_monitor.domain.correlator.silences import Occurrence, Silence
from fettle_health_monitor.domain.correlator.verdicts import CALLS_FOR_A_TICKET, VERDICTS, Cause, Named, Verdict


@dataclass(frozen=True, slots=True)
class Stood:
    """How a subject stood just before an instant: its last transition by then, and where it went next, if it has, and
    by which version of the policy (`next_state` is None also for one that was forgotten)."""

    state: str | None
    condition: str | None
    since: int
    flap_count: int
    evidence: Mapping[str, Any]
    next_at: int | None = None
    next_state: str | None = None
    next_version: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """An occurrence of a silence whose end the subject's shard has judged past, by `policy_version` at that instant, or
    at `due_at` where the org was switched off then and is on again since. `settled`: no verdict is needed, as one about
    its recovery has been decided since, or about its removal since it was last heard of, or it has fired for another
    reason since and that has been decided, or a watch over an early resolve will call for one."""

    silence: Silence
    occurrence: Occurrence
    stood: Stood | None
    named: Named
    policy_version: int
    settled: bool = False
    enabled: bool = True
    due_at: int = 0


Called: TypeAlias = Verdict | Literal["nothing", "wait", "on_again"]


def after_end(ended: Ended) -> Called:
    """The verdict that this end calls for, if one; `wait` while it is open whether the subject fails again, `on_again`
    while nobody judges that, as the org is switched off."""
    stood = ended.stood
    if stood is None or stood.condition is None or ended.settled:
        return "nothing"
    if stood.state not in FAILING:
        return "nothing"
    if not ended.enabled:
        return "on_again"
    if stood.state in CALLS_FOR_A_TICKET:
        return _verdict(ended, stood, stood.condition, max(ended.occurrence.end, ended.due_at))
    if stood.next_at is None:
        return "wait"
    if stood.next_state not in CALLS_FOR_A_TICKET:
        return "nothing"
    return _verdict(replace(ended, policy_version=stood.next_version), stood, stood.condition, stood.next_at)


def _verdict(ended: Ended, stood: Stood, condition: str, at: int) -> Verdict:
    silence, end = ended.silence, ended.occurrence.end
    return Verdict(
        id=uuid5(VERDICTS, f"{silence.org}/{silence.subject}/{condition}/silence_ended/{end}"),
        cause=Cause.SILENCE_ENDED,
        org=silence.org,
        subject=silence.subject,
        condition=condition,
        at=at,
        since=stood.since,
        policy_version=ended.policy_version,
        flap_count=stood.flap_count,
        evidence={
            **stood.evidence,
            "reason": "silence_ended",
            "silence": {
                "id": str(silence.id),
                "by": silence.by,
                "from": instant(ended.occurrence.start),
                "until": instant(end),
                **({} if silence.reason is None else {"reason": silence.reason}),
            },
        },
        named=ended.named,
    )
