"""Checklists go on naming those who have left a shared ticket: they are ticked there when they recover."""

from collections.abc import Collection

from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import former_members
from fettle_health_monitor.adapters.correlator.former_members import Place
from fettle_health_monitor.adapters.correlator.live import Key
from fettle_health_monitor.adapters.correlator.rollups import Belongs
from fettle_health_monitor.domain.correlator.rollups import Parent
from fettle_health_monitor.domain.correlator.verdicts import Verdict


class FormerLists:
    """The tickets that the devices of one batch of verdicts have left while they were down. `ticked` are those of
    them on whose checklists they recover with it, and by which verdict."""

    def __init__(self) -> None:
        self._before: frozenset[Place] = frozenset()
        self._now: dict[Key, set[Parent]] = {}
        self.ticked: dict[Place, Verdict] = {}

    async def load(self, connection: AsyncConnection, keys: Collection[Key]) -> None:
        """What these have left, before anything is taken in of them."""
        self._now |= await former_members.of(connection, keys)
        self._before = self._places()

    def joins(self, key: Key, parent: Parent, before: Belongs | None) -> None:
        """The device is on this ticket's list now, and on that of `before` no more."""
        left = self._now.setdefault(key, set())
        if before is not None and not before.recovered:
            left.add(Parent(before.parent.subject, before.parent.condition))
        joined = Parent(parent.subject, parent.condition)
        left.discard(joined)
        self.ticked.pop((key, joined), None)

    def has_recovered(self, key: Key, belonged: Belongs, verdict: Verdict) -> None:
        """It has recovered as a member of this list, and leaves it behind that."""
        self.ticked[key, Parent(belonged.parent.subject, belonged.parent.condition)] = verdict

    def recovers(self, verdict: Verdict) -> None:
        key = (verdict.org, verdict.subject)
        for parent in self._now.pop(key, ()):
            self.ticked[key, parent] = verdict

    async def save(self, connection: AsyncConnection) -> None:
        now = self._places()
        if added := now - self._before:
            await former_members.add(connection, added)
        if gone := self._before - now:
            await former_members.remove(connection, gone)

    def _places(self) -> frozenset[Place]:
        return frozenset((key, parent) for key, parents in self._now.items() for parent in parents)
