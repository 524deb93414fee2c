"""The shards in this process's hands."""

import time
from dataclasses import dataclass, field

from fettle_contracts.partitions import partition_for
from fettle_health_monitor.domain.judge.shard import ControlReader, Place, Shard


@dataclass(slots=True, eq=False)
class Owned:
    """A shard that this process owns. Instants are of the monotonic clock, in seconds.

    `anchor` is a place that is known to be in the log that the shard is of, `left_out` the offsets of records in it
    that a bug cannot get past, `checkpoint` where the newest one was taken, as far as is known. `read_at` is when its
    last records came, `log_end` the offset behind the last record that the broker is known to have: by then, or since
    by a pulse. `pulse_read_at` is when a pulse of this very process last came back through the log, `saved_at` when a
    checkpoint was last tried. While it is `unburied` the shard has read refused records of which not every dead letter
    is written yet.
    """

    shard: Shard
    read_control: ControlReader
    anchor: Place | None
    left_out: frozenset[int] = frozenset()
    checkpoint: Place | None = None
    log_end: int = 0
    read_at: float = field(default_factory=time.monotonic)
    pulse_read_at: float = field(default_factory=time.monotonic)
    saved_at: float = field(default_factory=time.monotonic)
    unburied: bool = False

    @property
    def partition(self) -> int:
        return self.shard.partition

    @property
    def judging(self) -> bool:
        return self.shard.announcement is None

    @property
    def settled(self) -> bool:
        """Whether somebody may go on from its state as it is, and nothing before it is missed."""
        return self.judging and not self.unburied


class Shards:
    """`owned` are judged now; `frozen` were, stand still, and go on if they come back before anybody was further."""

    def __init__(self) -> None:
        self.owned: dict[int, Owned] = {}
        self.frozen: dict[int, Shard] = {}

    def take(self, owned: Owned) -> None:
        self.frozen.pop(owned.partition, None)
        self.owned[owned.partition] = owned

    def freeze(self, partition: int) -> Owned | None:
        """Stop judging the shard; its state stays as it is, if somebody may go on from it."""
        owned = self.owned.pop(partition, None)
        if owned is not None and owned.settled:
            self.frozen[partition] = owned.shard
        return owned

    def forget(self, partition: int) -> None:
        """The shard's state is no good; whoever gets it next begins at the last checkpoint."""
        self.owned.pop(partition, None)
        self.frozen.pop(partition, None)

    def of(self, key: bytes) -> Shard | None:
        """The owned shard that a key belongs to."""
        for owned in self.owned.values():
            return found.shard if (found := self.owned.get(partition_for(key, owned.shard.partitions))) else None
        return None
