"""The subjects of a shard, in columns: a row each, found by the record's key in one dictionary.

A Python object per subject would cost more than 500 bytes and a heap full of pointers; a row here costs under 80, the
key and its place in the dictionary about 140, its timer 15. Names are not kept, only whether they changed.
"""

from array import array
from collections.abc import Iterator
from typing import Final
from zlib import crc32

from fettle_health_monitor.domain.judge.heartbeats import Heartbeat
from fettle_health_monitor.domain.judge.interned import Interned
from fettle_health_monitor.domain.judge.policies import NOT_JUDGED, Profile, Timing
from fettle_health_monitor.domain.judge.states import Condition, Reading, State
from fettle_health_monitor.domain.judge.timers import NOT_QUEUED

LOUD: Final = -1
"""In `same` and `alike`: the next heartbeat must be looked at, whatever it says. No hash of Python's is -1."""

FROM_REGISTRY_INTEGRATION: Final = 1
FROM_REGISTRY_MODEL: Final = 2
FROM_REGISTRY_INTERVAL: Final = 4
REGISTERED: Final = 8
UNHEARD: Final = 16
"""Not heard since it was only told of, or since a silence of it ended by another rule."""
HEARD_UNTOLD: Final = 32
"""Heard since, while nothing is judged; nothing has said so yet."""

INSTANTS: Final = ("heard_at", "silent_from", "since", "since_at")
SAID: Final = ("said_integration", "said_model", "said_interval", "name", "space")
NUMBERS: Final = ("profile", "timing", *SAID)
SMALL: Final = ("state", "reading", "reported", "condition", "registry")
CACHES: Final = ("same", "alike")


class Subjects:
    """Columns by row. Instants: `silent_from` (silence counts from here) and `since` (its reading has been healthy, or
    not) on the observed clock, `heard_at` (0: never) and `since_at` in broker time. `reported` is the reading by the
    last heartbeat alone, `condition` what was wrong last (0: nothing yet). `profile` and `timing` are numbers in
    `profiles` and `timings`; timing 0 is `NOT_JUDGED`. `same` and `alike` are hashes of a heartbeat that would change
    nothing but the time last heard: of its bytes, and of what it says; they are caches and never saved. Those of `SAID`
    are checksums of what heartbeats last said (0: nothing), also where the registry says otherwise; `registry` says
    which fields that gives, and whether the subject has not been heard since it was told of, or its silence ended."""

    __slots__ = (*INSTANTS, *NUMBERS, *SMALL, *CACHES, "_free", "keys", "profiles", "queued", "rows", "timings")

    heard_at: "array[int]"
    silent_from: "array[int]"
    since: "array[int]"
    since_at: "array[int]"
    profile: "array[int]"
    timing: "array[int]"
    said_integration: "array[int]"
    said_model: "array[int]"
    said_interval: "array[int]"
    name: "array[int]"
    space: "array[int]"
    state: "array[int]"
    reading: "array[int]"
    reported: "array[int]"
    condition: "array[int]"
    registry: "array[int]"
    same: "array[int]"
    alike: "array[int]"

    def __init__(self) -> None:
        for column in (*INSTANTS, *CACHES):
            setattr(self, column, array("q"))
        for column in NUMBERS:
            setattr(self, column, array("I"))
        for column in SMALL:
            setattr(self, column, array("B"))
        self.queued = array("q")
        self.rows: dict[bytes, int] = {}
        self.keys: list[bytes] = []
        self.profiles: Interned[Profile] = Interned()
        self.timings: Interned[Timing] = Interned((NOT_JUDGED,))
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[int]:
        """The rows in use, in no particular order."""
        return iter(self.rows.values())

    def add(self, key: bytes, profile: Profile, timing: Timing, now: int, at: int) -> int:
        """A new healthy row whose silence counts from `now`."""
        row = self._free.pop() if self._free else self._grow()
        self.rows[key] = row
        self.keys[row] = key
        self.silent_from[row] = self.since[row] = now
        self.heard_at[row], self.since_at[row] = 0, at
        self.state[row], self.condition[row] = State.HEALTHY, Condition.NONE
        self.reading[row] = self.reported[row] = Reading.OK
        self.registry[row] = 0
        self.set_said(row, (0,) * len(SAID))
        self.look_again(row)
        self.set_profile(row, profile)
        self.set_timing(row, timing)
        return row

    def remove(self, row: int) -> None:
        del self.rows[self.keys[row]]
        self.keys[row] = b""
        self.queued[row] = NOT_QUEUED
        self.timing[row] = 0
        self.look_again(row)
        self._free.append(row)

    def look_again(self, row: int) -> None:
        """The next heartbeat may change something even if it is like the last."""
        self.same[row] = self.alike[row] = LOUD

    def look_again_at_all(self) -> None:
        for column in CACHES:
            setattr(self, column, array("q", [LOUD]) * len(self.keys))

    def set_profile(self, row: int, profile: Profile) -> None:
        self.profile[row] = self.profiles.number(profile)
        self.profiles.compact(self.profile)

    def said(self, row: int) -> tuple[int, ...]:
        """What heartbeats last said, in the order of `SAID`."""
        return (
            self.said_integration[row],
            self.said_model[row],
            self.said_interval[row],
            self.name[row],
            self.space[row],
        )

    def set_said(self, row: int, said: tuple[int, ...]) -> None:
        self.said_integration[row], self.said_model[row], self.said_interval[row] = said[:3]
        self.name[row], self.space[row] = said[3:]

    def set_timing(self, row: int, timing: Timing) -> None:
        self.timing[row] = self.timings.number(timing)
        self.timings.compact(self.timing, keep=1)

    def adopt_free_rows(self) -> None:
        """After a load: rows without a key are free."""
        self._free = [row for row, key in enumerate(self.keys) if not key]

    def _grow(self) -> int:
        self.keys.append(b"")
        for column in (*INSTANTS, *NUMBERS, *SMALL):
            getattr(self, column).append(0)
        self.queued.append(NOT_QUEUED)
        for column in CACHES:
            getattr(self, column).append(LOUD)
        return len(self.keys) - 1


def checksums(said: Heartbeat) -> tuple[int, ...]:
    """What stands for what a heartbeat says, in the order of `SAID`."""
    interval = None if said.interval_s is None else repr(float(said.interval_s))
    return tuple(checksum(text) for text in (said.integration, said.model, interval, said.name, said.space))


def checksum(text: str | None) -> int:
    """What stands for a name in a column; 0 for none."""
    return crc32(text.encode()) or 1 if text else 0
