"""What an `http.request` asks for, from its resolved fields; and what its answer comes to."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from fettle_contracts.causation import DEPTH_HEADER
from fettle_workflow_engine.domain.resolve import InputFailed

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
TIMEOUT_S, LONGEST_TIMEOUT_S = 30.0, 60.0
REDIRECTS = 5
READ_LIMIT = 1_048_576
"""Bytes of an answer that are read, after unpacking."""
KEPT_LIMIT = 48 * 1024
"""Bytes, written as JSON, of a body that later nodes can use: with the headers, less than a node's output may have."""
DEEPEST = 100
HEADER_KEPT_LIMIT = 500
"""Characters."""
TEXT_LIMIT = 64 * 1024
HEADERS_KEPT = ("content-type", "date", "etag", "last-modified", "link", "location", "retry-after", "x-request-id")
"""Of an answer's headers; the rest is the connection's business, or worth a cookie thief's while."""
OWN_HEADERS = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "idempotency-key", "keep-alive", "te",
    "proxy-authorization", "proxy-connection", "trailer", "transfer-encoding", "upgrade", DEPTH_HEADER,
})  # fmt: skip
"""Headers that are the client's to set."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
STATUSES = re.compile(r"([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?")
_CHARSETS = re.compile(
    r"utf-?8|utf-?16(le|be)?|us-ascii|iso-8859-([1-9]|1[0134-6])|windows-125[0-8]|gbk|shift_jis|euc-kr"
)
_WAIT = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request. `expects` are the statuses, from and to, that mean that it went well; `redirects` is how many are
    followed."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    timeout_s: float
    expects: tuple[tuple[int, int], ...] = ((200, 299),)
    redirects: int = REDIRECTS


def http_request(given: Mapping[str, Any]) -> HttpRequest:
    """The request of these fields. Raises InputFailed (`input_invalid`) for one that cannot be sent."""
    method = str(given.get("method") or "GET").upper()
    if method not in METHODS:
        raise _invalid(f"method must be one of {', '.join(METHODS)}")
    headers = [(name.lower(), value) for name, value in _pairs("headers", given.get("headers"))]
    for name, value in headers:
        if not _HEADER_NAME.fullmatch(name) or name in OWN_HEADERS:
            raise _invalid(f"{name[:100]!r} is no header to set")
        if not value.isprintable() or not value.isascii():
            raise _invalid(f"the header {name} must be one line of ASCII text")
    body, kind = _body(given.get("body"))
    if kind and not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", kind))
    query = _pairs("query", given.get("query"))
    statuses = expected(given.get("expects"))
    return HttpRequest(method, _text("url", given.get("url")), query, tuple(headers), body, timeout_of(given), statuses)


def timeout_of(given: Mapping[str, Any]) -> float:
    """Seconds. Raises InputFailed."""
    value = given.get("timeout_s")
    try:
        seconds = TIMEOUT_S if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        seconds = 0.0
    if isinstance(value, bool) or not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise _invalid(f"timeout_s must be a number of seconds up to {LONGEST_TIMEOUT_S:.0f}")
    return seconds


def expected(value: object) -> tuple[tuple[int, int], ...]:
    """Statuses from a number or a text: `200`, `200-299, 404`. Raises InputFailed."""
    found = []
    for part in ("200-299" if value is None else str(value)).split(","):
        match = STATUSES.fullmatch(part.strip())
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise _invalid("expects must be statuses: 200-299, 404")
        found.append((int(match[1]), int(match[2] or match[1])))
    return tuple(found)


def meets(status: int, expects: Sequence[tuple[int, int]]) -> bool:
    return any(least <= status <= most for least, most in expects)


def may_pass(status: int) -> bool:
    """Whether another try may get another status."""
    return status in _WAIT or status >= 500


def read_body(content: bytes, content_type: str, *, whole: bool) -> tuple[Any, bool]:
    """A body for later nodes, and whether something of it is missing: JSON as what it says, anything else as text, as
    much as is kept. JSON that is not whole or larger is null."""
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    if not content:
        return None, not whole
    if kind == "application/json" or kind.endswith("+json"):
        if not whole:
            return None, True
        try:
            value = json.loads(content, parse_constant=_no_number, parse_float=_number)
            if not _deep(value):
                return (None, True) if _written(value) > KEPT_LIMIT else (value, False)
        except (ValueError, RecursionError):
            pass
    text = content.decode(_charset(parameters), "replace")
    kept = text[:KEPT_LIMIT]
    while (size := _written(kept)) > KEPT_LIMIT:
        kept = kept[: min(len(kept) * KEPT_LIMIT // size, len(kept) - 1)]
    return kept, not whole or len(kept) < len(text)


def _charset(parameters: str) -> str:
    """The one that is named, of those that web servers use; others of Python's decoders can fail or take for ever."""
    named = re.search(r"charset=\"?([A-Za-z0-9-]+)", parameters)
    known = named is not None and _CHARSETS.fullmatch(named[1].lower())
    return named[1] if named and known else "utf-8"


def _deep(value: Any) -> bool:
    """Whether lists and objects stand in each other deeper than whoever handles the value may have to follow."""
    level = [value]
    for _ in range(DEEPEST):
        holders = [one for one in level if isinstance(one, dict | list)]
        level = [part for one in holders for part in (one.values() if isinstance(one, dict) else one)]
    return bool(level)


def _written(value: Any) -> int:
    """Bytes of the value as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))


def _body(body: Any) -> tuple[bytes | None, str | None]:
    match body:
        case None:
            return None, None
        case str():
            return _encoded(body), "text/plain; charset=utf-8"
    return _encoded(json.dumps(body, ensure_ascii=False)), "application/json"


def _encoded(text: str) -> bytes:
    data = text.encode(errors="replace")
    if len(data) > READ_LIMIT:
        raise _invalid("body is longer than 1 MiB")
    return data


def _pairs(name: str, value: Any) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, Mapping) or len(value) > 100:
        raise _invalid(f"{name} must be an object of texts, at most 100")
    return tuple((str(key), _text(f"{name}.{key}", part)) for key, part in value.items() if part is not None)


def _text(name: str, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str() | int() | float() if len(text := str(value)) <= TEXT_LIMIT:
            return text
    raise _invalid(f"{name} must be text of at most 64 KiB")


def _number(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise ValueError(text)
    return number


def _no_number(text: str) -> float:
    raise ValueError(text)


def _invalid(message: str) -> InputFailed:
    return InputFailed("input_invalid", f"{message}.")
