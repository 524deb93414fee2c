"""How one document differs from another: the lines that went and came, with some around them.

Common first and last lines are set aside before lines are compared, and two remainders too large to compare in bounded
time count as replaced whole.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

CONTEXT_LINES = 3
COMPARISONS_LIMIT = 100_000

_Step = tuple[str, int, int, int, int]


class LineKind(StrEnum):
    """What became of a line."""

    KEPT = "kept"
    REMOVED = "removed"
    ADDED = "added"


@dataclass(frozen=True, slots=True)
class Line:
    kind: LineKind
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that stand together: from which line on (from 1; 0 where there is none), and how many, in each document."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: tuple[Line, ...]


def difference(before: str, after: str) -> tuple[Hunk, ...]:
    """No hunk when both have the same lines."""
    old, new = before.splitlines(), after.splitlines()
    return tuple(_hunk(group, old, new) for group in _grouped(list(_steps(old, new))))


def unified(hunks: Sequence[Hunk], before: str, after: str) -> str:
    """The hunks as `diff -u` shows them; `before` and `after` name the two. Empty without a hunk."""
    if not hunks:
        return ""
    marks = {LineKind.KEPT: " ", LineKind.REMOVED: "-", LineKind.ADDED: "+"}
    lines = [f"--- {before}", f"+++ {after}"]
    for hunk in hunks:
        lines.append(f"@@ -{hunk.old_start},{hunk.old_lines} +{hunk.new_start},{hunk.new_lines} @@")
        lines += [marks[line.kind] + line.text for line in hunk.lines]
    return "\n".join(lines) + "\n"


def _steps(old: Sequence[str], new: Sequence[str]) -> Iterator[_Step]:
    """What to do to get from one to the other: `equal`, `delete`, `insert` or `replace` these lines."""
    first = _common(old, new)
    last = _common(old[first:][::-1], new[first:][::-1])
    old_end, new_end = len(old) - last, len(new) - last
    if first:
        yield "equal", 0, first, 0, first
    old_part, new_part = old[first:old_end], new[first:new_end]
    if len(old_part) * len(new_part) > COMPARISONS_LIMIT:
        yield "replace", first, old_end, first, new_end
    else:
        for tag, a, b, c, d in SequenceMatcher(None, old_part, new_part, autojunk=False).get_opcodes():
            yield tag, a + first, b + first, c + first, d + first
    if last:
        yield "equal", old_end, len(old), new_end, len(new)


def _grouped(steps: list[_Step]) -> Iterator[list[_Step]]:
    """Steps of one hunk each: long stretches of equal lines are cut to their ends, which divide hunks."""
    group: list[_Step] = []
    for index, (tag, a, b, c, d) in enumerate(steps):
        if tag != "equal":
            group.append((tag, a, b, c, d))
            continue
        if group and index < len(steps) - 1 and b - a <= 2 * CONTEXT_LINES:
            group.append((tag, a, b, c, d))
            continue
        if group:
            yield [*group, (tag, a, min(b, a + CONTEXT_LINES), c, min(d, c + CONTEXT_LINES))]
        group = []
        if index < len(steps) - 1:
            group = [(tag, max(a, b - CONTEXT_LINES), b, max(c, d - CONTEXT_LINES), d)]
    if any(step[0] != "equal" for step in group):
        yield group


def _hunk(group: Sequence[_Step], old: Sequence[str], new: Sequence[str]) -> Hunk:
    lines: list[Line] = []
    for tag, a, b, c, d in group:
        if tag == "equal":
            lines += [Line(LineKind.KEPT, text) for text in old[a:b]]
        else:
            lines += [Line(LineKind.REMOVED, text) for text in old[a:b]]
            lines += [Line(LineKind.ADDED, text) for text in new[c:d]]
    (_, old_start, _, new_start, _), (_, _, old_end, _, new_end) = group[0], group[-1]
    old_count, new_count = old_end - old_start, new_end - new_start
    return Hunk(old_start + bool(old_count), old_count, new_start + bool(new_count), new_count, tuple(lines))


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """How many first lines both have."""
    return next(
        (index for index, (mine, yours) in enumerate(zip(one, other, strict=False)) if mine != yours),
        min(len(one), len(other)),
    )
