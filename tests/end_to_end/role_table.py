"""Which role may do what: every operation of the OpenAPI document, tried by each role at the front and, under a signed
identity, at the service that owns it.

`docs/roles.md` is this table, and a test that tries each cell holds it up to what happens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2

from fettle_chassis.signing import SigningKey
from fettle_chassis.tokens import Caller, Role, issue
from fettle_console.domain.routing import Owner, owner_of
from tests.end_to_end.isolation_words import (
    CONTENT_TYPES,
    HARMLESS,
    NOBODYS,
    PREFIX,
    SHARED,
    WITHOUT_TOKEN,
    Known,
    Operation,
    bodies,
    operations,
)
from tests.installation import Installation

ORG = "roles"
INSTALLATION = "installation"
COLUMNS = (*(role.value for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN, Role.INGEST)), INSTALLATION)
PORTS = {
    Owner.TICKETS: "FETTLE_TICKETS_PORT",
    Owner.HEALTH: "FETTLE_HEALTH_PORT",
    Owner.WORKFLOWS: "FETTLE_WORKFLOWS_PORT",
}
KNOWN = Known({**NOBODYS.names, **SHARED})
STRANGERS_KEY = SigningKey("k1", b"a key that is nobody's, 32 bytes")

Table = dict[str, list[str]]
"""By operation the columns that are let in."""


def every(document: Mapping[str, Any]) -> list[Operation]:
    """All operations, those on orgs themselves too; what deletes comes last, the org last of all."""
    beside = [
        Operation(method, path, (), "requestBody" in about)
        for path, methods in document["paths"].items()
        if not path.startswith(f"{PREFIX}/")
        for method, about in methods.items()
    ]
    of_orgs = sorted(beside, key=lambda operation: (operation.method == "delete", str(operation)))
    return [*operations(document), *of_orgs]


class Trying:
    """Asks operations of one installation, whose org `roles` has a token for each role."""

    def __init__(self, installation: Installation, tokens: Mapping[str, str]) -> None:
        self._http, self._tokens = installation.http, tokens
        self._keys = SigningKey.parse_all(installation.environment["FETTLE_SIGNING_KEYS"])
        self._ports = {owner: installation.environment[setting] for owner, setting in PORTS.items()}

    def table(self, asked: list[Operation]) -> Table:
        """At the front."""
        return {
            str(operation): [who for who in COLUMNS if _let_in(operation, self._send(operation, self._tokens[who], ""))]
            for operation in asked
        }

    def faults(self, asked: list[Operation], table: Table) -> Iterator[str]:
        """Where a service by itself lets somebody in whom the front does not, or the other way round, or believes a
        token that is none; and where the front answers somebody without one."""
        for operation in asked:
            if self._send(operation, None, "").status_code != 401:
                yield f"{operation} answers without a token"
            owner = self._owner(operation)
            if owner is None or str(operation) in WITHOUT_TOKEN:
                continue
            address = f"http://127.0.0.1:{self._ports[owner]}"
            for role in Role:
                answer = self._send(operation, self._identity(role), address)
                if _let_in(operation, answer) != (role.value in table[str(operation)]):
                    yield f"{operation}: {owner} by itself answers {role} with {answer.status_code}"
            for name, token in self._forged():
                answer = self._send(operation, token, address)
                if answer.status_code != (404 if name == "another org" else 401):
                    yield f"{operation}: {owner} by itself answers {name} with {answer.status_code}"

    def _identity(self, role: Role, org: str = ORG) -> str:
        return issue(self._keys, Caller(org, role, "token/1", "Somebody"), datetime.now(UTC))

    def _forged(self) -> Iterator[tuple[str, str | None]]:
        admin, now = Caller(ORG, Role.ADMIN, "token/1"), datetime.now(UTC)
        stranger = SigningKey(self._keys[0].id, STRANGERS_KEY.secret)
        yield "no token", None
        yield "an API token", self._tokens["admin"]
        yield "a token of a stranger", issue([stranger], admin, now)
        yield "a token that has ended", issue(self._keys, admin, now - timedelta(minutes=5))
        yield "another org", self._identity(Role.ADMIN, "another")

    def _owner(self, operation: Operation) -> Owner | None:
        return owner_of(operation.path.strip("/")) if not operation.path.startswith("/api/") else None

    def _send(self, operation: Operation, token: str | None, address: str) -> httpx2.Response:
        """The head of the answer; streams do not end."""
        path = operation.path.replace("{org}", ORG)
        for name in operation.in_path:
            path = path.replace(f"{{{name}}}", quote(str(KNOWN.of(operation, name))))
        prefix = "" if path.startswith("/api/") else PREFIX.format(org=ORG)
        query, headers = (_harmless(operation, place) for place in ("query", "header"))
        content = None
        if operation.has_body:
            told = {
                **bodies("roles", KNOWN.names),
                "post /api/v1/orgs": {"org": "made-by-roles"},
                "put /api/v1/orgs/{org}": {"name": "Roles"},
            }[str(operation)]
            content = told if isinstance(told, str) else json.dumps(told)
            headers["content-type"] = CONTENT_TYPES.get(str(operation), "application/json")
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        with self._http.stream(
            operation.method.upper(), f"{address}{prefix}{path}", params=query, headers=headers, content=content
        ) as answer:
            if operation.path != "/events" or answer.status_code != 200:
                answer.read()
        return answer


def _harmless(operation: Operation, at: str) -> dict[str, str]:
    said = {name: HARMLESS.get(name) for name, place, _ in operation.parameters if place == at}
    return {
        name: str(value).lower() if value is True else str(value) for name, value in said.items() if value is not None
    }


def _let_in(operation: Operation, answer: httpx2.Response) -> bool:
    """AssertionError for an answer that leaves open whether the role was looked at."""
    assert answer.status_code < 500, f"{operation}: {answer.status_code} {answer.text[:300]}"
    return answer.status_code not in (401, 403)


def page_of(table: Table) -> str:
    """The table as Markdown."""
    return "\n".join(_lines(table)) + "\n"


def _lines(table: Table) -> Iterator[str]:
    yield "# Roles"
    yield ""
    yield "Which role may ask for which operation of the API. Each cell was tried, at the front and at the service"
    yield "(which checks the role again); the test that tries them writes this page (`FETTLE_ROLES=docs/roles.md`)."
    yield "*Installation* is the installation's own token. A hook asks for its own secret instead."
    yield ""
    yield f"| Operation | {' | '.join(name.capitalize() for name in COLUMNS)} |"
    yield f"|---|{':-:|' * len(COLUMNS)}"
    for operation in sorted(table, key=_order):
        method, _, path = operation.partition(" ")
        cells = ["✓" if who in table[operation] else "" for who in COLUMNS]
        yield f"| `{method.upper()} {path}` | {' | '.join(cells)} |"


def _order(operation: str) -> tuple[str, str]:
    method, _, path = operation.partition(" ")
    return path.removeprefix("/api/v1"), method
