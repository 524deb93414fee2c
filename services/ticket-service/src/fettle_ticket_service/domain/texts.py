"""What people and programs may write: limits, and texts that can be stored and shown.

A limit is checked on what was sent; what is kept is made showable: line ends become `\\n`, and what nothing can show (a
control character, half of a surrogate pair) becomes `�`, so that it leaves a trace.
"""

import re
from collections.abc import Sequence

from fettle_contracts.codes import RejectionCode
from fettle_contracts.ticket import (
    KIND_MAX_CHARACTERS,
    LINKS_LIMIT,
    MONITOR_KEY_PREFIXES,
    MONITOR_KINDS,
    TEXT_MAX_BYTES,
    TITLE_MAX_CHARACTERS,
)
from fettle_ticket_service.domain.decisions import Rejected
from fettle_ticket_service.domain.values import Link

KEY_MAX_CHARACTERS = 400
LABEL_MAX_CHARACTERS = 120
URL_MAX_CHARACTERS = 2_000
NAME_MAX_CHARACTERS = 200

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_UNSHOWABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_END = re.compile(r"\r\n?")
_ADDRESS = re.compile(r"https?://[^\s/?#]+[^\s]*", re.IGNORECASE)


def showable(text: str) -> str:
    """A text of several lines as it is kept."""
    return _UNSHOWABLE.sub("\N{REPLACEMENT CHARACTER}", _LINE_END.sub("\n", text))


def cut_line(text: str, limit: int = NAME_MAX_CHARACTERS) -> str:
    """The text as one line of at most `limit` characters; what had to go is marked."""
    line = text.strip()
    if not line.isprintable():  # only then is there something to look for
        line = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", line)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def is_line(text: str, limit: int) -> bool:
    """Whether the text is one line of 1 to `limit` characters."""
    return 0 < len(text) <= limit and (text.isprintable() or _CONTROL.search(text) is None)


def title_fault(title: str) -> Rejected | None:
    if not title.strip():
        return Rejected(RejectionCode.TITLE_EMPTY, "A ticket needs a title.")
    if not is_line(title.strip(), TITLE_MAX_CHARACTERS):
        return Rejected(
            RejectionCode.TITLE_TOO_LONG, f"A title is one line of at most {TITLE_MAX_CHARACTERS} characters."
        )
    return None


def text_fault(text: str, what: str) -> Rejected | None:
    """`what` names the text for people: description, comment."""
    if len(text) * 4 > TEXT_MAX_BYTES and len(text.encode(errors="surrogatepass")) > TEXT_MAX_BYTES:
        return Rejected(RejectionCode.TEXT_TOO_LONG, f"A {what} has at most {TEXT_MAX_BYTES // 1024} KiB of UTF-8.")
    return None


def comment_fault(comment: str) -> Rejected | None:
    if not comment.strip():
        return Rejected(RejectionCode.COMMENT_EMPTY, "A comment needs text.")
    return text_fault(comment, "comment")


def kind_fault(kind: str, *, by_person: bool) -> Rejected | None:
    if not is_line(kind, KIND_MAX_CHARACTERS) or not kind.strip():
        return Rejected(RejectionCode.KIND_INVALID, f"A kind is one line of 1 to {KIND_MAX_CHARACTERS} characters.")
    if by_person and kind.strip() in MONITOR_KINDS:
        rule = f"Tickets of the kind {kind.strip()} are the health monitor's to open."
        return Rejected(RejectionCode.KIND_RESERVED, rule)
    return None


def key_fault(key: str | None, *, by_monitor: bool) -> Rejected | None:
    if key is None:
        return None
    if not is_line(key, KEY_MAX_CHARACTERS):
        return Rejected(RejectionCode.KEY_INVALID, f"A dedup key is one line of 1 to {KEY_MAX_CHARACTERS} characters.")
    if key.startswith(MONITOR_KEY_PREFIXES) and not by_monitor:
        prefixes = " or ".join(MONITOR_KEY_PREFIXES)
        return Rejected(RejectionCode.KEY_RESERVED, f"Keys that begin with {prefixes} are the health monitor's alone.")
    return None


def links_fault(links: Sequence[Link]) -> Rejected | None:
    if len(links) > LINKS_LIMIT:
        return Rejected(
            RejectionCode.TOO_MANY_LINKS, f"A ticket has at most {LINKS_LIMIT} links, these are {len(links)}."
        )
    for place, link in enumerate(links, start=1):
        if not is_line(link.label, LABEL_MAX_CHARACTERS) or not link.label.strip():
            return Rejected(
                RejectionCode.LINK_INVALID, f"Link {place} needs a label of 1 to {LABEL_MAX_CHARACTERS} characters."
            )
        if not is_line(link.url, URL_MAX_CHARACTERS) or _ADDRESS.fullmatch(link.url) is None:
            return Rejected(
                RejectionCode.LINK_INVALID,
                f"Link {place} needs an http or https address of at most {URL_MAX_CHARACTERS} characters.",
            )
    return None
