"""The address of the list of subjects: what it filters, how it sorts, where it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fettle_console.views.address import Addressed
from fettle_console.views.words import HEALTH
from fettle_contracts.transitions import CONFIRMED_UNHEALTHY

STATES = (("unhealthy", "Unhealthy"), *((str(state), words) for state, words in HEALTH.items()))
TYPES = (("device", "Devices"), ("integration", "Integrations"))
SORTS = (("subject", "By name"), ("-since", "Latest change first"), ("since", "Longest unchanged first"))
DEFAULT_SORT = "subject"

_FILTERS = ("state", "type", "integration", "space", "q")


@dataclass(frozen=True, slots=True)
class HealthQuery(Addressed):
    """What the list of subjects shows."""

    state: str = ""
    type: str = ""
    integration: str = ""
    space: str = ""
    q: str = ""
    sort: str = DEFAULT_SORT
    cursor: str = ""

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> "HealthQuery":
        """Of an address that somebody may have edited: what is unknown there counts as not said."""
        said = {name: parameters.get(name, "").strip() for name in (*_FILTERS, "sort", "cursor")}
        known = {"state": STATES, "type": TYPES, "sort": SORTS}
        for name, choices in known.items():
            if said[name] not in dict(choices):
                said[name] = DEFAULT_SORT if name == "sort" else ""
        return cls(**said)

    @property
    def narrowed(self) -> bool:
        return any(getattr(self, name) for name in _FILTERS)

    @property
    def selection(self) -> dict[str, str]:
        """What of it a silence can be made for: a filter without states and search."""
        return {name: getattr(self, name) for name in ("type", "integration", "space") if getattr(self, name)}

    def for_service(self, limit: int) -> dict[str, Any]:
        """What the health monitor is asked for."""
        said = {name: value for name, value in self.said() if name != "state"}
        states = CONFIRMED_UNHEALTHY if self.state == "unhealthy" else (self.state,) if self.state else ()
        return {"state": [str(state) for state in states], **said, "limit": limit}
