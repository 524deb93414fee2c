"""One incident, one ticket: the keys of a storm, played once more from the events in the order of the org's chain."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.faults.traffic import Said
from tests.outside import Received

WINDOW = timedelta(seconds=15)
"""So short that storms open on both sides of it."""
MOVES = ("opened", "reopened", "resolved")


class Key:
    """The tickets of a key so far: by number since when each has been resolved, None while it is not."""

    def __init__(self) -> None:
        self._resolved: dict[int, datetime | None] = {}

    def take(self, kind: str, ticket: Mapping[str, Any], at: datetime, by_key: bool) -> str:
        """What the move was; AssertionError when it should not have been."""
        number, latest = ticket["number"], max(self._resolved, default=None)
        if kind == "resolved":
            self._resolved[number] = at
            return "resolved"
        assert None not in self._resolved.values(), f"another one of {self._resolved} was unresolved"
        resolved_at = None if latest is None else self._resolved[latest]
        self._resolved[number] = None
        if kind == "opened":
            previous = ticket["previous"] and ticket["previous"]["number"]
            assert previous == latest, (previous, latest)
            assert resolved_at is None or at - resolved_at >= WINDOW, (resolved_at, at)
            return "opened first" if latest is None else "opened behind the window"
        if by_key:
            assert number == latest
            assert resolved_at is not None
            assert at - resolved_at < WINDOW, (resolved_at, at)
            return "reopened inside the window"
        return "reopened by hand"


def check_keys(said: Mapping[str, Said], events: list[Received], results: list[Received]) -> None:
    """At most one unresolved ticket has a key. An open with a key that is held met its holder, one inside the window
    brought back the latest, one behind it opened another that links back."""
    moves = {}
    for event in events:
        body = event.json()
        if body["ticket"]["source"] == "user" and body["entry"]["type"] in MOVES:
            moves[body["chain"]["place"]] = (body, event.headers.get("ce_causationid", ""))
    keys: dict[str, Key] = defaultdict(Key)
    seen: Counter[str] = Counter()
    for _, (body, cause) in sorted(moves.items(), key=lambda move: move[0]):
        ticket, entry = body["ticket"], body["entry"]
        by_key = cause in said and said[cause].verb == "open"
        key = keys[ticket["dedup_key"]]
        seen[key.take(entry["type"], ticket, datetime.fromisoformat(entry["at"]), by_key)] += 1
    for body in (result.json() for result in results):
        if body["command_id"] in said and said[body["command_id"]].verb == "open" and body["outcome"] == "unchanged":
            assert body["ticket"]["state"] != "resolved", body
            seen["held"] += 1
    print(f"keys: {dict(seen)}")
    assert keys.keys() == {each.key for each in said.values() if each.verb == "open"}
