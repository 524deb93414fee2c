"""The ticket list's address: what it filters, how it sorts, where it is. Every view is a URL."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

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

SEARCH_MIN_CHARACTERS = 3

DEFAULT_STATE, DEFAULT_SORT = "open", "-opened"


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What the list shows. Fields that are empty, or as they are by default, do not stand in the address."""

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
        """Of an address that somebody may have edited: what is unknown there counts as not said."""
        said = {name: parameters.get(name, "").strip() for name in ("q", "cursor", *FILTERS)}
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

    def but(self, **changes: str) -> str:
        """The query string of this view with changes; a changed filter starts at the first page."""
        return replace(self, **{"cursor": "", **changes}).address()

    def address(self) -> str:
        """The query string, with its `?` unless it is empty."""
        encoded = urlencode([(name, value) for name, value in self._said() if value != _DEFAULTS.get(name, "")])
        return f"?{encoded}" if encoded else ""

    def for_service(self, limit: int) -> str:
        """The query string for the ticket service."""
        said = [(name, value) for name, value in self._said() if value and not (name == "q" and self.too_short)]
        return "?" + urlencode([*said, ("limit", str(limit))])

    def _said(self) -> Iterable[tuple[str, str]]:
        return ((name, getattr(self, name)) for name in ("state", "q", *FILTERS, "sort", "cursor"))


_DEFAULTS = {"state": DEFAULT_STATE, "sort": DEFAULT_SORT}


def _one_of(text: str | None, known: Iterable[tuple[str, str]], default: str) -> str:
    return text if text is not None and text in dict(known) else default
