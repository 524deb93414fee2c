"""The trace that a request or record belongs to (W3C Trace Context), handed on to what it causes."""

import re

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent_of(text: str | None) -> str | None:
    """The text if it is a `traceparent`; anything else is no trace, and no reason to refuse."""
    return text if text is not None and _TRACEPARENT.fullmatch(text) else None
