"""Services that the console can be tried against: the ticket API in memory, and one that says what it was asked."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

from console_workflows_fake import Instead, Workflows
from fastapi import Body, FastAPI, Header, Query, Request
from fastapi.responses import Response, StreamingResponse

from fettle_chassis.http import Admin, HttpServer, Operator, Problem, Viewer, http_app
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.hooks import NO_SUCH_HOOK

MONITOR = {"type": "health_monitor"}


class Tickets:
    """Tickets of several orgs, and the rules that pages meet."""

    def __init__(self) -> None:
        self.tickets: dict[tuple[str, int], dict[str, Any]] = {}
        self.timelines: dict[tuple[str, int], list[dict[str, Any]]] = {}
        self.policy: dict[str, Any] = {"report_issue_enabled": True, "version": 0}
        self.answered: dict[str, dict[str, Any]] = {}
        self.read: list[tuple[str, str, int]] = []
        """What of timelines was asked for: type, order and limit of each page."""

    def open(
        self, org: str, title: str, *, actor: dict[str, Any] = MONITOR, ago_s: float = 0, **more: Any
    ) -> dict[str, Any]:
        number = 1 + sum(1 for of, _ in self.tickets if of == org)
        at = _text(datetime.now(UTC) - timedelta(seconds=ago_s))
        source = "health_monitor" if actor["type"] == "health_monitor" else "user"
        ticket = {
            "id": str(uuid4()),
            "number": number,
            "title": title,
            "description": "",
            "description_version": 1,
            "state": "open",
            "source": source,
            "kind": "device_offline" if source == "health_monitor" else "user_report",
            "subject": {"type": "device", "id": f"d{number}"},
            "opened_at": at,
            "opened_by": actor,
            "updated_at": at,
            "version": 0,
            **more,
        }
        self.tickets[org, number], self.timelines[org, number] = ticket, []
        evidence = {"last_heard": _text(datetime.now(UTC) - timedelta(seconds=ago_s + 90)), "deadline": at}
        self.entry(org, number, "opened", actor, evidence=evidence if source == "health_monitor" else None)
        return ticket

    def entry(self, org: str, number: int, kind: str, actor: dict[str, Any], **more: Any) -> dict[str, Any]:
        ticket, timeline = self.tickets[org, number], self.timelines[org, number]
        ticket["version"] += 1
        ticket["updated_at"] = _text(datetime.now(UTC))
        entry = {
            "id": str(uuid4()),
            "type": kind,
            "version": ticket["version"],
            "at": ticket["updated_at"] if ticket["version"] > 1 else ticket["opened_at"],
            "actor": actor,
            **more,
        }
        timeline.append(entry)
        return {"org": org, "entry": entry, "ticket": dict(ticket)}

    def move(self, org: str, number: int, state: str, kind: str, actor: dict[str, Any]) -> dict[str, Any]:
        self.tickets[org, number]["state"] = state
        return self.entry(org, number, kind, actor)

    def forget(self) -> None:
        self.tickets.clear()
        self.timelines.clear()
        self.answered.clear()
        self.read.clear()
        self.policy = {"report_issue_enabled": True, "version": 0}

    def counts(self, org: str) -> dict[str, int]:
        states = [ticket["state"] for (of, _), ticket in self.tickets.items() if of == org]
        return {state: states.count(state) for state in ("open", "in_progress", "resolved")}


RUN = {
    "id": "0198c0de-0000-7000-8000-000000000001",
    "workflow": "alert-when-a-device-goes-offline",
    "version": 3,
    "state": "done",
    "trigger": "ticket.opened",
    "started_at": "2026-11-23T10:15:30.250Z",
    "error": None,
}
RUN_NODES = [
    {"node": "opened", "input": None, "output": None, "error": None},
    {
        "node": "told",
        "input": {"channel": "ops", "text": "It is down."},
        "output": {"outcome": "sent", "channel": "ops", "refused": []},
        "error": None,
    },
]

MOVES = {
    "start": (("open",), "in_progress", "started"),
    "move-to-open": (("in_progress",), "open", "moved-to-open"),
    "resolve": (("open", "in_progress"), "resolved", "resolved"),
    "reopen": (("resolved",), "open", "reopened"),
}


def ticket_service(settings: ServiceSettings, tickets: Tickets) -> Service:
    service = Service("fake-tickets")
    app = http_app(service, settings, title="Fake tickets")

    @app.get("/api/v1/orgs/{org}/tickets")
    async def listed(
        org: str,
        caller: Viewer,
        state: str = "open",
        kind: str = "",
        q: str = "",
        sort: str = "-opened",
        cursor: int = 0,
        limit: int = 50,
    ) -> dict[str, Any]:
        fitting = [
            {**ticket, "latest_entry": tickets.timelines[of, number][-1]}
            for (of, number), ticket in tickets.tickets.items()
            if of == org
            and state in ("all", ticket["state"])
            and kind in ("", ticket["kind"])
            and q.lower() in ticket["title"].lower()
        ]
        fitting.sort(key=lambda ticket: (ticket["opened_at"], ticket["number"]), reverse=sort.startswith("-"))
        more = len(fitting) > cursor + limit
        return {"items": fitting[cursor : cursor + limit], "next_cursor": str(cursor + limit) if more else None}

    @app.get("/api/v1/orgs/{org}/tickets/count")
    async def count(org: str, caller: Viewer) -> dict[str, int]:
        return tickets.counts(org)

    @app.get("/api/v1/orgs/{org}/ticket-policy")
    async def policy(org: str, caller: Viewer) -> dict[str, Any]:
        return tickets.policy

    @app.put("/api/v1/orgs/{org}/ticket-policy")
    async def set_policy(
        org: str, caller: Admin, body: Annotated[dict[str, Any], Body()], if_match: Annotated[str, Header()]
    ) -> dict[str, Any]:
        version = tickets.policy["version"]
        if if_match != f'"{version}"':
            raise Problem(412, "stale", f"The policy is at version {version}.")
        if body["retention_days"] > 365:
            raise Problem(400, "malformed", "must be at most 365", field="retention_days")
        tickets.policy = {**body, "version": version + 1}
        return tickets.policy

    @app.get("/api/v1/orgs/{org}/tickets/{number}")
    async def one(org: str, number: int, caller: Viewer) -> dict[str, Any]:
        return _found(tickets, org, number)

    @app.get("/api/v1/orgs/{org}/tickets/{number}/timeline")
    async def timeline(
        org: str, number: int, caller: Viewer, type: str = "", sort: str = "version", cursor: int = 0, limit: int = 50
    ) -> dict[str, Any]:
        _found(tickets, org, number)
        tickets.read.append((type, sort, limit))
        entries = [entry for entry in tickets.timelines[org, number] if type in ("", entry["type"])]
        entries = entries[::-1] if sort == "-version" else entries
        more = len(entries) > cursor + limit
        return {"items": entries[cursor : cursor + limit], "next_cursor": str(cursor + limit) if more else None}

    @app.get("/api/v1/orgs/{org}/tickets/{number}/checklist")
    async def checklist(org: str, number: int, caller: Viewer, cursor: int = 0, limit: int = 50) -> dict[str, Any]:
        found = _found(tickets, org, number).get("checklist", {"total": 0, "recovered": 0, "items": []})
        more = len(found["items"]) > cursor + limit
        members = found["items"][cursor : cursor + limit]
        return {**found, "items": members, "next_cursor": str(cursor + limit) if more else None}

    @app.post("/api/v1/orgs/{org}/tickets", status_code=201)
    async def opened(org: str, caller: Operator, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        if not body.get("title"):
            raise Problem(400, "title_empty", "A ticket needs a title.", field="title")
        return tickets.open(org, actor=_actor(caller), **body)

    @app.post("/api/v1/orgs/{org}/tickets/bulk")
    async def bulk(
        org: str, caller: Operator, body: Annotated[dict[str, Any], Body()], idempotency_key: Annotated[str, Header()]
    ) -> dict[str, Any]:
        items = []
        for number in body["numbers"]:
            verb = "comments" if body["action"] == "comment" else body["action"]
            said = {"comment": body.get("comment")}
            try:
                await deed(org, number, verb, caller, said, f"{idempotency_key}/{number}")
                items.append({"number": number, "outcome": "applied", "status": 200})
            except Problem as problem:
                refusal = {"code": problem.code, "detail": problem.message}
                items.append({"number": number, "outcome": "rejected", "status": problem.status, **refusal})
        return {"items": items}

    @app.post("/api/v1/orgs/{org}/tickets/{number}/{verb}")
    async def deed(
        org: str,
        number: int,
        verb: str,
        caller: Operator,
        body: Annotated[dict[str, Any], Body()],
        idempotency_key: Annotated[str, Header()] = "",
    ) -> dict[str, Any]:
        ticket = _found(tickets, org, number)
        if idempotency_key in tickets.answered:
            return tickets.answered[idempotency_key]
        if verb != "comments":
            states, state, kind = MOVES[verb]
            if ticket["state"] not in states:
                raise Problem(409, "wrong_state", f"The ticket is {ticket['state']}; this needs {' or '.join(states)}.")
            tickets.move(org, number, state, kind, _actor(caller))
        if body.get("comment"):
            tickets.entry(org, number, "comment-added", _actor(caller), body=body["comment"])
        tickets.answered[idempotency_key] = dict(ticket)
        return ticket

    @app.put("/api/v1/orgs/{org}/tickets/{number}/description")
    async def describe(
        org: str,
        number: int,
        caller: Operator,
        body: Annotated[dict[str, Any], Body()],
        if_match: Annotated[str, Header()],
    ) -> dict[str, Any]:
        ticket = _found(tickets, org, number)
        if if_match != f'"{ticket["description_version"]}"':
            raise Problem(
                412, "description_changed", "The description has changed since.", description=ticket["description"]
            )
        ticket["description"], ticket["description_version"] = body["description"], ticket["description_version"] + 1
        tickets.entry(org, number, "description-edited", _actor(caller))
        return ticket

    @app.put("/api/v1/orgs/{org}/tickets/{number}/links")
    async def link(
        org: str,
        number: int,
        caller: Operator,
        body: Annotated[dict[str, Any], Body()],
        if_match: Annotated[str, Header()],
    ) -> dict[str, Any]:
        ticket = _found(tickets, org, number)
        if if_match != f'"{ticket["description_version"]}"':
            raise Problem(412, "description_changed", "The links have changed since.")
        if not all(link["url"].startswith("https://") for link in body["links"]):
            raise Problem(400, "link_invalid", "A link has an http or https address.", field="links")
        ticket["links"], ticket["description_version"] = body["links"], ticket["description_version"] + 1
        difference = "\n".join(f"+{link['label']} {link['url']}" for link in body["links"])
        tickets.entry(org, number, "links-edited", _actor(caller), body=difference)
        return ticket

    service.add(HttpServer(app, "127.0.0.1", settings.tickets_port))
    return service


def echo_service(settings: ServiceSettings, instead: Workflows) -> Service:
    """Says how a request arrived; at `stream` it takes its time. Once `instead` is on, that answers."""
    service = Service("fake-workflows")
    app: FastAPI = http_app(service, settings, title="Fake workflows")
    app.add_middleware(Instead, instead, settings)

    @app.get("/workflow.schema.json")
    async def schema(request: Request) -> dict[str, Any]:
        return {"authorization": request.headers.get("authorization")}

    @app.get("/api/v1/orgs/{org}/workflows")
    async def workflows(org: str, caller: Viewer) -> dict[str, Any]:
        return {"items": [], "next_cursor": None}

    @app.get("/api/v1/orgs/{org}/runs")
    async def runs(org: str, caller: Viewer, event: Annotated[list[str], Query()] = []) -> dict[str, Any]:  # noqa: B006
        return {"items": [RUN] if event else [], "next_cursor": None}

    @app.get("/api/v1/orgs/{org}/runs/{id}")
    async def run(org: str, id: str, caller: Viewer) -> dict[str, Any]:
        return {**RUN, "nodes": RUN_NODES}

    @app.get("/api/v1/orgs/{org}/workflows/stream")
    async def stream(org: str, caller: Viewer) -> Response:
        async def lines() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d\n" % number

        return StreamingResponse(lines(), media_type="text/plain", headers={"connection": "close", "set-cookie": "a=b"})

    @app.post("/api/v1/orgs/{org}/workflows/{name}/hook", include_in_schema=False)
    async def hook(request: Request) -> Response:
        if "fettle-hook-secret" not in request.headers:
            raise Problem(401, "token_invalid", NO_SUCH_HOOK)
        heard = {"headers": dict(request.headers), "body": (await request.body()).decode()}
        return Response(json.dumps(heard), 202, media_type="application/json")

    @app.api_route("/api/v1/orgs/{org}/workflows/{rest:path}", methods=["GET", "POST", "PUT"], include_in_schema=False)
    async def echo(org: str, rest: str, request: Request, caller: Viewer) -> Response:
        heard = {
            "method": request.method,
            "path": request.scope["raw_path"].decode(),
            "query": request.scope["query_string"].decode(),
            "headers": {name: value for name, value in request.headers.items() if name != "authorization"},
            "body": (await request.body()).decode(),
            "caller": [caller.org, caller.role.value, caller.actor_id, caller.actor_name],
        }
        status = int(request.query_params.get("status", 200))
        return Response(json.dumps(heard), status, {"etag": '"7"'}, "application/json")

    service.add(HttpServer(app, "127.0.0.1", settings.workflows_port))
    return service


def _found(tickets: Tickets, org: str, number: int) -> dict[str, Any]:
    if (org, number) not in tickets.tickets:
        raise Problem(404, "ticket_not_found", "There is no such ticket.")
    return tickets.tickets[org, number]


def _actor(caller: Any) -> dict[str, Any]:
    return {"type": "user", "id": caller.actor_id, "name": caller.actor_name}


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
