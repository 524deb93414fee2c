"""Lists whose every view is a URL."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from urllib.parse import urlencode


def query_of(**said: str) -> str:
    """A query string, with its `?`, of what is said; nothing when that is nothing."""
    given = {name: value for name, value in said.items() if value}
    return f"?{urlencode(given)}" if given else ""


@dataclass(frozen=True, slots=True)
class Addressed:
    """What a list shows, field by field; `cursor` is one of them. The order of the fields is that of the address, where
    those that are as they are by default do not stand."""

    def but(self, **changes: str) -> str:
        """The query string of this view with changes; a changed filter starts at the first page."""
        return replace(self, **{"cursor": "", **changes}).address()

    def address(self) -> str:
        """The query string, with its `?` unless it is empty."""
        default = {field.name: field.default for field in fields(self)}
        said = [(name, value) for name, value in self.said() if value != default[name]]
        return f"?{urlencode(said)}" if said else ""

    def said(self) -> Iterable[tuple[str, str]]:
        """Every field that is not empty."""
        values = ((field.name, getattr(self, field.name)) for field in fields(self))
        return ((name, value) for name, value in values if value)
