"""Conditions by CEL (common-expression-language, in Rust).

It knows no limit of cost, so size is bounded on both sides: the expression's length, nesting and loops when it is
saved, the lists that it goes over when it is judged. An event is handed over once, and of it only what the
expressions name: the library copies a value each time that it is read.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import cel

from fettle_workflow_engine.adapters.cel_reading import loops, mentions_of, tokens, unknown_functions
from fettle_workflow_engine.domain.faults import Place
from fettle_workflow_engine.domain.languages import Complaint, Reading, Verdict

SOURCE_LIMIT = 1_000
NESTING_LIMIT = 16
LOOPS_LIMIT = 2
LIST_LIMIT = 1_000

_FAILURES = (LookupError, TypeError, ValueError, ArithmeticError, RuntimeError)
_SYNTAX = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?(.*)")


class CelConditions:
    """`domain.languages.Conditions`. Compiled expressions are kept, the 1,000 last used."""

    def __init__(self) -> None:
        self._compiled = lru_cache(maxsize=1_000)(cel.compile)
        self._paths = lru_cache(maxsize=1_000)(_paths)

    def read(self, source: str) -> Reading:
        if len(source) > SOURCE_LIMIT:
            return _refused(f"an expression has at most {SOURCE_LIMIT} characters")
        if _nesting(source) > NESTING_LIMIT:
            return _refused(f"an expression is nested at most {NESTING_LIMIT} deep")
        if loops(source) > LOOPS_LIMIT:
            return _refused(f"an expression goes over lists at most {LOOPS_LIMIT} times")
        try:
            self._compiled(source)
        except ValueError as error:
            return Reading(complaints=tuple(_syntax(str(error))))
        return Reading(tuple(mentions_of(source)), tuple(unknown_functions(source)))

    def judge(self, sources: Sequence[str], event: Mapping[str, Any]) -> list[Verdict]:
        paths = {path for source in sources for path in self._paths(source)}
        view = _view(event, paths)
        longest = _longest_list(view)
        try:
            context = cel.Context({"event": view})
        except _FAILURES as error:
            return [Verdict(False, f"the event cannot be read: {error}")] * len(sources)
        return [self._judge(source, context, longest) for source in sources]

    def _judge(self, source: str, context: cel.Context, longest: int) -> Verdict:
        if longest > LIST_LIMIT and loops(source):
            return Verdict(False, f"the event holds a list of more than {LIST_LIMIT}")
        try:
            value = self._compiled(source).execute(context)
        except KeyError as error:
            return Verdict(False, f"{error.args[0]!r} is not there")
        except _FAILURES as error:
            return Verdict(False, str(error).partition(". ")[0])
        if isinstance(value, bool):
            return Verdict(value)
        return Verdict(False, f"the expression gives {type(value).__name__}, not true or false")


def _paths(source: str) -> frozenset[tuple[str, ...]]:
    return frozenset(mention.path[1:] for mention in mentions_of(source) if mention.path[0] == "event")


def _view(value: Any, paths: Iterable[tuple[str, ...]]) -> Any:
    """What of `value` the paths lead to; a path that ends takes all that is below."""
    paths = set(paths)
    if () in paths or not isinstance(value, dict):
        return value
    below: dict[str, set[tuple[str, ...]]] = {}
    for first, *rest in paths:
        below.setdefault(first, set()).add(tuple(rest))
    return {name: _view(value[name], rest) for name, rest in below.items() if name in value}


def _longest_list(value: Any) -> int:
    match value:
        case list():
            return max([len(value), *map(_longest_list, value)])
        case dict():
            return max(map(_longest_list, value.values()), default=0)
        case _:
            return 0


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
