"""The ticket list's address: what it filters, how it sorts, where it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fettle_console.views.address import Addressed
from fettle_console.views.words import KINDS

TABS = (("open", "Open"), ("in_progress", "In progress"), ("resolved", "Resolved"), ("all", "All"))
SORTS = (
    ("-opened", "Newest first"),
    ("opened", "Oldest first"),
    ("-updated", "Recently updated"),
    ("updated", "Longest quiet"),
    ("-number", "Highest number"),
    ("number", "Lowest number"),
)
FILTERS = ("source", "kind", "subject", "integration", "space")

_KINDS = {words.lower(): kind for kind, words in KINDS.items()}

SEARCH_MIN_CHARACTERS = 3

DEFAULT_STATE, DEFAULT_SORT = "open", "-opened"


@dataclass(frozen=True, slots=True)
class ListQuery(Addressed):
    """What the list of tickets shows."""

    state: str = DEFAULT_STATE
    q: str = ""
    source: str = ""
    kind: str = ""
    subject: str = ""
    integration: str = ""
    space: str = ""
    sort: str = DEFAULT_SORT
    cursor: str = ""

    @classmethod
    def read(cls, parameters: Mapping[str, str]) -> "ListQuery":
        """Of an address that somebody may have edited: what is unknown there counts as not said. A kind may be given by
        its words."""
        said = {name: parameters.get(name, "").strip() for name in ("q", "cursor", *FILTERS)}
        said["kind"] = _KINDS.get(said["kind"].lower(), said["kind"])
        return cls(
            state=_one_of(parameters.get("state"), TABS, DEFAULT_STATE),
            sort=_one_of(parameters.get("sort"), SORTS, DEFAULT_SORT),
            **said,
        )

    @property
    def first_page_newest_first(self) -> bool:
        """Whether a ticket that opens now belongs at the very top of what is shown."""
        return not self.cursor and self.sort in ("-opened", "-updated", "-number")

    @property
    def narrowed(self) -> bool:
        return bool(self.q or any(getattr(self, name) for name in FILTERS))

    @property
    def too_short(self) -> bool:
        """Whether the search is shorter than the service can look up; it is then left out."""
        return 0 < len(self.q) < SEARCH_MIN_CHARACTERS

    def chips(self) -> list[tuple[str, str]]:
        """Filters that have no control of their own on the page, as (name, value)."""
        return [(name, getattr(self, name)) for name in ("subject", "integration", "space") if getattr(self, name)]

    def for_service(self, limit: int) -> dict[str, Any]:
        """What the ticket service is asked for."""
        said = {name: value for name, value in self.said() if not (name == "q" and self.too_short)}
        return {**said, "limit": limit}


def _one_of(text: str | None, known: Iterable[tuple[str, str]], default: str) -> str:
    return text if text is not None and text in dict(known) else default
