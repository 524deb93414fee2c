"""What two orgs say to an API that they share: the same requests, ids and keys, with words of their own in between.

Paths, parameters and methods come from the OpenAPI document. Here stands only what a document cannot know: what to
write into a body, and for each parameter a value that only the other org has and one that nobody has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

SECRET, OWN = "tangerine", "quartz"
"""What stands in all that the one org has, and in all that the other writes."""

PREFIX = "/api/v1/orgs/{org}"
SUBJECT = {"type": "device", "id": "t17"}
WRITES = ("post", "put", "delete")

FLOW = """\
workflow: {name}
title: {word}
enabled: {enabled}
nodes:
  opened: {{trigger: ticket.opened}}
  noted: {{after: [opened], action: ticket.comment, with: {{ticket: {{ref: event.ticket.id}}, text: {word}.}}}}
"""


def flow(name: str, word: str, *, enabled: bool = False) -> str:
    return FLOW.format(name=name, word=word, enabled=str(enabled).lower())


def channel(word: str) -> dict[str, Any]:
    settings = {"host": "127.0.0.1", "from": f"{word}@nowhere.invalid", "to": [f"{word}@nowhere.invalid"]}
    return {"kind": "email", "settings": settings}


def bodies(word: str, at: Mapping[str, Any]) -> dict[str, Any]:
    """What an org with this word writes, by operation; `at` has what the request names: ticket, name, version …"""
    subject = {**SUBJECT, "name": word}
    return {
        "post /tickets": {"title": word, "subject": subject, "dedup_key": at["key"], "description": word},
        "post /tickets/bulk": {"action": "comment", "numbers": [at["number"]], "comment": word},
        "post /tickets/verify": {"seen": [{"ticket": at["ticket"], "version": 1, "hash": at["hash"]}]},
        "post /tickets/{number}/comments": {"comment": word},
        "put /tickets/{number}/description": {"description": word},
        "put /tickets/{number}/links": {"links": [{"label": word, "url": "https://orders.test/7"}]},
        **{f"post /tickets/{{number}}/{move}": {"comment": word} for move in ("start", "move-to-open")},
        **{f"post /tickets/{{number}}/{move}": {"comment": word} for move in ("resolve", "reopen")},
        "put /ticket-policy": {"link_patterns": [{"pattern": word, "url": "https://orders.test/{0}"}]},
        "put /health-policy": {"enabled": True, "timeout_s": 86_400, "default_interval_s": 60},
        "put /subjects/{type}/{id}": {"name": word, "integration": "hue-1", "space": "oslo/hq"},
        "post /subjects/import": f"type,id,name\ndevice,t18,{word}\n",
        "post /silences": {"subject": "device/t17", "length_s": 3600, "reason": word},
        "post /heartbeats": json.dumps({**SUBJECT, "name": word, "status": "ok"}) + "\n",
        "post /tokens": {"role": "viewer", "name": word},
        "put /members": {"person": f"{word}@nowhere.invalid", "role": "viewer"},
        "post /channels": {"name": "shared-channel", **channel(word)},
        "put /channels/{name}": channel(word),
        "post /channels/{name}/test": {"to": [f"{word}@nowhere.invalid"]},
        "put /secrets/{name}": {"value": f"{word} and more"},
        "post /workflows": flow("shared-flow", word),
        "put /workflows/{name}": flow(str(at["name"]), word),
        "post /runs/{run_id}/rerun": {"version": 1},
        "post /workflows/{name}/runs": {"data": {"word": word}},
        "post /workflows/{name}/test-runs": {"trigger": "ticket.opened", "ticket": at["number"]},
        "post /workflows/{name}/preview": {"days": 1},
        "post /workflows/{name}/hook": {"word": word},
        "post /workflows/{name}/hook/secrets": {"old_holds_s": 60},
        "put /workflow-policy": {"enabled": True},
    }


CONTENT_TYPES = {
    "post /subjects/import": "text/csv",
    "post /heartbeats": "application/x-ndjson",
    "post /workflows": "application/yaml",
    "put /workflows/{name}": "application/yaml",
}

WITHOUT_TOKEN = {"post /workflows/{name}/hook": 401}
"""What asks for something else than a token, and the status for whoever does not have it: of all orgs, there or not."""


@dataclass
class Known:
    """What can be named of an org: its ids, by the parameter that takes them (`silences/{id}` where one name has
    several meanings)."""

    names: dict[str, Any]
    cursors: dict[str, str] = field(default_factory=dict)
    """By operation."""

    def of(self, operation: Operation, parameter: str) -> Any:
        collection = operation.path.strip("/").split("/")[0]
        for name in (f"{collection}/{parameter}", parameter):
            if name in self.names:
                return self.names[name]
        raise AssertionError(f"{operation}: what is {parameter!r}? Say so in isolation_words.py")


NOBODYS = Known(
    {
        "number": 999_999,
        "type": "device",
        "subjects/id": "nothing-17",
        "silences/id": str(uuid4()),
        "secrets/name": "nothing_secret",
        "channels/name": "nothing-channel",
        "tokens/id": str(uuid4()),
        "run_id": str(uuid4()),
        "run": str(uuid4()),
        "workflow": "nothing-flow",
        "secret_id": str(uuid4()),
        "selection": str(uuid4()),
        "topic": "fettle.ticket.commands",
        "offset": 999_999,
        "name": "nothing-flow",
        "version": 1,
        "kind": "nothing_kind",
        "subject": "device/nothing-17",
        "integration": "nothing-1",
        "space": "nothing/hq",
        "q": "nothing at all",
        "source": "platform_outage",
        "last-event-id": "0-0",
        "key": "nothing-key",
        "ticket": str(uuid4()),
        "hash": "k1:nothing",
        "event": str(uuid4()),
        "actor": "nobody",
        "thing": "tickets/999999",
    }
)
SHARED = {"number": 1, "version": 1, "type": "device", "subjects/id": "t17", "name": "shared-flow", "key": "shared-key",
          "secrets/name": "shared_secret", "channels/name": "shared-channel"}  # fmt: skip
HARMLESS = {
    **dict.fromkeys(("org", "traceparent", "fettle-causation-depth", "idempotency-key", "cursor")),
    "state": None,
    "sort": None,
    "limit": 200,
    "dry_run": None,
    "together": True,
    "day": True,
    "format": None,
    "timeline": True,
    "type": None,
    "at": None,
    "since": None,
    "until": None,
    "outcome": None,
    "partition": 0,
    "documents": True,
    "heard": True,
    "from_version": None,
    "if-match": "*",
    "fettle-hook-secret": "whsec_nobodys",
}
"""Parameters that name nothing of an org, and what to send; None: nothing. A path's own parameters are always sent."""


