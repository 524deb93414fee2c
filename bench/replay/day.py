"""What a fleet says in a day, partition by partition and minute by minute, and what befalls it.

Every minute one device in a thousand falls silent for five minutes. After two fifths of the day all devices of four
integrations are silent for twenty minutes. Later two integrations cannot reach their devices for a quarter of an hour,
and two of each take half an hour more. At last, when all the others are well, nothing arrives from anybody for ten
minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from bench.judge.fleet import INTEGRATIONS, ORG, POLICY, value
from fettle_contracts.partitions import partition_for
from fettle_health_monitor.domain.control import Pulse
from fettle_health_monitor.domain.correlator.silences import Schedule, Silence
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Numbered

PARTITIONS, DEVICES, EVERY_S = 12, 20_000, 30
T0 = 1_790_000_000_000
MINUTE_MS = 60_000
STORM, UNREACHABLE = range(4, 8), range(10, 12)
"""The integrations whose devices fall silent together, and those that say themselves that they are cut off."""


class Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def read_control(record: HeartbeatRecord) -> Numbered | None:
    """Control records are told by their key; the other records have no headers to look at."""
    if not record.headers:
        return None
    key = (record.key or b"").decode()
    return Numbered(1, key, POLICY) if key == ORG else Numbered(0, key, Pulse(owner="bench", beat=0))


@dataclass(frozen=True, slots=True)
class Day:
    """When what happens, in minutes; a day that is cut short has all of it, sooner."""

    minutes: int

    def silent(self, minute: int) -> set[int]:
        """The devices of which nothing is heard in this minute."""
        calm = range(self._lost - 8, self._lost + 10)
        quiet = {device for gone in range(max(minute - 5, 1), minute) if gone not in calm for device in _gone(gone)}
        storm, cut_off = self.minutes * 2 // 5, self._cut_off
        if storm <= minute < storm + 20:
            quiet |= _behind(STORM)
        if cut_off <= minute < cut_off + 15:
            quiet |= _behind(UNREACHABLE)
        elif cut_off <= minute < cut_off + 45:
            quiet |= {device for device in _behind(UNREACHABLE) if device // INTEGRATIONS % 250 == 0}
        return quiet

    def unreachable(self, minute: int) -> bool:
        return self._cut_off <= minute < self._cut_off + 15

    def all_lost(self, minute: int) -> bool:
        return self._lost <= minute < self._lost + 10

    @property
    def _cut_off(self) -> int:
        return self.minutes * 11 // 20

    @property
    def _lost(self) -> int:
        return self.minutes * 4 // 5

    def silences(self) -> Iterator[Silence]:
        """One device in a hundred has a silence of two hours each night, as many have one from the storm on."""
        storm = T0 + self.minutes * 2 // 5 * MINUTE_MS
        nightly = Schedule(T0 + 10 * MINUTE_MS, 7_200, "FREQ=DAILY;COUNT=30", "Europe/Oslo")
        for device in range(0, DEVICES, 100):
            yield _silence(device + 1, nightly)
            yield _silence(device + 4, Schedule(storm, 900))


def _gone(minute: int) -> Iterable[int]:
    """Twenty devices, behind twenty integrations, other ones in each minute."""
    return range(-10 * minute % 1_000, DEVICES, 1_001)


def _behind(integrations: Iterable[int]) -> set[int]:
    return {device for one in integrations for device in range(one, DEVICES, INTEGRATIONS)}


def _silence(device: int, schedule: Schedule) -> Silence:
    return Silence(id=UUID(int=device), org=ORG, subject=f"device/d{device}", schedule=schedule, by="ann@bench.test")


class Partition:
    """One shard's subjects and log."""

    def __init__(self, number: int, day: Day) -> None:
        self._day, self._offset = day, 0
        self._devices = [
            (device, key, value(device, interval_s=EVERY_S))
            for device in range(DEVICES)
            if partition_for(key := f"{ORG}/device/d{device}".encode(), PARTITIONS) == number
        ]
        self._integrations = [
            (one, key)
            for one in range(INTEGRATIONS)
            if partition_for(key := f"{ORG}/integration/hue-{one}".encode(), PARTITIONS) == number
        ]

    def minute(self, minute: int, silent: set[int]) -> list[Record]:
        """Its heartbeats of this minute, spread evenly, and a pulse each second; first of all the policy."""
        begins = T0 + minute * MINUTE_MS
        due = [(begins + 1_000 * second, b"shard", b"", True) for second in range(60)]
        if minute == 0:
            due.append((begins, ORG.encode(), b"", True))
        if not self._day.all_lost(minute):
            for place, (device, key, said) in enumerate(self._devices):
                if device not in silent:
                    first = begins + place * EVERY_S * 1_000 // len(self._devices)
                    due += [(first, key, said, False), (first + EVERY_S * 1_000, key, said, False)]
            for one, key in self._integrations:
                status = b"unreachable" if one in UNREACHABLE and self._day.unreachable(minute) else b"ok"
                said = b'{"status":"' + status + b'","interval_s":30}'
                due += [(begins + one, key, said, False), (begins + one + EVERY_S * 1_000, key, said, False)]
        due.sort(key=lambda each: (each[0], not each[3], each[1]))
        return [self._record(*each) for each in due]

    def _record(self, at: int, key: bytes, said: bytes, control: bool) -> Record:
        self._offset += 1
        return Record(self._offset, at, key, said, (("fettle-control", b""),) if control else ())
