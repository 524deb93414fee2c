"""Graphs of workflows as the engine tells them."""

from collections.abc import Sequence
from typing import Any


def node(name: str, kind: str, does: str | None, *after: str, line: int = 1) -> dict[str, Any]:
    """One node; `after` as documents write it: `tell.error`."""
    ways = [one.partition(".")[::2] for one in after]
    edges = [{"node": source, "way": way or "done"} for source, way in ways]
    return {"node": name, "kind": kind, "does": does, "after": edges, "line": line}


ALERT: Sequence[dict[str, Any]] = (
    node("opened", "trigger", "ticket.opened", line=4),
    node("daytime", "if", None, "opened", line=5),
    node("tell", "action", "notify", "daytime.true", line=6),
    node("noted", "action", "ticket.comment", "tell", line=7),
    node("failed", "action", "ticket.comment", "tell.error", line=8),
)
"""That of the contract's example."""
