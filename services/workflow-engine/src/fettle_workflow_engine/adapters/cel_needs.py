"""Expressions that need a text somewhere: which of many can hold is looked up by what is there.

`event.ticket.kind == "device_offline" && …` does not hold for any other text, whatever else it says: so CEL has it
(langdef.md, "Logical Operators": one side that is false decides, also where the other is an error), and so does the
library. Of fifty workflows that each want a kind of their own, those that want another one need not be asked.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fettle_workflow_engine.adapters.cel_reading import Token, tokens

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Needs:
    """Expressions by what they need. `texts` has for each path the places of those that need a text there, by that
    text; `others` has the places of all the rest."""

    texts: Mapping[Path, Mapping[str, Sequence[int]]]
    others: Sequence[int]

    def met(self, scope: Mapping[str, Any]) -> Sequence[int]:
        """The places, in order, of the expressions that can hold over this scope. Where something else than a text is
        at a path, or nothing, all that need one there: what that means is for the language to say."""
        if not self.texts:
            return self.others
        places = list(self.others)
        for path, by_text in self.texts.items():
            value = _at(scope, path)
            if type(value) is str and (value.isascii() or _is_whole(value)):
                places += by_text.get(value, ())
            else:
                places += (place for some in by_text.values() for place in some)
        return sorted(places)


def needs_of(sources: Iterable[str]) -> Needs:
    texts: dict[Path, dict[str, list[int]]] = {}
    others: list[int] = []
    for place, source in enumerate(sources):
        if (need := need_of(source)) is None:
            others.append(place)
        else:
            path, text = need
            texts.setdefault(path, {}).setdefault(text, []).append(place)
    return Needs(texts, others)


def need_of(source: str) -> tuple[Path, str] | None:
    """A path at which there must be a text for the expression to hold, and the text; None where nothing so plain is
    asked for. `source` is an expression that compiles."""
    return next(filter(None, map(_compared, _conjuncts(tokens(source)))), None)


def _conjuncts(every: Sequence[Token]) -> Iterator[Sequence[Token]]:
    """The parts of an expression between `&&`, if it consists of such parts."""
    depth = begin = 0
    cuts = []
    for index, token in enumerate(every):
        depth += (token.text in ("(", "[", "{")) - (token.text in (")", "]", "}"))
        if depth == 0 and token.text in ("|", "?"):
            return
        if depth == 0 and token.text == "&":
            cuts.append(index)
    for cut in (*cuts[::2], len(every)):
        yield every[begin:cut]
        begin = cut + 2


def _compared(part: Sequence[Token]) -> tuple[Path, str] | None:
    """What `a.b == "text"` compares."""
    if len(part) < 6:
        return None
    *path, first, second, text = part
    names, dots = path[::2], path[1::2]
    plain = (
        all(name.kind == "name" for name in names)
        and all(dot.text == "." for dot in dots)
        and len(names) == len(dots) + 1
        and first.text == second.text == "="
        and _is_plain(text)
    )
    return (tuple(name.text for name in names), text.text[1:-1]) if plain else None


def _is_plain(token: Token) -> bool:
    """Whether the token is a text that means what stands between its quotes."""
    text = token.text
    return token.kind == "text" and text[0] in "\"'" and text[:3] not in ('"""', "'''") and "\\" not in text


def _is_whole(text: str) -> bool:
    """Whether it has no half of a surrogate pair, which is no text for the language."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _at(scope: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(scope, dict):
            return None
        scope = scope.get(name)
    return scope
