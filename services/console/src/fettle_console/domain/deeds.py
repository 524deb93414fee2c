"""What an operation is called, by the services' own OpenAPI documents: nobody keeps a second list of names."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

_ORG = "/api/v1/orgs/{org}"
_NAME = "[^/]+"


class Deeds:
    """Names of operations on an org, by method and path after the org."""

    def __init__(self, documents: Iterable[Mapping[str, Any]]) -> None:
        self._known: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for document in documents:
            for path, methods in document.get("paths", {}).items():
                if path.startswith(_ORG):
                    self._learn(path.removeprefix(_ORG) or "/", methods)
        for known in self._known.values():
            known.sort(key=lambda one: (".+" in one[0].pattern, _NAME in one[0].pattern))

    def _learn(self, path: str, methods: Mapping[str, Any]) -> None:
        for method, about in methods.items():
            if isinstance(about, Mapping) and about.get("summary"):
                self._known.setdefault(method.upper(), []).append((_pattern(path), about["summary"]))

    def of(self, method: str, path: str) -> tuple[str, str] | None:
        """What it is called and what it is done to: the path up to its last name of a thing. None for what no document
        has. A path that is written out goes before one with a name in it, and that before one whose name may hold `/`.
        """
        for pattern, name in self._known.get(method, ()):
            if found := pattern.fullmatch(path):
                return name, found["thing"]
        return None


def _pattern(path: str) -> re.Pattern[str]:
    parts = [_NAME if part.startswith("{") else re.escape(part) for part in path.strip("/").split("/")]
    if path.startswith("/subjects/") and parts[-1] == _NAME:
        parts[-1] = ".+"
    last = max((place for place, part in enumerate(parts, 1) if part in (_NAME, ".+")), default=len(parts))
    return re.compile(f"/(?P<thing>{'/'.join(parts[:last])}){''.join(f'/{part}' for part in parts[last:])}")
