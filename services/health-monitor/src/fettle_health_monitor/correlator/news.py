"""The messages of one partition of `health.judgements` that are not repeats."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

from fettle_health_monitor.domain.judgements import (
    Change,
    Clock,
    Hello,
    InForce,
    Judgement,
    Profile,
    Unobserved,
    Unwatched,
)
from fettle_health_monitor.metrics import JUDGEMENTS


@dataclass(frozen=True, slots=True)
class Heard:
    """A message of `health.judgements` and the partition it came by."""

    partition: int
    judgement: Judgement


@dataclass(slots=True)
class News:
    """Messages by kind, each kind in order; of a shard's clocks the last."""

    changes: list[Change] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    unwatched: list[Unwatched] = field(default_factory=list)
    in_force: list[InForce] = field(default_factory=list)
    clocks: dict[int, Clock] = field(default_factory=dict)
    hellos: list[Hello] = field(default_factory=list)
    gaps: list[Unobserved] = field(default_factory=list)

    @classmethod
    def of(cls, judgements: Iterable[Judgement]) -> Self:
        news = cls()
        for judgement in judgements:
            news._take(judgement)
            JUDGEMENTS.labels(judgement.__struct_config__.tag).inc()
        return news

    @property
    def orgs(self) -> set[str]:
        """Whose subjects or policies they speak of."""
        return {each.org for each in self.changes} | {each.org for each in self.in_force}

    def _take(self, judgement: Judgement) -> None:
        match judgement:
            case Change():
                self.changes.append(judgement)
            case Profile():
                self.profiles.append(judgement)
            case Unwatched():
                self.unwatched.append(judgement)
            case InForce():
                self.in_force.append(judgement)
            case Clock():
                self.clocks[judgement.shard] = judgement
            case Hello():
                self.hellos.append(judgement)
            case Unobserved():
                self.gaps.append(judgement)
