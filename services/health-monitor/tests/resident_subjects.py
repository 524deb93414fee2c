"""What subjects cost a process, as the system sees it: prints bytes of memory for each.

Run with how they come (`heard`, `restored`), how many they are, and a folder for their checkpoints.
"""

import sys
from pathlib import Path

from fettle_chassis.large_buffers import give_back_large_buffers
from fettle_health_monitor.adapters.judge.checkpoints import packed, unpacked
from fettle_health_monitor.domain.judge.checkpoint import Snapshot, restore, snapshot
from fettle_health_monitor.domain.judge.policies import Profile, Timing
from fettle_health_monitor.domain.judge.shard import Place, Shard

SHARDS = 4
TIMING = Timing(90_000, 60_000, 60_000)


def resident() -> int:
    """Bytes in memory."""
    (line,) = (each for each in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in each)
    return int(line.split()[1]) * 1024


def filled(partition: int, subjects: int) -> Shard:
    shard = Shard(partition, SHARDS, 1)
    shard.place = Place(subjects, 1, 1)
    judge = shard.judge
    judge.clock.now = 86_400_000
    for number in range(subjects):
        key = f"acme/device/thermostat-{partition}{number:06d}".encode()
        row = judge.subjects.add(key, Profile("acme", f"hue-{number % 40}", "T100", 30), TIMING, 86_400_000 + number, 1)
        judge.timers.queue(row, judge.due_at(row))
    return shard


def heard(subjects: int, folder: Path) -> list[Shard]:
    """So many that appeared here and went through two checkpoints each."""
    shards = [filled(partition, subjects // SHARDS) for partition in range(SHARDS)]
    for shard in shards * 2:
        (folder / str(shard.partition)).write_bytes(packed(snapshot(shard)))
    return shards


def restored(_: int, folder: Path) -> list[Shard]:
    """Those that another process has left there."""
    shards = []
    for partition in range(SHARDS):
        saved = unpacked((folder / str(partition)).read_bytes())
        if not isinstance(saved, Snapshot):
            raise TypeError(saved)
        shards.append(restore(saved))
    return shards


def main() -> None:
    how, subjects, folder = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    give_back_large_buffers()
    packed(snapshot(filled(0, 100)))
    empty = resident()
    shards = {"heard": heard, "restored": restored}[how](subjects, folder)
    watched = sum(len(shard.judge.subjects) for shard in shards)
    if watched != subjects:
        raise ValueError(f"{watched} subjects")
    print((resident() - empty) / subjects)


if __name__ == "__main__":
    main()
