"""What newcomers say to a shard that is still being told what is in force, and whom it watches."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from fettle_health_monitor.domain.judge.heartbeats import Heartbeat, filled
from fettle_health_monitor.domain.judge.refusals import Refusal
from fettle_health_monitor.domain.judge.states import Reading

HELD_MAX: Final = 100_000
"""How many subjects' heartbeats, and how many that are refused, are held."""
HELD_MAX_BYTES: Final = 64 * 1024 * 1024
"""How many bytes their keys and what is kept of them may have together."""


class Said(NamedTuple):
    """What a subject has said: by its last heartbeat, and where that leaves something out, by those before. `same` is
    the hash of the last one's bytes, `timestamp` its broker time."""

    key: bytes
    timestamp: int
    heartbeat: Heartbeat
    reading: Reading
    same: int

    def behind(self, earlier: "Said") -> "Said":
        """This, and what it leaves out of what the subject had said before."""
        return self._replace(heartbeat=filled(self.heartbeat, earlier.heartbeat))

    @property
    def size(self) -> int:
        said = self.heartbeat
        texts = (said.integration, said.name, said.model, said.space)
        return len(self.key) + sum(len(text.encode()) for text in texts if text)


class Held:
    """Of each subject what it has said, and every record that is to be refused."""

    __slots__ = ("_bytes", "_refused", "_said")

    def __init__(self) -> None:
        self._said: dict[bytes, Said] = {}
        self._refused: list[Refusal] = []
        self._bytes = 0

    def hold(self, said: Said) -> bool:
        """Whether there was room for it."""
        before = self._said.get(said.key)
        if before is not None:
            said = said.behind(before)
        more = said.size - (0 if before is None else before.size)
        if not self._has_room(more, more_of_them=before is None):
            return False
        self._said[said.key] = said
        self._bytes += more
        return True

    def refuse(self, refusal: Refusal) -> bool:
        """Whether there was room for it."""
        more = _size(refusal)
        if not self._has_room(more, more_of_them=True):
            return False
        self._refused.append(refusal)
        self._bytes += more
        return True

    def _has_room(self, more: int, *, more_of_them: bool) -> bool:
        number = len(self._said) + len(self._refused)
        return (number < HELD_MAX or not more_of_them) and self._bytes + more <= HELD_MAX_BYTES

    def take(self, key: bytes) -> Said | None:
        """What this subject has said, which is held no more."""
        said = self._said.pop(key, None)
        if said is not None:
            self._bytes -= said.size
        return said

    def take_all(self) -> Iterator[Said | Refusal]:
        """Everything, in the order of the subjects' first heartbeats; what is refused behind that."""
        said, refused = self._said, self._refused
        self._said, self._refused, self._bytes = {}, [], 0
        yield from said.values()
        yield from refused


def _size(refusal: Refusal) -> int:
    return len(refusal.record.key or b"") + len(refusal.record.value or b"")
