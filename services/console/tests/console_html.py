"""HTML as a browser sees it: elements and attributes, not text that looks like them."""

from html.parser import HTMLParser

Attributes = dict[str, str | None]


class _Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, Attributes]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(html: str) -> list[tuple[str, Attributes]]:
    """Every element of the document with its attributes."""
    parser = _Elements()
    parser.feed(html)
    return parser.found
