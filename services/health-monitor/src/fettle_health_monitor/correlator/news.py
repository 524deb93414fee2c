"""Messages of `health.judgements` that are not repeats."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from fettle_health_monitor.domain.judgements import (
    Change,
    Clock,
    HeardAgain,
    Hello,
    InForce,
    Judgement,
    Profile,
    Unobserved,
    Unwatched,
)
from fettle_health_monitor.metrics import JUDGEMENTS


@dataclass(frozen=True, slots=True)
class Received:
    """A message of `health.judgements` and the partition it came by."""

    partition: int
    judgement: Judgement


@dataclass(slots=True)
class News:
    """Messages by kind, each kind in order per partition. Clocks are not among them: they are progress."""

    changes: list[Change] = field(default_factory=list)
    heard_again: list[HeardAgain] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    unwatched: list[Unwatched] = field(default_factory=list)
    in_force: list[InForce] = field(default_factory=list)
    hellos: list[Hello] = field(default_factory=list)
    gaps: list[Unobserved] = field(default_factory=list)
    partition_of: dict[str, int] = field(default_factory=dict)
    """By which partition the orgs come of which something is said that may be decided about: a name, a place and who is
    not watched decide nothing, and nothing waits for them."""

    @property
    def written_of(self) -> set[str]:
        """The orgs whose subjects' rows this changes by names, places and who is not watched."""
        return {each.org for each in self.profiles} | {each.org for each in self.unwatched}

    @classmethod
    def of(cls, received: Sequence[Received]) -> Self:
        news = cls()
        for each in received:
            news._take(each.partition, each.judgement)
        return news

    def _take(self, partition: int, judgement: Judgement) -> None:
        match judgement:
            case Change():
                self.changes.append(judgement)
                self.partition_of[judgement.org] = partition
            case HeardAgain():
                self.heard_again.append(judgement)
                self.partition_of[judgement.org] = partition
            case Profile():
                self.profiles.append(judgement)
            case Unwatched():
                self.unwatched.append(judgement)
            case InForce():
                self.in_force.append(judgement)
                self.partition_of[judgement.org] = partition
            case Hello():
                self.hellos.append(judgement)
            case Unobserved():
                self.gaps.append(judgement)
            case Clock():
                pass


def count_received(received: Sequence[Received]) -> None:
    """Counts these messages by kind."""
    for kind, number in Counter(each.judgement.__struct_config__.tag for each in received).items():
        JUDGEMENTS.labels(kind).inc(number)
