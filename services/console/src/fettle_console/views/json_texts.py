"""Values as texts that people read."""

import json
from typing import Any

_LONGEST = 20_000


def laid_out(value: Any) -> str:
    """JSON on lines of its own; nothing for none. What is very long is cut."""
    if value is None or value == {}:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}\n… ({len(text) - _LONGEST} characters more)"
