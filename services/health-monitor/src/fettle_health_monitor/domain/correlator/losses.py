"""Heartbeats of a whole org that stop arriving. Silence that is everybody's says nothing about anybody's device.

Instants are broker milliseconds.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from fettle_contracts.ticket import HEARTBEATS_LOST
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.domain.correlator.holes import down_from
from fettle_health_monitor.domain.correlator.silences import Occurrence
from fettle_health_monitor.domain.judgements import Change

LOST: Final = HEARTBEATS_LOST
"""What a ticket about it says is wrong."""

ALL_HEARTBEATS: Final = "other/heartbeats"
"""The subject of that ticket."""

COUNTED_AT_LEAST: Final = 10
INTEGRATIONS_AT_LEAST: Final = 2

ALL_TOLD: Final = 4
NEARLY_TOLD: Final = 1

_DOWN = frozenset({HealthState.PENDING_OPEN, HealthState.FIRING})


def by_silence(change: Change) -> bool:
    """Whether the subject is in this state because nothing was heard of it."""
    return change.evidence.deadline is not None


def silent_from(change: Change) -> int:
    """Since when nothing was heard of a subject that is down by silence, whatever its silence has counted from since;
    of one that was never heard, since when it could be."""
    deadline, heard = change.evidence.deadline, change.evidence.last_heard
    if deadline is None:
        return change.at
    return deadline - round(change.evidence.timeout_s * 1000) if heard is None else heard


def is_old(change: Change, resumed_at: int | None) -> bool:
    """Whether the subject is silent since before reporting resumed."""
    return resumed_at is not None and by_silence(change) and silent_from(change) < resumed_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """The org's heartbeats do not arrive from `since` on, which was noticed at `begun_at`: `lost` of the `counted`
    subjects had fallen silent. `lost` grows with those who become unknown later; `unknown` of them still are. `heard`
    are those of them that were heard, until that are enough to say that reporting has resumed (`resumed_at`), and
    `heard_behind` their integrations. Fewer than a fifth are unknown since `few_since`."""

    id: UUID
    org: str
    since: int
    begun_at: int
    policy_version: int
    counted: int
    lost: int
    unknown: int
    heard: frozenset[str] = frozenset()
    heard_behind: frozenset[str] = frozenset()
    resumed_at: int | None = None
    few_since: int | None = None

    @property
    def few_unknown(self) -> bool:
        return self.unknown * 5 < self.lost

    def is_older_than(self, at: int, version: int) -> bool:
        """Whether it had begun when this version of the policy came into force, and was not made by it."""
        return self.begun_at < at or (self.begun_at == at and self.policy_version != version)

    def hearing(self, subject: str, integration: str | None, at: int) -> "Loss":
        """After one of the lost was heard. Reporting has resumed when those heard are behind two integrations, or a
        tenth of all."""
        if self.resumed_at is not None:
            return self
        heard = self.heard | {subject}
        behind = self.heard_behind if integration is None else self.heard_behind | {integration}
        resumed = len(behind) >= INTEGRATIONS_AT_LEAST or len(heard) * 10 >= self.lost
        return replace(self, heard=heard, heard_behind=behind, resumed_at=at if resumed else None)

    def becoming(self, at: int, *, unknown: int, lost: int = 0) -> "Loss":
        """After so many more (or fewer) are unknown, and so many more have been lost. Where nobody is unknown any more
        there is nobody left who could be heard: reporting has resumed then."""
        after = replace(self, unknown=self.unknown + unknown, lost=self.lost + lost)
        few_since = (self.few_since or at) if after.few_unknown else None
        resumed_at = at if self.resumed_at is None and not after.unknown else self.resumed_at
        return replace(after, few_since=few_since, resumed_at=resumed_at)


@dataclass(slots=True)
class Standing:
    """How one subject stands: now (None: it is gone), and when the window began. `counts`: its timeout is no longer
    than the window. `integration` is what it is behind, or is, `silences` how many of its silences hold. `old`: its
    silence began before reporting last resumed, and is its own by now."""

    state: str | None
    silent: bool
    at_beginning: str | None
    counts: bool
    integration: str | None
    silences: int = 0
    old: bool = False

    @property
    def is_counted(self) -> bool:
        is_there = self.counts and self.state is not None
        return is_there and not self.silences and not self.old and self.at_beginning == HealthState.HEALTHY

    @property
    def is_lost(self) -> bool:
        return self.is_counted and self.silent and self.state in _DOWN


def lost_from(counted: int) -> int:
    """How many must have fallen silent, of so many that are counted: four fifths, and ten at least."""
    return max(COUNTED_AT_LEAST, -(-counted * 4 // 5))


@dataclass(frozen=True, slots=True)
class Past:
    """A subject moved to `state` at this instant."""

    at: int
    subject: str
    state: str | None


@dataclass(frozen=True, slots=True)
class Hush:
    """From this instant on one silence more (or, with -1, less) of the subject holds."""

    at: int
    subject: str
    by: int


@dataclass(slots=True)
class Census:
    """All subjects of an org, as they stand while its changes are taken in one after the other. It begins at `begins`;
    `past` are the changes since then, in their order, and the window's beginning moves over them. `hushes` are the
    beginnings and ends of silences, in their order, and the window's end moves over those. `resumed_at` is when
    reporting last resumed, if it was lost before, `holes` when those of the shards' logs ended."""

    standings: dict[str, Standing]
    past: list[Past]
    window_ms: int
    hushes: Sequence[Hush] = ()
    resumed_at: int | None = None
    holes: Mapping[int, Sequence[int]] = field(default_factory=dict)
    _moved: int = 0
    _hushed: int = 0
    _counted: int = 0
    _lost: int = 0
    _behind: Counter[str | None] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        for standing in self.standings.values():
            self._add(standing, 1)

    def _add(self, standing: Standing, by: int) -> None:
        self._counted += by * standing.is_counted
        if standing.is_lost:
            self._lost += by
            self._behind[standing.integration] += by

    def move_to(self, at: int) -> None:
        """The window ends at `at` now."""
        while self._moved < len(self.past) and self.past[self._moved].at <= at - self.window_ms:
            moved = self.past[self._moved]
            self._moved += 1
            if (standing := self.standings.get(moved.subject)) is not None:
                self._add(standing, -1)
                standing.at_beginning = moved.state
                self._add(standing, 1)
        while self._hushed < len(self.hushes) and self.hushes[self._hushed].at <= at:
            hush = self.hushes[self._hushed]
            self._hushed += 1
            if (standing := self.standings.get(hush.subject)) is not None:
                self._add(standing, -1)
                standing.silences += hush.by
                self._add(standing, 1)

    def take(self, change: Change) -> None:
        """A subject has changed."""
        insort(self.past, Past(self._counts_from(change), change.subject, change.to_state), key=lambda each: each.at)
        standing = self.standings.get(change.subject)
        if standing is None:
            standing = self.standings[change.subject] = Standing(change.from_state, False, None, True, None)
            self._add(standing, 1)
        self._add(standing, -1)
        standing.state, standing.silent = change.to_state, by_silence(change)
        standing.old = is_old(change, self.resumed_at)
        self._add(standing, 1)

    def _counts_from(self, change: Change) -> int:
        if change.to_state != HealthState.PENDING_OPEN or not by_silence(change):
            return change.at
        timeout_ms = round(change.evidence.timeout_s * 1000)
        return down_from(change.at, None, timeout_ms, self.holes.get(change.shard, ()))

    def restart(self, down: Mapping[str, tuple[int, int]], begins: int) -> None:
        """Of these subjects the reading turned at one instant, and they count as down from another one on; until then
        they count as well. To be called before anything is taken in."""
        later = {(subject, since): counts for subject, (since, counts) in down.items() if counts > since}
        past = [replace(each, at=later.get((each.subject, each.at), each.at)) for each in self.past]
        for (subject, since), counts in later.items():
            if since <= begins:
                standing = self.standings[subject]
                self._add(standing, -1)
                standing.at_beginning = HealthState.HEALTHY
                self._add(standing, 1)
                past.append(Past(counts, subject, HealthState.PENDING_OPEN))
        self.past = sorted(past, key=lambda each: each.at)

    def hear(self, subject: str) -> None:
        """What is wrong with the subject is not its silence any more."""
        if (standing := self.standings.get(subject)) is not None:
            self._add(standing, -1)
            standing.silent = standing.old = False
            self._add(standing, 1)

    @property
    def counted(self) -> int:
        return self._counted

    def loses(self) -> bool:
        """Whether so many have fallen silent that heartbeats are lost: four fifths of those that are counted, ten at
        least, behind two integrations."""
        behind = sum(1 for integration, number in self._behind.items() if integration is not None and number > 0)
        return self._lost >= lost_from(self._counted) and behind >= INTEGRATIONS_AT_LEAST

    def pending_by_silence(self) -> list[str]:
        return sorted(
            subject
            for subject, standing in self.standings.items()
            if standing.state == HealthState.PENDING_OPEN and standing.silent
        )


