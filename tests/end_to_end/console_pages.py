"""Every address of the console's pages, read from the app itself, so that a new page is probed without a word.

Here stands only what the app cannot know: what to write into a form, and what the names in paths stand for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from inspect import signature
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote, quote_plus
from uuid import uuid4

import httpx2
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from fettle_console.console import Console
from fettle_console.domain.origins import SAFE_METHODS
from fettle_console.entrypoints.pages.app import pages_app
from fettle_console.settings import ConsoleSettings
from tests.end_to_end.isolation_words import Known, flow

NOWHERE = {
    "FETTLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "FETTLE_SIGNING_KEYS": "k1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
}
LIVE = "/orgs/{org}/live"
"""It does not end, and is followed apart."""

ACTS = {"act": "rerun"}
"""What stands in a path and names nothing."""

EVIL = "https://evil.example/"
NAMING = {"q", "subject", "integration", "space", "kind", "workflow", "run", "event"}
"""Parameters of pages that can name something of an org."""

_DRAWN = (
    re.compile(r"There is no such [^.]*\."),
    re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
    re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:[\d.]+)?(Z|\+00:00| UTC)?"),
    re.compile(r"\b\d\d:\d\d(:\d\d)?\b"),
    re.compile(r"\b(now|\d+ (s|min|h|d))\b( ago)?"),
    re.compile(r'name="shown" value="[0-9a-f]*"'),
    re.compile(r"whsec_[\w+/=-]+"),
    re.compile(r'data-live="(yes|no)"|(not )?live</span>'),
)


@dataclass(frozen=True)
class Page:
    """One address and method. `fields` are those of its form, `asks` the parameters that it declares; one that
    reads the request itself may take any."""

    method: str
    path: str
    fields: tuple[str, ...]
    asks: tuple[str, ...]
    reads_the_request: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_of_an_org(self) -> bool:
        return self.path.startswith("/orgs/{org}/")

    @property
    def names(self) -> list[str]:
        return [name for name in re.findall(r"\{(\w+)", self.path) if name != "org" and name not in ACTS]

    @property
    def naming(self) -> list[str]:
        """Parameters beside the path that may name something."""
        if self.method != "GET":
            return []
        return sorted(NAMING if self.reads_the_request and not self.names else NAMING.intersection(self.asks))

    def named(self, known: Known) -> dict[str, Any]:
        """What its path names, by parameter."""
        return {name: known.names[_meaning(self.path, name)] for name in self.names}

    def address(self, org: str, known: Known) -> str:
        """The path in `org`, with what `known` calls the things that it names."""
        meant = {"org": org, **ACTS, **self.named(known)}
        return re.sub(r"\{(\w+)(:path)?\}", lambda found: quote(str(meant[found[1]]), safe="/"), self.path)

    def form(self, known: Known, word: str) -> dict[str, str]:
        """Its fields filled in. AssertionError for one that this page does not know."""
        said = forms(known, word)
        missing = [name for name in self.fields if name not in said]
        assert not missing, f"{self}: what does one write into {missing}? Say so in console_pages.py"
        return {name: said[name] for name in self.fields}


def pages() -> list[Page]:
    console = cast(Console, SimpleNamespace(settings=ConsoleSettings.load(NOWHERE)))
    routes = _routes(pages_app(console, dict).router)
    return [
        Page(
            method,
            route.path,
            tuple(_fields(route.dependant, "body_params")),
            tuple(_fields(route.dependant, "query_params")),
            "request" in signature(route.endpoint).parameters,
        )
        for route in routes
        for method in sorted(route.methods or ())
    ]


def reading() -> list[Page]:
    return [page for page in pages() if page.method == "GET" and page.is_of_an_org and page.path != LIVE]


def writing() -> list[Page]:
    return [page for page in pages() if page.method not in SAFE_METHODS]


def forms(known: Known, word: str) -> dict[str, str]:
    """What people write, by the name of the field."""
    return {
        "command_id": str(uuid4()),
        "title": word,
        "subject_type": "device",
        "subject_id": str(known.names["subjects/id"]),
        "space": "oslo/hq",
        "description": word,
        "action": "comment",
        "number": str(known.names["number"]),
        "comment": word,
        "edit": "links",
        "version": "1",
        "label": word,
        "url": "https://orders.test/7",
        "subject": str(known.names["subject"]),
        "length_s": "3600",
        "reason": word,
        "scope": "subject",
        "silence": str(known.names["silences/id"]),
        "next": EVIL,
        "text": word,
        "enabled": "true",
        "document": flow(str(known.names["name"]), word),
        "base": "1",
        "token": "ftl_nobodys",
        "name": word,
        "zone": "",
        "confirm": "another-org",
        "person": f"{word}@nowhere.invalid",
        "ticket": "",
        "more": "",
        "old_holds_s": "60",
        "value": word,
        "role": "king",
        "days": "0",
        "kind": "pigeon",  # made of nothing: what is made would stand on the page
    }


def plain(answer: httpx2.Response, sent: Mapping[str, Any]) -> tuple[int, str]:
    """Status and page without times, drawn ids, and what the request itself named. A page may ask for several things
    that are not there; which of them it says so of is chance."""
    text = answer.text
    named = {str(value) for value in sent.values()}
    for word in sorted({*named, *(each.rpartition("/")[2] for each in named)}, key=len, reverse=True):
        if len(word) > 3 and not word.isdigit():
            for written in (word, quote(word), quote(word, safe=""), quote_plus(word)):
                text = text.replace(written, "~")
    for pattern in _DRAWN:
        text = pattern.sub("~", text)
    return answer.status_code, re.sub(r"\d+", "N", text)


class Acting(HTMLParser):
    """What of a page acts, or is laid out, without being a file of ours."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        inline = tag == "script" and not (dict(attrs).get("src") or "").startswith("/static/")
        if inline or tag in ("style", "base", "iframe"):
            self.found.append(tag)
        for name, value in attrs:
            if name.startswith("on") or name == "style" or (value or "").strip().lower().startswith("javascript:"):
                self.found.append(f"{tag} {name}")


def _meaning(path: str, name: str) -> str:
    """What `Known` calls a name in a path."""
    collection = path.split("/")[3]
    return {
        ("health", "id"): "subjects/id",
        ("runs", "id"): "run_id",
        ("channels", "name"): "channels/name",
        ("tokens", "id"): "tokens/id",
    }.get((collection, name), name)


def _routes(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from _routes(route.original_router)


def _fields(dependant: Dependant, kind: str) -> Iterator[str]:
    yield from (field.alias for field in getattr(dependant, kind))
    for each in dependant.dependencies:
        yield from _fields(each, kind)
