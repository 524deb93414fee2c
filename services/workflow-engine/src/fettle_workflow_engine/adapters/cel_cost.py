"""How long an expression may take over a scope at most, from what it is made of and what it looks at.

The library behind the port cannot be stopped once it runs, nor does it let others run. So the bound comes first, and
what is over it is not begun. The bound is a function of expression and scope: a run that is resumed elsewhere comes to
the same. Its prices are nanoseconds, measured, and then doubled at least.
"""

import re
from ast import literal_eval
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fettle_workflow_engine.adapters.cel_patterns import STEP_NS, PatternCost, PatternRefused, pattern_cost
from fettle_workflow_engine.adapters.cel_reading import LOOPS, Token, mentions_in, place_of, tokens
from fettle_workflow_engine.domain.languages import Complaint

BUDGET_NS = 8_500_000.0
"""Of the 10 ms that an expression has: the costs below are one machine's, and it has other things to do."""
VALUES_LIMIT = 6_000
"""Of values in what an expression names, keys counted too; to count further would take as long as the budget."""

_TOKEN_NS, _CALL_NS, _TURN_NS = 250.0, 3_000.0, 500.0
_COPY_VALUE_NS, _COPY_BYTE_NS = 120.0, 0.5
_HAND_OVER_VALUE_NS, _HAND_OVER_BYTE_NS = 1_500.0, 1.0


@dataclass(frozen=True, slots=True)
class Size:
    """What there is below a value: all values and bytes of text, the most items of a list or object, the copying of
    the heaviest item, and the longest text."""

    values: int = 0
    bytes: int = 0
    longest: int = 0
    item_ns: float = 0.0
    text: int = 0

    @property
    def copy_ns(self) -> float:
        return self.values * _COPY_VALUE_NS + self.bytes * _COPY_BYTE_NS

    @property
    def hand_over_ns(self) -> float:
        return self.values * _HAND_OVER_VALUE_NS + self.bytes * _HAND_OVER_BYTE_NS


@dataclass(frozen=True, slots=True)
class Structure:
    """What an expression is made of. `own_ns` is what its tokens and calls cost outside of loops, `turn_ns` inside of
    them for each turn; `names` says how often it names what, outside and inside. Without loops, patterns and `+` it is
    `plain`."""

    own_ns: float
    turn_ns: float
    plain: bool
    paths: frozenset[tuple[str, ...]]
    names: tuple[Mapping[tuple[str, ...], int], Mapping[tuple[str, ...], int]]
    bound: int
    """How often it names what a loop binds."""
    patterns: tuple[tuple[PatternCost, bool], ...]
    """With whether it stands inside a loop."""
    pluses: int
    commas: int
    loops: int
    lists: bool


_ONE = Size(values=1, item_ns=_COPY_VALUE_NS)


class TooLarge(Exception):
    """What an expression names holds more than VALUES_LIMIT values."""


@lru_cache(maxsize=1_000)
def structure_of(source: str) -> Structure:
    """Raises PatternRefused; `complaints_of` says where."""
    every = tokens(source)
    inside = _inside(every)
    names: tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], int]] = ({}, {})
    bound = 0
    for index, path, is_bound in mentions_in(every):
        if is_bound:
            bound += 1
        else:
            counted = names[inside[index]]
            counted[path] = counted.get(path, 0) + 1
    calls = [index for index in range(len(every)) if _is_call(every, index)]
    inner = sum(inside)
    inner_calls = sum(inside[index] for index in calls)
    patterns = tuple((pattern_cost(pattern), inside[index]) for index, pattern in _patterns(every))
    pluses = sum(token.text == "+" for token in every)
    loops = sum(every[index].text in LOOPS for index in calls)
    return Structure(
        own_ns=(len(every) - inner) * _TOKEN_NS + (len(calls) - inner_calls) * _CALL_NS,
        turn_ns=inner * _TOKEN_NS + inner_calls * _CALL_NS,
        plain=not (patterns or pluses or loops),
        paths=frozenset((*names[0], *names[1])),
        names=names,
        bound=bound,
        patterns=patterns,
        pluses=pluses,
        commas=sum(token.text == "," for token in every),
        loops=loops,
        lists=any(token.text in ("[", "{") for token in every),
    )


