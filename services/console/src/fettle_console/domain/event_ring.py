"""Recent events of each org, kept in memory so that a live stream can resume where it broke off.

Readers hold a place and ask for what came after it; there are no queues per reader, so a slow one costs nothing and
learns that it has fallen behind.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One ticket event or health transition as subscribers see it. `type` is its `ce_type`, `data` JSON text."""

    org: str
    type: str
    data: str
    ticket: int | None = None
    state: str | None = None
    version: int | None = None

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Reset:
    """What came between the asked place and the kept events is gone. `place` is where to go on from."""

    place: int


@dataclass(slots=True)
class _Org:
    """Events `first` … `end - 1` of one org, as far as they are kept."""

    first: int = 0
    kept: deque[LiveEvent] = field(default_factory=deque)
    size: int = 0

    @property
    def end(self) -> int:
        return self.first + len(self.kept)

    def add(self, event: LiveEvent) -> None:
        self.kept.append(event)
        self.size += event.size

    def drop(self) -> None:
        self.size -= self.kept.popleft().size
        self.first += 1


class EventRing:
    """At most `events` of each org, and `size` characters in all; the org that was quiet for longest gives way first.

    A place is the number of events of the org since `origin` began, so that ids tell nothing of other orgs. The caller
    must never use an origin twice.
    """

    def __init__(self, origin: str, *, events: int = 500, size: int = 64_000_000) -> None:
        self.origin = origin
        self._events, self._limit = events, size
        self._orgs: dict[str, _Org] = {}
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._size = 0

    def append(self, event: LiveEvent) -> None:
        ring = self._orgs.setdefault(event.org, _Org())
        ring.add(event)
        self._size += event.size
        self._recent[event.org] = None
        self._recent.move_to_end(event.org)
        if len(ring.kept) > self._events:
            self._drop(ring)
        while self._size > self._limit:
            self._make_room()

    def _make_room(self) -> None:
        quietest = next(iter(self._recent))
        ring = self._orgs[quietest]
        self._drop(ring)
        if not ring.kept:
            del self._recent[quietest]

    def _drop(self, ring: _Org) -> None:
        self._size -= ring.kept[0].size
        ring.drop()

    def end(self, org: str) -> int:
        """The place after the latest event: what a fresh reader starts from."""
        ring = self._orgs.get(org)
        return ring.end if ring else 0

    def after(self, org: str, place: int) -> list[tuple[int, LiveEvent]] | Reset:
        """Events from `place` on, each with the place after it; or Reset when they are no longer (all) there."""
        ring = self._orgs.get(org, _Org())
        if not ring.first <= place <= ring.end:
            return Reset(ring.end)
        return list(_numbered(ring, place))

    def resume(self, org: str, last_event_id: str | None) -> int | Reset:
        """The place that an id given out by `id_of` stands for, or Reset when it is foreign or too old."""
        if last_event_id is None:
            return self.end(org)
        number = last_event_id.rpartition("-")[2]
        place = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else -1
        if last_event_id != self.id_of(place):
            return Reset(self.end(org))
        found = self.after(org, place)
        return found if isinstance(found, Reset) else place

    def id_of(self, place: int) -> str:
        return f"{self.origin}-{place}"


def _numbered(ring: _Org, place: int) -> Iterator[tuple[int, LiveEvent]]:
    for index in range(place - ring.first, len(ring.kept)):
        yield ring.first + index + 1, ring.kept[index]


class Versions:
    """The newest version seen of recent tickets, by org and id: a redelivered event may come after newer ones and is
    then old news."""

    def __init__(self, limit: int = 20_000) -> None:
        self._seen: OrderedDict[str, int] = OrderedDict()
        self._limit = limit

    def is_news(self, ticket: str, version: int) -> bool:
        """Whether `version` is above all seen of the ticket; remembers it if so."""
        if self._seen.get(ticket, 0) >= version:
            return False
        self._seen[ticket] = version
        self._seen.move_to_end(ticket)
        while len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return True
