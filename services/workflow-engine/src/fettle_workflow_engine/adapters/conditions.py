"""Conditions by CEL (common-expression-language, in Rust).

It knows no limit of cost and cannot be stopped, so an expression is begun only when it is sure to end within 10 ms:
what it may be made of is bounded when it is saved, what it looks at when it is judged (`cel_cost.py`). An event is
handed over once, and of it only what the expressions name: the library copies a value each time that it is read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cel

from fettle_workflow_engine.adapters.cel_cost import (
    BUDGET_NS,
    VALUES_LIMIT,
    Sizes,
    Together,
    TooLarge,
    bound_ns,
    complaints_of,
    together,
    within_budget,
)
from fettle_workflow_engine.adapters.cel_needs import Needs, needs_of
from fettle_workflow_engine.adapters.cel_patterns import STEP_NS, PatternRefused, pattern_cost
from fettle_workflow_engine.adapters.cel_reading import FUNCTIONS, mentions_of, tokens, unknown_functions
from fettle_workflow_engine.domain.faults import Place
from fettle_workflow_engine.domain.languages import Complaint, Reading, Verdict

SOURCE_LIMIT = 4 * 1024
NESTING_LIMIT = 20
TOO_MUCH = "it could take longer than 10 ms over this data"

_FAILURES = (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError)
_ABSENT = re.compile(r"Undefined variable or function: '(\w+)'")
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")


_HOLDS, _DOES_NOT = Verdict(True), Verdict(False)

Ways = Mapping[str, "Ways | None"]
"""Names of what is looked at, each with what of it is, or None for all of it."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """Expressions that are judged over one scope, and what can be known of them beforehand."""

    sources: tuple[str, ...]
    needs: Needs
    together: Together | None
    ways: Ways | None


class CelConditions:
    """`domain.languages.Conditions`. Compiled expressions are kept, the 1,000 last used, and so are groups of them that
    are judged over one event."""

    def __init__(self) -> None:
        self._compiled = lru_cache(maxsize=1_000)(cel.compile)
        self._grouped = lru_cache(maxsize=1_000)(self._group)
        self._match = cel.compile("text.matches(pattern)")

    def read(self, source: str) -> Reading:
        if len(source.encode(errors="replace")) > SOURCE_LIMIT:
            return _refused(f"an expression has at most {SOURCE_LIMIT // 1024} KiB")
        if _nesting(source) > NESTING_LIMIT:
            return _refused(f"an expression is nested at most {NESTING_LIMIT} deep")
        try:
            self._compiled(source)
        except ValueError as error:
            return Reading(complaints=tuple(_syntax(str(error))))
        return Reading(tuple(mentions_of(source)), (*unknown_functions(source), *complaints_of(source)))

    def judge(self, sources: Sequence[str], event: Mapping[str, Any]) -> list[Verdict]:
        return self._judge(sources, {"event": event})

    def judge_in(self, source: str, scope: Mapping[str, Any]) -> Verdict:
        (verdict,) = self._judge([source], scope)
        return verdict

    def read_pattern(self, pattern: str) -> str | None:
        try:
            pattern_cost(pattern)
            self._match.execute({"text": "", "pattern": pattern})
        except PatternRefused as refusal:
            return str(refusal)
        except _FAILURES:
            return "not a regular expression"
        return None

    def matches(self, pattern: str, text: str) -> Verdict:
        try:
            cost = pattern_cost(pattern)
            if cost.making_ns + cost.states * len(text.encode(errors="replace")) * STEP_NS > BUDGET_NS:
                return Verdict(False, TOO_MUCH)
            return Verdict(bool(self._match.execute({"text": text, "pattern": pattern})))
        except (PatternRefused, *_FAILURES):
            return Verdict(False, "the pattern or the text cannot be read")

    def _judge(self, sources: Sequence[str], scope: Mapping[str, Any]) -> list[Verdict]:
        group = self._grouped(tuple(sources))
        able = group.needs.met(scope)
        if len(able) == len(group.sources):
            return self._asked(group, scope)
        verdicts = [_DOES_NOT] * len(group.sources)
        if able:
            asked = self._grouped(tuple(group.sources[place] for place in able))
            for place, verdict in zip(able, self._asked(asked, scope), strict=True):
                verdicts[place] = verdict
        return verdicts

    def _asked(self, group: _Judged, scope: Mapping[str, Any]) -> list[Verdict]:
        """Of those that have what they need."""
        sources, sizes, refused = group.sources, Sizes(scope), dict[str, Verdict]()
        if group.together is None or not within_budget(group.together, sizes):
            refused = {source: Verdict(False, why) for source in sources if (why := _too_much(source, sizes))}
            if refused:
                group = self._grouped(tuple(source for source in sources if source not in refused))
        try:
            context = cel.Context(_view(scope, group.ways))
        except _FAILURES as error:
            if len(sources) == 1:
                return [Verdict(False, f"the event cannot be read: {error}")]
            return [verdict for source in sources for verdict in self._asked(self._grouped((source,)), scope)]
        verdicts = [self._one(source, context) for source in group.sources]
        if not refused:
            return verdicts
        judged = dict(zip(group.sources, verdicts, strict=True))
        return [refused.get(source) or judged[source] for source in sources]

    def _group(self, sources: tuple[str, ...]) -> _Judged:
        paths = {mention.path for source in sources for mention in mentions_of(source)}
        return _Judged(sources, needs_of(sources), together(sources), _ways(paths))

    def _one(self, source: str, context: cel.Context) -> Verdict:
        try:
            value = self._compiled(source).execute(context)
        except KeyError as error:
            return Verdict(False, f"{error.args[0]!r} is not there")
        except _FAILURES as error:
            absent = _ABSENT.match(str(error))
            if absent and absent[1] not in FUNCTIONS:
                return Verdict(False, f"{absent[1]!r} is not there")
            return Verdict(False, str(error).partition(". ")[0])
        if isinstance(value, bool):
            return _HOLDS if value else _DOES_NOT
        return Verdict(False, f"the expression gives {type(value).__name__}, not true or false")


def _too_much(source: str, sizes: Sizes) -> str | None:
    """Why it is not begun, if it is not."""
    try:
        return TOO_MUCH if bound_ns(source, sizes) > BUDGET_NS else None
    except TooLarge:
        return f"it names more than {VALUES_LIMIT} values of this data"


def _ways(paths: Set[tuple[str, ...]]) -> Ways | None:
    """A path that ends takes all that is below."""
    if () in paths:
        return None
    below: dict[str, set[tuple[str, ...]]] = {}
    for first, *rest in paths:
        below.setdefault(first, set()).add(tuple(rest))
    return {name: _ways(rest) for name, rest in below.items()}


def _view(value: Any, ways: Ways | None) -> Any:
    """What of `value` the ways lead to."""
    if ways is None or not isinstance(value, dict):
        return value
    return {name: _view(value[name], further) for name, further in ways.items() if name in value}


def _nesting(source: str) -> int:
    depth = deepest = 0
    for token in tokens(source):
        depth += (token.text in ("(", "[", "{", "?")) - (token.text in (")", "]", "}"))
        deepest = max(deepest, depth)
    return deepest


def _syntax(error: str) -> Iterable[Complaint]:
    found = _SYNTAX.findall(error)
    if not found:
        return [Complaint("not a CEL expression", Place(1, 1))]
    return [
        Complaint(f"not a CEL expression: {message.partition(' expecting ')[0]}", Place(int(line), int(column)))
        for line, column, message in found
    ]


def _refused(message: str) -> Reading:
    return Reading(complaints=(Complaint(message, Place(1, 1)),))