def complaints_of(source: str) -> Iterator[Complaint]:
    """What an expression may not be made of, since nothing could bound it."""
    every = tokens(source)
    inside = _inside(every)
    for index, token in enumerate(every):
        if not _is_call(every, index):
            continue
        place = place_of(source, token.start)
        if token.text == "map":
            yield Complaint("`map` is not part of conditions; exists, all and filter are", place)
        elif token.text in LOOPS and inside[index]:
            yield Complaint("a loop in a loop is not part of conditions", place)
        elif token.text == "matches":
            argument = every[_end(every, index + 1) - 1]
            if argument.kind != "text" or every[index + 2] is not argument:
                yield Complaint("the pattern of `matches` is a text that stands in the expression", place)
                continue
            try:
                pattern_cost(_literal(argument.text))
            except PatternRefused as refusal:
                yield Complaint(str(refusal), place_of(source, argument.start))


class Sizes:
    """The sizes of what expressions name in a scope, each looked at once."""

    def __init__(self, scope: Mapping[str, Any]) -> None:
        self._scope = scope
        self._known: dict[tuple[str, ...], Size | None] = {}

    def of(self, path: tuple[str, ...]) -> Size:
        """Raises TooLarge."""
        if path not in self._known:
            try:
                self._known[path] = size_of(value_at(self._scope, path))
            except TooLarge:
                self._known[path] = None
        size = self._known[path]
        if size is None:
            raise TooLarge
        return size


def bound_ns(source: str, sizes: Sizes) -> float:
    """The most that judging `source` over a scope of these sizes may take. Raises TooLarge."""
    made_of = structure_of(source)
    outside, inside = made_of.names
    named: dict[tuple[str, ...], Size] = {}
    values, cost = 0, made_of.own_ns
    for path in made_of.paths:
        named[path] = size = sizes.of(path)
        values, cost = values + size.values, cost + size.hand_over_ns
        if values > VALUES_LIMIT:
            raise TooLarge
    cost += sum(count * named[path].copy_ns for path, count in outside.items())
    if made_of.plain:
        return cost
    heaviest = max((size.copy_ns for size in named.values()), default=0.0)
    times = made_of.pluses + 1
    longest = max((size.longest for size in named.values()), default=0)
    turns = made_of.loops * times * max(made_of.commas + 1, longest)
    item = heaviest * times if made_of.lists or made_of.pluses else max((s.item_ns for s in named.values()), default=0)
    cost += turns * (_TURN_NS + made_of.turn_ns + made_of.bound * item) + made_of.loops * times * heaviest
    cost += turns * sum(count * named[path].copy_ns for path, count in inside.items())
    cost += made_of.pluses * max(turns, 1) * times * heaviest
    text = times * max((size.text for size in named.values()), default=0) + len(source)
    for pattern, in_loop in made_of.patterns:
        cost += (turns if in_loop else 1) * (pattern.making_ns + pattern.states * text * STEP_NS)
    return cost


@dataclass(frozen=True, slots=True)
class Together:
    """Expressions that are all `plain`, as one: what any of them costs at most by itself, all that any of them names,
    and how often one names a thing at most."""

    own_ns: float
    paths: frozenset[tuple[str, ...]]
    times: int


def together(sources: Sequence[str]) -> Together | None:
    """None for expressions of which any could cost more than its parts."""
    every = [structure_of(source) for source in sources]
    if not all(made_of.plain for made_of in every):
        return None
    return Together(
        own_ns=max((made_of.own_ns for made_of in every), default=0.0),
        paths=frozenset(path for made_of in every for path in made_of.paths),
        times=max((count for made_of in every for count in made_of.names[0].values()), default=0),
    )


