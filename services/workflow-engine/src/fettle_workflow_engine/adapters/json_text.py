"""JSON for columns of the database, without spaces."""

import json
from typing import Any

import msgspec

_FAST = msgspec.json.Encoder()


def json_text(value: Any) -> str:
    """What a database takes as JSON: of text also what UTF-8 cannot hold, escaped; NaN and infinities are null where
    nothing else asks for the slower way."""
    try:
        return _FAST.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError):  # half a surrogate pair, a text of another type
        return json.dumps(value, separators=(",", ":"))
