"""What a regular expression of `matches` costs. The engine behind it is linear in the text, but takes a pattern of 25
characters with counts inside counts for seconds of work, and makes each pattern anew whenever it is asked."""

import re
from dataclasses import dataclass

PATTERN_LIMIT = 500
MAKING_LIMIT_NS = 4_000_000
STEP_NS = 2.0
"""For one state of the pattern and one byte of text."""

_CHARACTER_NS, _SET_NS, _LARGE_SET_NS = 3_000.0, 60_000.0, 700_000.0
"""Of one character, a set, and a set of a Unicode class; letters that stand for both cases are in the first."""
_ANY_NS, _FOLDING_NS = 40_000.0, 200_000.0
_OWN_STATES = 24
"""What looking at a byte costs in any case, in states."""
_PART = re.compile(
    r"""(?P<count>\{(?P<least>\d+)(?:,(?P<most>\d*))?\})
    |(?P<large>\\[pP](?:\{[^}]*\}|.)|\\[wW])
    |(?P<set>\\[dDsS]|\[(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\.)
    |(?P<open>\((?:\?[a-zA-Z^-]*[:)]|\?P?<\w+>)?)
    |(?P<close>\))
    |(?P<character>\\.|.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class PatternCost:
    """An upper bound: nanoseconds to make the pattern, and its states, each of which may look at each byte of text."""

    making_ns: float
    states: int


class PatternRefused(Exception):
    """The pattern is one that nobody can bound, or costs too much. The text says why."""


def pattern_cost(pattern: str) -> PatternCost:
    """Raises PatternRefused. That a pattern can be read at all is not looked at."""
    if len(pattern) > PATTERN_LIMIT:
        raise PatternRefused(f"a pattern has at most {PATTERN_LIMIT} characters")
    groups: list[list[tuple[float, int]]] = [[]]
    for part in _PART.finditer(pattern):
        text = part.group()
        match part.lastgroup:
            case "open":
                _check_flags(text)
                if not text.endswith(")"):
                    groups.append([])
            case "close":
                inner = groups.pop() if len(groups) > 1 else []
                groups[-1].append(_sum(inner))
            case "count" | "least" | "most":
                times = max(int(part["least"]), int(part["most"] or 0), 1)
                making, states = groups[-1].pop() if groups[-1] else (0.0, 0)
                groups[-1].append((making * times, states * times))
            case _:
                groups[-1].append((_making(part, text), 1))
    making, states = _sum([atom for group in groups for atom in group])
    if making > MAKING_LIMIT_NS:
        raise PatternRefused("the pattern is too large: repeat fewer and smaller parts")
    return PatternCost(making + (_FOLDING_NS if "(?i" in pattern else 0) + _ANY_NS, states + _OWN_STATES)


def _check_flags(text: str) -> None:
    """With `(?x)` spaces and comments mean nothing, brackets in them included."""
    flags = text.removeprefix("(?").rstrip(":)") if text.startswith("(?") and "<" not in text else ""
    if "x" in flags:
        raise PatternRefused("the flag x is not part of patterns")


def _making(part: re.Match[str], text: str) -> float:
    if part["large"]:
        return _LARGE_SET_NS
    if not part["set"]:
        return _CHARACTER_NS
    if text.startswith("[") and "[" in text[1:].replace("[:", "").replace("\\[", ""):
        raise PatternRefused("a set in a set is not part of patterns")
    named = len(re.findall(r"\\[wWpP]", text))
    return _SET_NS + named * _LARGE_SET_NS + len(text) * _CHARACTER_NS


def _sum(atoms: list[tuple[float, int]]) -> tuple[float, int]:
    return sum(making for making, _ in atoms), sum(states for _, states in atoms)