def within_budget(those: Together, sizes: Sizes) -> bool:
    """Whether each of them is sure to be: one that names all that any names, as often as any does, would be."""
    values, cost = 0, those.own_ns
    try:
        for path in those.paths:
            size = sizes.of(path)
            values, cost = values + size.values, cost + size.hand_over_ns + those.times * size.copy_ns
            if values > VALUES_LIMIT or cost > BUDGET_NS:
                return False  # counting the rest could take longer than the budget
    except TooLarge:
        return False
    return True


def value_at(scope: Any, path: Sequence[str]) -> Any:
    """What `path` leads to, or the nearest above it that is there."""
    for part in path:
        if not isinstance(scope, dict | Mapping):  # the usual one first: asking for the other takes long
            return scope
        if part not in scope:
            return None
        scope = scope[part]
    return scope


def size_of(value: Any, limit: int = VALUES_LIMIT) -> Size:
    """Raises TooLarge as soon as there are more than `limit` values."""
    if isinstance(value, int | float):
        return _ONE
    if not isinstance(value, dict | list):
        return _walked(value, limit)
    values, size, longest, text, item_ns = 1, 0, len(value), 0, _COPY_VALUE_NS
    if isinstance(value, dict):
        values, size = values + len(value), 4 * sum(map(len, value))
    if values + len(value) > limit:
        raise TooLarge
    for one in value.values() if isinstance(value, dict) else value:
        if isinstance(one, int | float):
            values += 1
            continue
        inner = _walked(one, limit - values)
        values, size = values + inner.values, size + inner.bytes
        longest, text = max(longest, inner.longest), max(text, inner.text)
        item_ns = max(item_ns, inner.copy_ns)
    return Size(values, size, longest, item_ns, text)


def _walked(value: Any, limit: int) -> Size:
    values = size = longest = longest_text = 0
    ahead = [value]
    while ahead:
        values += 1
        one = ahead.pop()
        if isinstance(one, str):
            length = len(one) if one.isascii() else 4 * len(one)
            size += length
            longest_text = max(longest_text, length)
        elif isinstance(one, dict):
            longest = max(longest, len(one))
            values += len(one)
            size += 4 * sum(map(len, one))
            ahead.extend(one.values())
        elif isinstance(one, list):
            longest = max(longest, len(one))
            ahead.extend(one)
        if values + len(ahead) > limit:
            raise TooLarge
    return Size(values, size, longest, _COPY_VALUE_NS, longest_text)


def _inside(every: list[Token]) -> list[bool]:
    """For each token, whether it stands in the arguments of a loop."""
    ends = 0
    found = []
    for index, token in enumerate(every):
        found.append(index < ends)
        if index >= ends and token.text in LOOPS and _is_call(every, index):
            ends = _end(every, index + 1)
    return found


def _end(every: list[Token], opening: int) -> int:
    """The index of the bracket that closes the one at `opening`."""
    depth = 0
    for index in range(opening, len(every)):
        depth += (every[index].text in ("(", "[", "{")) - (every[index].text in (")", "]", "}"))
        if depth == 0:
            return index
    return len(every) - 1


def _is_call(every: list[Token], index: int) -> bool:
    return every[index].kind == "name" and index + 1 < len(every) and every[index + 1].text == "("


def _patterns(every: list[Token]) -> Iterator[tuple[int, str]]:
    for index, token in enumerate(every):
        if token.text == "matches" and _is_call(every, index) and every[index + 2].kind == "text":
            yield index, _literal(every[index + 2].text)


def _literal(text: str) -> str:
    """What a text of the language says; its escapes are Python's and two more."""
    if "r" not in text[:2].lower():
        text = re.sub(r"\\(.)", lambda found: found[1] if found[1] in "?`" else found[0], text, flags=re.DOTALL)
    value = literal_eval(text)
    return value if isinstance(value, str) else ""
