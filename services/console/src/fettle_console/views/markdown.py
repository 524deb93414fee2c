"""Markdown of people and machines as HTML that cannot do anything.

Two walls: the renderer shows raw HTML as text and makes no links with schemes of their own, and what it wrote is then
cleaned by an allow-list, so that a fault in one of them harms nobody. Pictures become links: showing one would tell
its server who reads the ticket.
"""

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup

_TAGS = {
    *("p", "br", "hr", "em", "strong", "s", "code", "pre", "blockquote", "a"),
    *("ul", "ol", "li", "h3", "h4", "h5", "h6"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_SCHEMES = {"http", "https", "mailto"}

_parser = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True}).enable(["table", "strikethrough"])
_parser.disable("image")


def render(text: str) -> Markup:
    """Safe HTML of a Markdown text. Headings begin at the third level, below those of the page."""
    tokens = _parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + 2)}"
    html = _parser.renderer.render(tokens, _parser.options, {})
    return Markup(  # noqa: S704 - cleaned one line below
        nh3.clean(
            html,
            tags=_TAGS,
            attributes={"a": {"href", "title"}, "ol": {"start"}},
            url_schemes=_SCHEMES,
            link_rel="noopener noreferrer nofollow",
            strip_comments=True,
        )
    )


def first_words(text: str, limit: int = 80) -> str:
    """The text on one line without its marks, cut at a word: what a list shows of a comment."""
    inline = [
        child.content or " "
        for token in _parser.parse(text)
        for child in (token.children or [token])
        if child.type in ("text", "code_inline", "softbreak", "hardbreak", "fence", "code_block")
    ]
    flat = " ".join(" ".join(inline).split())
    if len(flat) <= limit:
        return flat
    return flat[:limit].rsplit(" ", 1)[0].rstrip(",.;: ") + "…"
