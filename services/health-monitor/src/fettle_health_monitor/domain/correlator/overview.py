"""How a fleet stands and how it has stood over the last day, from counts: pure sums, no subject by name.

Instants are milliseconds since 1970. *Unhealthy* is who is confirmed to be: firing, recovering, flapping, or unknown
while heartbeats are lost; who only waits for the open debounce is not yet.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fettle_contracts.transitions import CONFIRMED_UNHEALTHY

STEP_S = 900
STEPS = 96
"""A day in quarters of an hour."""
MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Tally:
    """Subjects by state (None: not judged), and by how many more were unhealthy after each minute than before it."""

    states: Mapping[str | None, int]
    changes: Mapping[int, int]

    @property
    def unhealthy(self) -> int:
        return sum(self.states.get(state, 0) for state in CONFIRMED_UNHEALTHY)


@dataclass(frozen=True, slots=True)
class Blind:
    """A stretch in which at least one of an org's shards was not observed: at most how many of them (`shards`).
    `until` is None while it lasts."""

    since: int
    until: int | None
    shards: int


def begins(until: int) -> int:
    """When the day that ends at `until` begins: at a full minute."""
    return (until // MINUTE_MS) * MINUTE_MS + MINUTE_MS - STEPS * STEP_S * 1000


def over_the_day(tally: Tally, until: int) -> tuple[int, ...]:
    """The most that were unhealthy in each step of the day, the earliest first: counted back from how they stand now,
    minute by minute. What changed after `until`, by a shard that is ahead, counts for the last step."""
    since = begins(until)
    by_step: dict[int, list[tuple[int, int]]] = {}
    for minute, change in tally.changes.items():
        step = min((minute * MINUTE_MS - since) // (STEP_S * 1000), STEPS - 1)
        by_step.setdefault(step, []).append((minute, change))
    most = [0] * STEPS
    standing = tally.unhealthy
    for step in range(STEPS - 1, -1, -1):
        most[step] = standing
        for _, change in sorted(by_step.get(step, ()), reverse=True):
            standing = max(0, standing - change)
            most[step] = max(most[step], standing)
    return tuple(most)


def blind(gaps: Iterable[tuple[int, int | None]]) -> list[Blind]:
    """Stretches of shards (from, to) as they lie on one axis: what overlaps or touches is one."""
    found: list[tuple[int, int | None, list[tuple[int, int | None]]]] = []
    for since, until in sorted(gaps, key=lambda gap: gap[0]):
        if found and (found[-1][1] is None or since <= found[-1][1]):
            start, end, parts = found[-1]
            found[-1] = (start, None if end is None or until is None else max(end, until), [*parts, (since, until)])
        else:
            found.append((since, until, [(since, until)]))
    return [Blind(since, until, _at_once(parts)) for since, until, parts in found]


def _at_once(parts: Sequence[tuple[int, int | None]]) -> int:
    """The most that lie over each other."""
    edges = [(since, 1) for since, _ in parts] + [(until, -1) for _, until in parts if until is not None]
    most = present = 0
    for _, change in sorted(edges):
        present += change
        most = max(most, present)
    return most


def worst_first(tallies: Mapping[str | None, Tally], troubled: Iterable[str]) -> list[str | None]:
    """Integrations (None: devices behind none) in the order in which one looks at them: those in trouble themselves,
    then by how many devices are unhealthy, then those that were in the day, then by name."""
    own = set(troubled)

    def place(behind: str | None) -> tuple[bool, int, bool, bool, str]:
        tally = tallies[behind]
        return behind not in own, -tally.unhealthy, not tally.changes, behind is None, behind or ""

    return sorted(tallies, key=place)
