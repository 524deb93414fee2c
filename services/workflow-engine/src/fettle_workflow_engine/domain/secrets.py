"""An org's secrets in documents and calls: named in templates, filled in at the last moment, gone from what is kept.

A template's `{{ secrets.token }}` becomes the name between two marks, and so it stands in the call that waits. The
marks are characters that Unicode keeps free for such use; data from outside loses them, so that none can name a secret.
"""

import base64
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from fettle_workflow_engine.domain.run import Failure

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,49}")
NAME_RULE = "a secret's name is 1 to 50 letters, digits and _, and begins with a letter"
SHORTEST, LONGEST = 8, 8_192
"""Characters of a value. Shorter ones could not be told from ordinary text in what others answer."""

SCOPE = "secrets"
"""How templates name them all."""
HIDDEN = "[secret]"

_OPEN, _CLOSE, _CUT = "\ufdd0", "\ufdd1", "\ufdd2"
_MARKED = re.compile(f"{_OPEN}([A-Za-z0-9_]+){_CLOSE}")
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")


_BEGINNING = 4
"""Characters of a secret that stand before a cut and are taken for it; fewer say nothing."""


class SecretText(str):
    """The place of a secret in a text."""

    __slots__ = ()


class SecretNames(dict[str, SecretText]):
    """What `secrets` is in a template: any name is there; whether the org has it shows when the call is made."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and NAME.fullmatch(name) is not None

    def __missing__(self, name: str) -> SecretText:
        return SecretText(f"{_OPEN}{name}{_CLOSE}")


def unmarked(value: Any) -> Any:
    """Data from outside, without the marks."""
    return _texts(value, lambda text: _MARKS.sub("", text))


def legible(value: Any) -> Any:
    """How a call's fields are shown: secrets as the document names them."""
    return _texts(value, lambda text: _MARKED.sub(r"{{ secrets.\1 }}", text))


def named(value: Any) -> frozenset[str]:
    """The secrets that a call's fields name."""
    return frozenset(name for text in _all_texts(value) for name in _MARKED.findall(text))


def secret_missing(names: Iterable[str]) -> Failure:
    """Why a call is not made that names secrets which the org does not have."""
    return Failure("secret_missing", f"The org has no secret {', '.join(sorted(names))}.")


def filled(value: Any, secrets: Mapping[str, str]) -> Any:
    """A call's fields with the secrets in their places. Raises KeyError for one that is not there."""
    return _texts(value, lambda text: _MARKED.sub(lambda found: secrets[found[1]], text))


def shortened(text: str, limit: int) -> str:
    """At most so many characters of what comes back, and a mark where it was cut, which goes when secrets are taken out
    of it."""
    return text if len(text) <= limit else cut(text[:limit])


def cut(text: str) -> str:
    """What comes back, with the mark that it was cut at its end."""
    return text + _CUT


class Redaction:
    """Takes secrets out of what comes back: as they are, in the spellings in which others repeat them, and of one that
    was cut its beginning."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {spelling for secret in secrets for part in _parts(secret) for spelling in _spellings(part)}
        longest_first = sorted(spellings, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if spellings else None
        self._folded = [spelling.casefold() for spelling in longest_first]
        heads = {re.escape(spelling[:_BEGINNING]) for spelling in spellings}
        self._heads = re.compile(f"(?=(?:{'|'.join(sorted(heads))}))", re.IGNORECASE)

    def __call__(self, value: Any) -> Any:
        """The value without them, keys of objects and numbers included; also without what no database of ours can
        keep."""
        return _texts(value, self._text, self._number)

    def _text(self, text: str) -> str:
        text = text.replace("\x00", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if self._pattern is None:
            return text.replace(_CUT, "")
        *pieces, last = text.split(_CUT)
        return self._pattern.sub(HIDDEN, "".join([*map(self._without_beginning, pieces), last]))

    def _without_beginning(self, text: str) -> str:
        """The text without a secret that begins in it and does not end."""
        longest = len(self._folded[0])
        for found in self._heads.finditer(text, max(0, len(text) - longest)):
            rest = text[found.start() :].casefold()
            if any(spelling.startswith(rest) for spelling in self._folded):
                return text[: found.start()] + HIDDEN
        return text

    def _number(self, number: float) -> Any:
        return HIDDEN if self._pattern and self._pattern.search(str(number)) else number


def _parts(secret: str) -> Iterator[str]:
    """The secret, and what servers repeat of it alone: of an address what follows the host, and its long words; of a
    header with its scheme (`Bearer …`) what follows that; of `user:password` in base64, as in a Basic header, both in
    the open, and the password."""
    yield secret
    words = secret.split(" ")
    credential = words[1] if len(words) == 2 else secret
    login = _login(credential)
    yield from (part for part in (credential, login, login.partition(":")[2]) if len(part) >= SHORTEST)
    _, scheme, rest = secret.partition("://")
    if scheme:
        target = rest.partition("/")[2]
        yield from (part for part in (target, f"/{target}") if len(part) >= SHORTEST)
        yield from (word for word in re.split(r"[/?&=@:]", rest) if len(word) >= 2 * SHORTEST)


def _login(encoded: str) -> str:
    """What a Basic header says, if this is what stands in one (RFC 7617); else nothing."""
    try:
        login = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode()
    except ValueError:
        return ""
    return login if ":" in login and login.isprintable() else ""


def _spellings(secret: str) -> Iterator[str]:
    data = secret.encode()
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), data.hex())
    written = json.dumps(secret)[1:-1]
    yield from (written, json.dumps(secret, ensure_ascii=False)[1:-1], written.replace("/", r"\/"))
    yield re.sub("[&<>]", _by_number, written)
    yield re.sub("[&<>'+`]", _by_number, written.replace(r"\"", r"\u0022"))
    yield from (html.escape(secret, quote=False), html.escape(secret))
    yield html.escape(secret).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")
    # What stands in an address that stands in another, or in JSON that is a text of JSON.
    yield from (quote(quote(secret, safe=""), safe=""), json.dumps(written)[1:-1])
    if len(run_together := " ".join(secret.split())) >= SHORTEST:
        yield run_together
    yield repr(secret)[1:-1]
    for before in range(3):
        # Inside a longer text, base64 differs by where the secret begins, and its first and last signs mix with the
        # neighbours': only what is the secret's alone can be looked for.
        encoded = base64.b64encode(b"\x00" * before + data).decode().rstrip("=")
        surely = encoded[(0, 2, 3)[before] : (len(data) + before) * 8 // 6]
        yield from (surely, surely.replace("+", "-").replace("/", "_"), quote(surely, safe=""), quote(surely))
        yield from (surely.replace("/", r"\/"), re.sub("[+]", _by_number, surely))


def _by_number(sign: re.Match[str]) -> str:
    r"""As some write what is no letter in JSON: `\u0026`."""
    return f"\\u{ord(sign[0]):04x}"


def _texts(value: Any, change: Callable[[str], str], number: Callable[[float], Any] | None = None) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            return {change(name): _texts(part, change, number) for name, part in value.items()}
        case list() | tuple():
            return [_texts(item, change, number) for item in value]
        case int() | float() if number is not None and not isinstance(value, bool):
            return number(value)
    return value


def _all_texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, part in value.items():
                yield name
                yield from _all_texts(part)
        case list() | tuple():
            for item in value:
                yield from _all_texts(item)
