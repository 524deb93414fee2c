"""Time zones by their IANA names."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_of(name: str) -> ZoneInfo | None:
    """None when there is none of that name; a folder of them is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def known_zone(name: str) -> str:
    """The name. Raises ValueError when there is no such zone."""
    if zone_of(name) is None:
        raise ValueError("is no time zone; one is for instance Europe/Oslo")
    return name
