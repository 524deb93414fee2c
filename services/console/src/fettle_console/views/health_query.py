"""The address of the list of subjects: what it filters, how it sorts, where it is. Every view is a URL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from fettle_console.views.words import HEALTH
from fettle_contracts.transitions import CONFIRMED_UNHEALTHY

STATES = (("unhealthy", "Unhealthy"), *((str(state), words) for state, words in HEALTH.items()))
TYPES = (("device", "Devices"), ("integration", "Integrations"))
SORTS = (("subject", "By name"), ("-since", "Latest change first"), ("since", "Longest unchanged first"))
DEFAULT_SORT = "subject"

_FILTERS = ("state", "type", "integration", "space", "q")


@dataclass(frozen=True, slots=True)
class HealthQuery:
    """What the list shows. Fields that are empty, or as they are by default, do not stand in the address."""

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

    def but(self, **changes: str) -> str:
        """The query string of this view with changes; a changed filter starts at the first page."""
        return replace(self, **{"cursor": "", **changes}).address()

    def address(self) -> str:
        """The query string, with its `?` unless it is empty."""
        said = [(name, value) for name, value in self._said() if value and (name, value) != ("sort", DEFAULT_SORT)]
        return f"?{urlencode(said)}" if said else ""

    def for_service(self, limit: int) -> str:
        """The query string for the health monitor."""
        said = [(name, value) for name, value in self._said() if value and name != "state"]
        states = CONFIRMED_UNHEALTHY if self.state == "unhealthy" else (self.state,) if self.state else ()
        return "?" + urlencode([*(("state", str(state)) for state in states), *said, ("limit", str(limit))])

    def _said(self) -> Iterable[tuple[str, str]]:
        return ((name, getattr(self, name)) for name in (*_FILTERS, "sort", "cursor"))
