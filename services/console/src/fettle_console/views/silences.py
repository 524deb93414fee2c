"""Silences as a ticket's page shows them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_contracts.times import parse_time

LENGTHS = ((3600, "1 h"), (4 * 3600, "4 h"), (8 * 3600, "8 h"), (86_400, "24 h"), (7 * 86_400, "7 days"))
"""What the dialog offers, in seconds and in words; the API takes any length up to 90 days."""

LENGTH_S = 4 * 3600
"""The one that is chosen already."""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A silence that holds now. `held` is how many tickets it has kept from being opened."""

    id: str
    until: datetime
    made_by: str
    reason: str
    held: int


def lasting(items: Iterable[Mapping[str, Any]]) -> Silenced | None:
    """Of the silences that hold now, the one that ends last: until then nothing opens."""
    found = [
        Silenced(
            id=item["id"],
            until=parse_time(item["until"]),
            made_by=item["made_by"],
            reason=item.get("reason") or "",
            held=item["held"]["count"],
        )
        for item in items
        if item.get("until")
    ]
    return max(found, key=lambda silence: silence.until, default=None)


@dataclass(frozen=True, slots=True)
class Silencing:
    """What holds for a subject (`type/id`) now, and how many devices a silence of it could take along."""

    subject: str
    present: Silenced | None
    behind: int
    lengths: Sequence[tuple[int, str]] = LENGTHS
    length_s: int = LENGTH_S
