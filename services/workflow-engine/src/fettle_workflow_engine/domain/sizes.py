"""How much of a node is kept."""

import json
from typing import Any

import msgspec

LIMIT_BYTES = 64 * 1024
"""Of a node's input, and of its output, as JSON in UTF-8."""
_SHOWN = 1_000
_COMPACT = msgspec.json.Encoder()


def beginning_of(value: Any) -> dict[str, Any] | None:
    """What is kept of a value that is over the limit: its size and how it begins; None for one that is not."""
    return None if _is_small(value) else within(LIMIT_BYTES, value)[0]


def within(limit: int, value: Any) -> tuple[dict[str, Any] | None, int]:
    """As `beginning_of` for another limit, in bytes; with how much of the limit is left."""
    written = json.dumps(value, ensure_ascii=False)
    size = len(written.encode(errors="surrogatepass"))
    if size > limit:
        return {"cut": True, "bytes": size, "begins": written[:_SHOWN]}, limit
    return None, limit - size


def _is_small(value: Any) -> bool:
    """Whether it is within the limit for sure, which most values are: written without spaces it is a third as long at
    least."""
    try:
        return 3 * len(_COMPACT.encode(value)) <= LIMIT_BYTES
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False