def hushes(holding: Iterable[tuple[str, Occurrence]]) -> list[Hush]:
    """The beginnings and ends of these silences, by subject, in their order."""
    edges = [Hush(at, subject, by) for subject, each in holding for at, by in ((each.start, 1), (each.end, -1))]
    return sorted(edges, key=lambda hush: hush.at)


def integration_behind(subject: str, integration: str | None) -> str | None:
    """The integration that a subject reports through: an integration is its own."""
    kind, _, id = subject.partition("/")
    return id if kind == "integration" else integration


def may_lose(down: int, well: int, times: int) -> bool:
    """Whether heartbeats can be lost where at most `down` subjects are down and at least `well` that are counted are
    not: a bound that costs little, so that nobody has to be counted in vain. For each that is well, `times` must be
    down: `ALL_TOLD` if that is all that there is to be known, `NEARLY_TOLD` if a shard has still to tell of the last
    moments."""
    return down >= COUNTED_AT_LEAST and down >= well * times


def nearly_told_from(fires_at: int, open_debounce_ms: int) -> int:
    """A shard that has judged past this instant has told of nearly all who are pending when somebody fires then: it is
    behind by less than a quarter of the open debounce."""
    return fires_at - open_debounce_ms // 4


def would_fire_by_silence(change: Change) -> bool:
    """The changes at which it is decided whether heartbeats are lost."""
    fires = change.from_state == HealthState.PENDING_OPEN and change.to_state == HealthState.FIRING
    return fires and by_silence(change)
