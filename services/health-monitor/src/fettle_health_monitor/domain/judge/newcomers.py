"""Who is watched: which newcomers a shard takes in, and which it only lists."""

from collections import Counter
from typing import Final

from fettle_health_monitor.domain.judge.folded import Ignored
from fettle_health_monitor.domain.judge.policies import OrgPolicy

LISTED_MAX: Final = 1_000
"""How many newcomers of one org a shard lists as not watched; the rest is only counted."""


class Newcomers:
    """Counts each org's subjects against its cap, and remembers who has been listed as not watched."""

    __slots__ = ("_listed", "watched")

    def __init__(self) -> None:
        self.watched: Counter[str] = Counter()
        self._listed: dict[str, dict[str, Ignored]] = {}

    def turned_away(self, policy: OrgPolicy, partitions: int) -> Ignored | None:
        """Why a newcomer that nobody registered is not watched, or None."""
        if policy.statement.discover == "list_only":
            return Ignored.LIST_ONLY
        if self.watched[policy.statement.org] >= policy.cap(partitions):
            return Ignored.SUBJECT_CAP
        return None

    def list(self, org: str, key: str, why: Ignored) -> bool:
        """Whether to say that this newcomer is not watched: once, and not for too many."""
        listed = self._listed.setdefault(org, {})
        if key in listed or len(listed) >= LISTED_MAX:
            return False
        listed[key] = why
        return True

    def forget_listed(self, org: str) -> None:
        """A new policy: whoever was turned away may try again."""
        self._listed.pop(org, None)

    def unlist(self, org: str, key: str) -> None:
        """It is registered or removed: should it be turned away again, that is news."""
        self._listed.get(org, {}).pop(key, None)

    @property
    def listed(self) -> dict[str, dict[str, Ignored]]:
        """By org and key, to be saved."""
        return self._listed

    def restore(self, listed: dict[str, dict[str, Ignored]]) -> None:
        self._listed = listed
