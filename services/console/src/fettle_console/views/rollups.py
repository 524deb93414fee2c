"""Rollups as the pages show them: who is down, who is back, and what the timeline says of it."""

from collections.abc import Mapping
from typing import Any

from fettle_contracts.ticket import Checklist

_CHANGES = {"added": "added", "recovered": "recovered", "down_again": "down again"}


def progress(checklist: Checklist) -> str | None:
    """`3 of 12 devices recovered`; None without members."""
    if checklist.total == 0:
        return None
    return f"{checklist.recovered} of {checklist.total} {'device' if checklist.total == 1 else 'devices'} recovered"


def deed(evidence: Mapping[str, Any]) -> str:
    """What an entry on a checklist says: `updated the checklist: 2 added, 1 recovered (3 of 12 recovered)`."""
    changes = [f"{evidence[name]['count']} {word}" for name, word in _CHANGES.items() if name in evidence]
    said = f"updated the checklist: {', '.join(changes)}" if changes else "updated the checklist"
    standing = evidence.get("checklist")
    return f"{said} ({standing['recovered']} of {standing['total']} recovered)" if standing else said


def facts(evidence: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The members behind the counts, by name."""
    return [(word, _names(evidence[name])) for name, word in _CHANGES.items() if name in evidence]


def _names(sum: Mapping[str, Any]) -> str:
    names = [member.get("name") or member["id"] for member in sum["members"]]
    more = sum["count"] - len(names)
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
