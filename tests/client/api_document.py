"""The OpenAPI document of the whole public API, from the services as they are wired; nothing is started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fettle_chassis.http import HttpServer
from fettle_chassis.service import Service
from fettle_console.app import build_app as build_console
from fettle_console.domain.openapi import merged
from fettle_console.entrypoints.documented import REFUSED_BY_THE_FRONT, UNHEARD_BY_THE_FRONT
from fettle_console.settings import ConsoleSettings
from fettle_contracts.causation import DEPTH_HEADER
from fettle_health_monitor.correlator_app import build_app as build_correlator
from fettle_health_monitor.settings import HealthSettings
from fettle_ticket_service.app import build_app as build_tickets
from fettle_ticket_service.settings import TicketSettings
from fettle_workflow_engine.app import build_app as build_workflows
from fettle_workflow_engine.settings import WorkflowSettings

NOWHERE = {
    "FETTLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    "FETTLE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9",
    "FETTLE_SIGNING_KEYS": "k1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
}
ORG = "/api/v1/orgs/{org}"
BEHIND_PROGRAMS = frozenset({"traceparent", DEPTH_HEADER})
"""Headers that whoever traces a program adds to all that it sends, and workflows to their calls."""

Schema = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Operation:
    """One operation of the document. `query` and `body` are schemas by name; a body that is no JSON object has none."""

    method: str
    path: str
    query: Mapping[str, Schema]
    headers: frozenset[str]
    body: Mapping[str, Schema]
    answers: tuple[Schema, ...]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path.removeprefix('/api/v1')}"


def document() -> dict[str, Any]:
    """As `/api/openapi.json` serves it."""
    services = {
        "console": build_console(ConsoleSettings.load(NOWHERE)),
        "tickets": build_tickets(TicketSettings.load(NOWHERE)),
        "health": build_correlator(HealthSettings.load(NOWHERE)),
        "workflows": build_workflows(WorkflowSettings.load(NOWHERE)),
    }
    documents = {owner: _own(service) for owner, service in services.items()}
    return merged({}, documents, REFUSED_BY_THE_FRONT, UNHEARD_BY_THE_FRONT)


def operations(document: Schema) -> Iterator[Operation]:
    """Every operation, references resolved one level deep."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            parameters = described.get("parameters", [])
            yield Operation(
                method.upper(),
                path,
                {one["name"]: one["schema"] for one in parameters if one["in"] == "query"},
                frozenset(one["name"].lower() for one in parameters if one["in"] == "header") - BEHIND_PROGRAMS,
                _fields(document, described.get("requestBody", {})),
                tuple(_schemas(document, described["responses"])),
            )


def resolved(document: Schema, schema: Schema) -> Schema:
    """The schema itself, without references and without null."""
    if "anyOf" in schema:
        choices = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return resolved(document, choices[0]) if len(choices) == 1 else schema
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/components/schemas/")
        return resolved(document, document["components"]["schemas"][name])
    return schema


def _own(service: Service) -> dict[str, Any]:
    server = next(part for part in service._parts if isinstance(part, HttpServer))
    return server._app.openapi()


def _fields(document: Schema, body: Schema) -> dict[str, Schema]:
    described = body.get("content", {}).get("application/json", {}).get("schema", {})
    return dict(resolved(document, described).get("properties", {}))


def _schemas(document: Schema, responses: Schema) -> Iterator[Schema]:
    """What good answers look like; a choice is several."""
    for status, response in responses.items():
        if status.startswith("2"):
            schema = response.get("content", {}).get("application/json", {}).get("schema", {})
            for one in schema.get("anyOf", [schema]):
                if "properties" in (found := resolved(document, one)):
                    yield found
