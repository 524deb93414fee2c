"""Time zones by their IANA names."""

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
    """The name. Raises ValueError when there is no such zone, for everybody. Reads folders."""
    if name in _OF_MACHINES or name not in available_timezones():
        raise ValueError("is no time zone; one is for instance Europe/Oslo")
    return name
