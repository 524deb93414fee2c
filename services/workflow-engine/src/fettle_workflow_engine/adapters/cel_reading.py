"""What can be known of a CEL expression from its tokens: the values and functions that it names, and where.

The parser behind the port gives names without places; a misspelt field deserves its column.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from fettle_workflow_engine.domain.faults import Place, suggest
from fettle_workflow_engine.domain.languages import Complaint, Mention

LOOPS = ("all", "exists", "exists_one", "filter", "map")
FUNCTIONS = (
    *LOOPS, "has", "size", "contains", "startsWith", "endsWith", "matches", "int", "uint", "double", "string", "bytes",
    "timestamp", "duration", "type", "dyn", "getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek",
    "getDayOfYear", "getHours", "getMinutes", "getSeconds", "getMilliseconds",
)  # fmt: skip
_WORDS = frozenset({"true", "false", "null", "in", "int", "uint", "double", "bool", "string", "bytes", "list", "map"})

_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*)
    |(?P<text>[rRbB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>[0-9][0-9A-Za-z.]*)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int


def tokens(source: str) -> list[Token]:
    """The expression's tokens, without spaces and comments. Total: what fits nothing is a mark of one character."""
    found = (Token(str(match.lastgroup), match.group(), match.start()) for match in _TOKEN.finditer(source))
    return [token for token in found if token.kind != "skip"]


def mentions_of(source: str) -> Iterator[Mention]:
    """Every chain `a.b.c` that starts at a name from outside the expression, up to an index or a method."""
    every = tokens(source)
    for index, path, bound in mentions_in(every):
        if not bound:
            yield Mention(path, place_of(source, every[index].start))


def mentions_in(every: list[Token]) -> Iterator[tuple[int, tuple[str, ...], bool]]:
    """The same as the index of its first token, with the chains whose first name a loop binds there (True)."""
    loops = list(_loops_in(every))
    for position, chain in _chains(every):
        following = _text(every, position + 2 * len(chain) - 1)
        path = tuple(token.text for token in (chain[:-1] if following == "(" else chain))
        if path and path[0] not in _WORDS:
            yield position, path, any(path[0] == name and position in inside for name, inside in loops)


def unknown_functions(source: str) -> Iterator[Complaint]:
    """Every function or method that there is not."""
    every = tokens(source)
    for index, token in enumerate(every):
        if token.kind == "name" and _text(every, index + 1) == "(" and token.text not in (*FUNCTIONS, "in"):
            place = place_of(source, token.start)
            yield Complaint(f"unknown function {token.text!r}", place, suggest(token.text, FUNCTIONS))


def place_of(source: str, offset: int) -> Place:
    """An offset as line and column."""
    before = source[:offset]
    return Place(before.count("\n") + 1, offset - before.rfind("\n"))


def _chains(every: list[Token]) -> Iterator[tuple[int, list[Token]]]:
    """Names joined by dots, each with the index of its first token."""
    for index, token in enumerate(every):
        if token.kind == "name" and _text(every, index - 1) != ".":
            chain, ahead = [token], index + 1
            while _text(every, ahead) == "." and ahead + 1 < len(every) and every[ahead + 1].kind == "name":
                chain.append(every[ahead + 1])
                ahead += 2
            yield index, chain


def _loops_in(every: list[Token]) -> Iterator[tuple[str, range]]:
    """Names that macros bind, the `x` in `.exists(x, …)`, each with the tokens between the parentheses."""
    for index, token in enumerate(every[:-3]):
        if token.text in LOOPS and every[index + 1].text == "(" and every[index + 3].text == ",":
            end, depth = index + 2, 1
            while depth and end < len(every):
                depth += (every[end].text == "(") - (every[end].text == ")")
                end += 1
            yield every[index + 2].text, range(index + 2, end)


def _text(every: list[Token], index: int) -> str:
    return every[index].text if 0 <= index < len(every) else ""
