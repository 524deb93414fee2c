"""Lengths of time as documents write them."""

import re
from typing import Any

LONGEST_WAIT_S = 30 * 86_400

_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
WRITTEN = re.compile(r"([0-9]{1,9})([smhdw]?)")


def seconds_of(value: Any) -> int | None:
    """`90` and `"90"` are seconds; `15m`, `2h`, `1d`, `1w` say their unit. None: this is no length of time."""
    if not isinstance(value, int | str):
        return None
    found = WRITTEN.fullmatch(str(value).strip())
    return int(found[1]) * _SECONDS[found[2]] if found else None
