"""What a verdict rests on, in the words of the borders: instants as text, nothing that is not known."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from fettle_contracts.times import from_ms, rfc3339
from fettle_health_monitor.domain.correlator.clocks import Behind
from fettle_health_monitor.domain.judgements import Change

SHARES: Final = "shares"
"""In an outcome's evidence: the key of the ticket that the subject shares with others."""

LEFT_OVER_FROM: Final = "left_over_from"
"""In evidence: what the shared ticket was about that a device was left over from."""

LEFT_OVER_BEHIND: Final = "left_over_behind"
"""In evidence: the integration whose ticket that was; the device may be behind another by then."""

_SLOWER: Final = "slower_shards"
_STALLED: Final = "stalled_shards"


@lru_cache(maxsize=8_192)
def instant(milliseconds: int | None) -> str | None:
    """Broker milliseconds as RFC 3339 text. Cached: the same few instants are written into every record of a change."""
    return None if milliseconds is None else rfc3339(from_ms(milliseconds))


def of_change(change: Change) -> dict[str, Any]:
    """Evidence of a transition and of the verdict that it calls for."""
    seen = change.evidence
    return {
        "reason": change.reason,
        "last_heard": instant(seen.last_heard),
        "deadline": instant(seen.deadline),
        "status": seen.status,
        "timeout_s": seen.timeout_s,
        "debounce_s": seen.debounce_s,
        "partition": seen.partition,
        "offset": seen.offset,
    }


def in_words(change: Change) -> dict[str, Any]:
    """A change in the words of `health.transitions`; whose it is is not among them."""
    return {
        "from": change.from_state,
        "to": change.to_state,
        "condition": change.condition,
        "at": instant(change.at),
        "since": instant(change.since),
        "policy_version": change.policy_version,
        "flap_count": change.flap_count,
        "evidence": of_change(change),
    }


def before_decision(evidence: Mapping[str, Any]) -> dict[str, Any]:
    """What was seen, out of the evidence of a decision: whose ticket was shared by it, and whom it was decided without,
    is its own."""
    return {name: value for name, value in evidence.items() if name not in (SHARES, _SLOWER, _STALLED)}


def with_decision(evidence: Mapping[str, Any], *, policy_version: int, since: int, behind: Behind) -> dict[str, Any]:
    """The evidence of a decision: what was seen, by which policy, and whom it was decided without."""
    full = {**evidence, "since": instant(since), "policy_version": policy_version}
    if behind.slower:
        full[_SLOWER] = list(behind.slower)
    if behind.stalled:
        full[_STALLED] = list(behind.stalled)
    return full
