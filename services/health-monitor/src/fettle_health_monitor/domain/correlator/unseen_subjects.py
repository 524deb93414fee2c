"""Subjects that are shown otherwise than their shards judge, and what happens to them."""

from dataclasses import dataclass
from typing import Self, TypeAlias

from fettle_contracts.transitions import HealthState
from fettle_health_monitor.domain.correlator.fresh_times import Times, Until
from fettle_health_monitor.domain.correlator.losses import by_silence
from fettle_health_monitor.domain.judgements import Change, HeardAgain

WELL = frozenset({HealthState.HEALTHY, HealthState.PENDING_RESOLVE})
"""The states out of which, and into which, a subject is heard to be well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A subject that is shown as `shown`, about `condition`, while its shard's last word is `judged`. `until` is its
    fresh timeout, or its open debounce while it is shown pending."""

    subject: str
    shown: str
    condition: str | None
    judged: Change
    until: Until | None = None

    @classmethod
    def of(cls, judged: Change, shown: str | None, condition: str | None) -> Self:
        """Without a timer."""
        return cls(subject=judged.subject, shown=shown or "", condition=condition, judged=judged)

    @property
    def is_pending(self) -> bool:
        return self.shown == HealthState.PENDING_OPEN

    @property
    def is_silent(self) -> bool:
        """Whether its timer rests on nothing being heard of it."""
        return not self.is_pending or by_silence(self.judged)


@dataclass(frozen=True, slots=True)
class Due:
    """The timer of an unseen subject, due on its shard's clock at `due_clock`, has run out at this instant."""

    subject: str
    at: int
    due_clock: int


Event: TypeAlias = Change | HeardAgain | Due


@dataclass(frozen=True, slots=True)
class Rules(Times):
    """What counts for one subject, by which version of the policy, and the integration that it reports through."""

    integration: str | None
    version: int
