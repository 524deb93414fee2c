"""Time zones by their IANA names."""

from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

_OF_MACHINES = {"Factory", "localtime"}
"""Names beside those of zones, which mean another clock on each machine."""


def zone_of(name: str) -> ZoneInfo | None:
    """None when there is none of that name; a folder of them is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def known_zone(name: str) -> str:
    """The name. Raises ValueError when there is no such zone, for everybody. The first call reads folders."""
    if name not in _of_everybody():
        raise ValueError("is no time zone; one is for instance Europe/Oslo")
    return name


@cache
def _of_everybody() -> frozenset[str]:
    return frozenset(available_timezones() - _OF_MACHINES)
