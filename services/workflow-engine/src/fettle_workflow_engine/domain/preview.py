"""What would have started a workflow: events of the past held against a document, as if it had been live all the time.

A tally takes events in any order and adds up; its outcome is decided once, in the order in which they happened.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from heapq import heappush, heappushpop
from itertools import chain, islice
from typing import Any, TypeAlias

from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.admission import RefusalCode, Refused, admit
from fettle_workflow_engine.domain.catalogue import SCHEDULE
from fettle_workflow_engine.domain.definition import Definition, Trigger
from fettle_workflow_engine.domain.languages import Conditions
from fettle_workflow_engine.domain.matching import Unmoved, matches
from fettle_workflow_engine.domain.rhythms import moments

NEWEST = 20
"""Events that a preview names, of those that would have started a run."""
_SPARE = 20
"""Further ones that are kept: as many of the newest may turn out to be repeats of older ones."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class PastEvent:
    """Something that happened at `at`, as the engine would have met it. `depth` is that of the event, not of a run."""

    at: datetime
    on: str
    source: str
    id: str
    data: Mapping[str, Any]
    depth: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """An event that fires triggers. Those that happened at once are told apart by their ids."""

    at: datetime
    source: str
    id: str
    on: str = field(compare=False)
    depth: int = field(compare=False)
    fired: tuple[str, ...] = field(compare=False)


_Kept: TypeAlias = tuple[datetime, str, str, Hit, Mapping[str, Any]]
"""A hit and its event's data, behind what a hit is ordered by: tuples of these are compared much faster."""


@dataclass(slots=True)
class Tally:
    """What events come to. An event that comes again counts once, when it was first met: `first` has that of each.
    `newest` has the data of the newest hits, by the times that were known when they were taken, as a heap."""

    definition: Definition
    conditions: Conditions
    first: dict[tuple[str, str], datetime] = field(default_factory=dict)
    events: int = 0
    looked_at: Counter[str] = field(default_factory=Counter)
    undecided: Counter[str] = field(default_factory=Counter)
    problems: dict[str, str] = field(default_factory=dict)
    hits: list[Hit] = field(default_factory=list)
    newest: list[_Kept] = field(default_factory=list)

    def take(self, events: Iterable[PastEvent]) -> None:
        """Counts these in. Takes up to 10 ms for each condition of each event."""
        for event in events:
            identity = event.source, event.id
            known = self.first.get(identity)
            if known is None or event.at < known:
                self.first[identity] = event.at
            if known is None:
                self._take(event)

    def beside(self) -> "Tally":
        """An empty one that knows what this one has seen."""
        return Tally(self.definition, self.conditions, dict(self.first))

    def add(self, other: "Tally") -> None:
        """Counts in what a tally `beside` this one has."""
        self.first = other.first
        self.events += other.events
        self.looked_at += other.looked_at
        self.undecided += other.undecided
        self.problems |= other.problems
        self.hits += other.hits
        for one in other.newest:
            self._keep(one)

    def _take(self, event: PastEvent) -> None:
        self.events += 1
        fired = []
        for one in matches(self.definition, event.on, event.data, self.conditions):
            if one.why_not is Unmoved.OTHER_KIND:
                continue
            self.looked_at[one.trigger.name] += 1
            if one.fires:
                fired.append(one.trigger.name)
            elif one.why_not is Unmoved.UNDECIDED:
                self.undecided[one.trigger.name] += 1
                self.problems[one.trigger.name] = one.message
        if fired:
            hit = Hit(event.at, event.source, event.id, event.on, event.depth, tuple(fired))
            self.hits.append(hit)
            self._keep((hit.at, hit.source, hit.id, hit, event.data))

    def _keep(self, one: _Kept) -> None:
        if len(self.newest) < NEWEST + _SPARE:
            heappush(self.newest, one)
        else:
            heappushpop(self.newest, one)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a tally comes to: `decided` has every hit in the order of time, with why it would have been refused, and
    `newest` the last of them, with their data."""

    tally: Tally
    decided: tuple[tuple[Hit, Refused | None], ...]
    newest: tuple[tuple[Hit, Mapping[str, Any]], ...]


def decide(tally: Tally) -> Preview:
    """Which of the hits would have started a run: those over the budget of runs an hour, and too deep in a chain of
    causes, are refused as live ones are. Runs that the workflow's own would have caused are not among them."""

    def at_first(hit: Hit) -> Hit:
        return replace(hit, at=tally.first[hit.source, hit.id])

    spent: deque[datetime] = deque()
    decided = []
    for hit in sorted(map(at_first, tally.hits)):
        minute = hit.at.replace(second=0, microsecond=0)
        while spent and spent[0] < minute - HOUR:
            spent.popleft()
        decision = admit(depth=hit.depth + 1, spent=len(spent), budget_per_hour=tally.definition.budget_per_hour)
        refused = decision if isinstance(decision, Refused) else None
        if refused is None:
            spent.append(minute)
        decided.append((hit, refused))
    newest = sorted(((at_first(hit), data) for *_, hit, data in tally.newest), key=lambda kept: kept[0])
    return Preview(tally, tuple(decided), tuple(newest[-NEWEST:]))


def due_between(definition: Definition, since: datetime, until: datetime, limit: int) -> Iterator[PastEvent]:
    """The moments at which its schedules would have been due, `limit` at most."""
    schedules = (trigger for trigger in definition.triggers if trigger.on == SCHEDULE)
    return islice(chain.from_iterable(_due(trigger, since, until) for trigger in schedules), limit)


def _due(trigger: Trigger, since: datetime, until: datetime) -> Iterator[PastEvent]:
    if trigger.schedule is None:
        return
    for moment in moments(trigger.schedule.rhythm, since):
        if moment > until:
            return
        at = rfc3339(moment)
        event = {"trigger": trigger.name, "scheduled_at": at, "missed": 0, "missed_at": []}
        yield PastEvent(moment, SCHEDULE, f"schedule/{trigger.name}", at, event)


def shown(preview: Preview) -> Mapping[str, Any]:
    """A preview as JSON: how often each trigger would have fired and runs would have started, in all and day by day (in
    UTC)."""
    started = Counter(_day(hit) for hit, refused in preview.decided if refused is None)
    refusals = Counter((_day(hit), refused.code) for hit, refused in preview.decided if refused)
    fired = Counter((name, _day(hit)) for hit, _ in preview.decided for name in hit.fired)
    days = sorted({_day(hit) for hit, _ in preview.decided})
    tally = preview.tally
    return {
        "events": tally.events,
        "started": started.total(),
        **_refused(refusals),
        "days": [
            {
                "day": day,
                "started": started[day],
                **_refused(Counter({k: v for k, v in refusals.items() if k[0] == day})),
            }
            for day in days
        ],
        "triggers": [
            {
                "node": trigger.name,
                "trigger": trigger.on,
                "events": tally.looked_at[trigger.name],
                "fired": sum(fired[trigger.name, day] for day in days),
                "days": [{"day": day, "fired": fired[trigger.name, day]} for day in days if fired[trigger.name, day]],
                "undecided": tally.undecided[trigger.name],
                "problem": tally.problems.get(trigger.name),
            }
            for trigger in tally.definition.triggers
        ],
    }


def _refused(refusals: Counter[tuple[str, RefusalCode]]) -> Mapping[str, int]:
    return {code.value: sum(count for (_, why), count in refusals.items() if why is code) for code in RefusalCode}


def _day(hit: Hit) -> str:
    return hit.at.astimezone(UTC).date().isoformat()
