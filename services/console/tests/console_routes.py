"""Every address of the console's pages, read from the app itself, so that a new page is tried without a word."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

from fastapi.routing import APIRoute

from fettle_console.console import Console
from fettle_console.domain.origins import SAFE_METHODS
from fettle_console.entrypoints.pages.app import pages_app
from fettle_console.settings import ConsoleSettings

NOWHERE = {
    "FETTLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "FETTLE_SIGNING_KEYS": "k1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
}


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of each, with its parameters in braces."""
    console = cast(Console, SimpleNamespace(settings=ConsoleSettings.load(NOWHERE)))
    for route in _all(pages_app(console).router):
        for method in sorted(route.methods or ()):
            yield method, route.path


def _all(router: Any) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from _all(route.original_router)


def writes() -> list[tuple[str, str]]:
    return [(method, path) for method, path in routes() if method not in SAFE_METHODS]


def reads() -> list[str]:
    return [path for method, path in routes() if method == "GET"]


def filled(path: str, **names: object) -> str:
    """The path with its parameters; `1` for each that is not named."""
    parts = []
    for part in path.split("/"):
        name = part.strip("{}").partition(":")[0]
        parts.append(str(names.get(name, 1)) if part.startswith("{") else part)
    return "/".join(parts)
