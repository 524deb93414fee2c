"""How one text differs from another, as a timeline entry shows it: a unified difference without file names.

Common first and last lines are set aside before lines are compared, and two remainders too large to compare in
bounded time count as replaced whole, so that no text can hold up the tickets behind it.
"""

from collections.abc import Iterable, Sequence
from difflib import unified_diff

from fettle_ticket_service.domain.values import Link

CONTEXT_LINES = 2
COMPARISONS_LIMIT = 100_000


def text_difference(before: str, after: str) -> str:
    """Lines that begin with `-`, `+` or a space, under `@@ … @@` heads."""
    old, new = _lines(before), _lines(after)
    first = _common_prefix(old, new)
    last = _common_prefix(old[first:][::-1], new[first:][::-1])
    old_part, new_part = old[first : len(old) - last], new[first : len(new) - last]
    if len(old_part) * len(new_part) > COMPARISONS_LIMIT:
        return "\n".join(_replaced(first, old_part, new_part))
    return "\n".join(_compared(old, new, first, last))


def links_difference(before: Iterable[Link], after: Iterable[Link]) -> str:
    """One line per link that went (`-`) or came (`+`); a new order alone shows them all."""
    old, new = [_line(link) for link in before], [_line(link) for link in after]
    gone = [f"-{line}" for line in old if line not in new]
    come = [f"+{line}" for line in new if line not in old]
    return "\n".join(gone + come or [*(f"-{line}" for line in old), *(f"+{line}" for line in new)])


def _line(link: Link) -> str:
    return f"{link.label} {link.url}"


def _lines(text: str) -> list[str]:
    return text.split("\n") if text else []


def _common_prefix(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours:
            break
        count += 1
    return count


def _compared(old: Sequence[str], new: Sequence[str], first: int, last: int) -> Iterable[str]:
    """The heads count lines of the whole text, so what was set aside is left out here and its number added there."""
    start = max(0, first - CONTEXT_LINES)
    kept = max(0, last - CONTEXT_LINES)
    parts = unified_diff(old[start : len(old) - kept], new[start : len(new) - kept], n=CONTEXT_LINES, lineterm="")
    for number, line in enumerate(parts):
        if number >= 2:
            yield _shifted(line, start) if line.startswith("@@") else line


def _shifted(head: str, by: int) -> str:
    """`@@ -3,2 +3,4 @@` with both line numbers raised."""
    _, old, new, _ = head.split(" ", 3)
    return f"@@ -{_raised(old[1:], by)} +{_raised(new[1:], by)} @@"


def _raised(place: str, by: int) -> str:
    number, comma, count = place.partition(",")
    return f"{int(number) + by}{comma}{count}"


def _replaced(first: int, old: Sequence[str], new: Sequence[str]) -> Iterable[str]:
    yield f"@@ -{first + 1},{len(old)} +{first + 1},{len(new)} @@"
    yield from (f"-{line}" for line in old)
    yield from (f"+{line}" for line in new)