@dataclass(frozen=True)
class Operation:
    """One operation of the document, its path after the org's."""

    method: str
    path: str
    parameters: tuple[tuple[str, str, bool], ...]
    """Name, place (`path`, `query`, `header`), whether it must be there."""
    has_body: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def in_path(self) -> list[str]:
        return [name for name, place, _ in self.parameters if place == "path" and name != "org"]

    @property
    def naming(self) -> list[str]:
        """Parameters beside the path that name something. One that this page does not know is asked for."""
        beside = [name for name, place, _ in self.parameters if place != "path"]
        return [name for name in beside if name not in HARMLESS]


def operations(document: Mapping[str, Any]) -> Iterator[Operation]:
    """Every operation on one org; those that delete come last."""
    found = [
        Operation(
            method,
            path.removeprefix(PREFIX),
            tuple((one["name"], one["in"], one.get("required", False)) for one in about.get("parameters", [])),
            "requestBody" in about,
        )
        for path, methods in document["paths"].items()
        if path.startswith(f"{PREFIX}/")
        for method, about in methods.items()
    ]
    order = {"post /tickets": 0, "put /health-policy": 1, "put /subjects/{type}/{id}": 2}
    moves = ("start", "move-to-open", "resolve", "reopen")

    def key(operation: Operation) -> tuple[int, int, str]:
        last = operation.path.rsplit("/", 1)[-1]
        turn = ("post", "put", "get", "delete").index(operation.method)
        return order.get(str(operation), 3 + turn), moves.index(last) if last in moves else -1, str(operation)

    return iter(sorted(found, key=key))
