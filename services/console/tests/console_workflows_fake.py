"""The workflow API in memory: documents that are texts, runs, channels, and the rules that pages meet."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4

from console_outside_fake import add_outside
from fastapi import Body, FastAPI, Header, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from fettle_chassis.http import Admin, Operator, Problem, Viewer, http_app
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.times import rfc3339


def document(name: str, *, enabled: bool = True, title: str = "") -> str:
    head = f"workflow: {name}\ntitle: {title}\nenabled: {str(enabled).lower()}\n"
    return f"{head}nodes:\n  opened: {{trigger: ticket.opened}}\n"


@dataclass
class Workflows:
    """What the fake knows. It answers only once it is `on`; until then the service that echoes does."""

    on: bool = False
    policy: dict[str, Any] = field(default_factory=lambda: {"enabled": True, "changed_by": None})
    kept: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    versions: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)
    runs: list[dict[str, Any]] = field(default_factory=list)
    tried: list[dict[str, Any]] = field(default_factory=list)
    test_run: dict[str, Any] = field(default_factory=dict)
    preview: dict[str, Any] = field(default_factory=dict)
    channels: list[dict[str, Any]] = field(default_factory=list)
    secrets: list[dict[str, Any]] = field(default_factory=list)
    trial: dict[str, Any] = field(default_factory=dict)
    graph: list[dict[str, Any]] = field(default_factory=list)
    hook: list[dict[str, Any]] = field(default_factory=list)
    meanwhile: Callable[[], object] = lambda: None
    """What happens between a page's look at a workflow and its save."""

    def forget(self) -> None:
        self.__init__()  # type: ignore[misc]

    def save(self, org: str, text: str, by: str = "ann") -> dict[str, Any]:
        said = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line and not line.startswith(" "))
        name = said["workflow"]
        before = self.kept.get((org, name))
        workflow = {
            "workflow": name,
            "title": said.get("title", ""),
            "description": "",
            "enabled": said.get("enabled") == "true",
            "version": before["version"] + 1 if before else 1,
            "triggers": ["ticket.opened"],
            "saved_at": rfc3339(datetime.now(UTC)),
            "saved_by": by,
            "condition_problem": None,
            "document": text,
        }
        self.kept[org, name] = workflow
        made = {"version": workflow["version"], "saved_at": workflow["saved_at"], "saved_by": by, "document": text}
        self.versions.setdefault((org, name), []).insert(0, made)
        return workflow

    def run(self, org: str, workflow: str, state: str = "done", ago_s: float = 60, **more: Any) -> dict[str, Any]:
        """Adds a run; the newest is the one added last."""
        at = datetime.now(UTC) - timedelta(seconds=ago_s)
        run = {
            "id": str(uuid4()),
            "org": org,
            "workflow": workflow,
            "version": 1,
            "state": state,
            "trigger": "ticket.opened",
            "event_id": str(uuid4()),
            "depth": 1,
            "started_at": rfc3339(at),
            "timeout_at": rfc3339(at + timedelta(days=2)),
            "ended_at": None if state == "running" else rfc3339(at + timedelta(seconds=2)),
            "error": None,
            "rerun_of": None,
            "event": {},
            "nodes": [],
            **more,
        }
        self.runs.insert(0, run)
        return run


class Instead:
    """Answers by the fake while it is on."""

    def __init__(self, app: ASGIApp, workflows: Workflows, settings: ServiceSettings) -> None:
        self._app, self._workflows, self._fake = app, workflows, workflow_api(settings, workflows)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        on = scope["type"] == "http" and self._workflows.on
        await (self._fake if on else self._app)(scope, receive, send)


def workflow_api(settings: ServiceSettings, workflows: Workflows) -> FastAPI:
    app = http_app(Service("fake-workflow-engine"), settings, title="Fake workflow engine")
    base = "/api/v1/orgs/{org}"

    def found(org: str, name: str) -> dict[str, Any]:
        if (org, name) not in workflows.kept:
            raise Problem(404, "not_found", "There is no such workflow.")
        return workflows.kept[org, name]

    def made(org: str, name: str, version: int) -> dict[str, Any]:
        for one in workflows.versions[org, name]:
            if one["version"] == version:
                return one
        raise Problem(404, "not_found", "There is no such version of such a workflow.")

    def check_seen(org: str, name: str, if_match: str, text: str) -> None:
        workflows.meanwhile()
        present = workflows.kept.get((org, name))
        if if_match != "*" and present is None:
            raise Problem(412, "stale", "The workflow is gone.")
        if present and if_match not in ("*", f'"{present["saved_at"]}"') and present["document"] != text:
            lines = [{"kind": "removed", "text": line} for line in present["document"].splitlines()]
            lines += [{"kind": "added", "text": line} for line in text.splitlines()]
            hunks = [{"new_start": 1, "lines": lines}]
            raise Problem(412, "stale", "The workflow was saved.", present=present, hunks=hunks)

    @app.get(f"{base}/workflow-policy")
    async def policy(org: str, caller: Viewer) -> dict[str, Any]:
        return workflows.policy

    @app.put(f"{base}/workflow-policy")
    async def set_policy(org: str, caller: Admin, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        workflows.policy = {"enabled": body["enabled"], "changed_by": caller.actor_name}
        return workflows.policy

    @app.get(f"{base}/workflows")
    async def listed(org: str, caller: Viewer) -> dict[str, Any]:
        items = [workflow for (of, _), workflow in sorted(workflows.kept.items()) if of == org]
        return {"items": items, "next_cursor": None}

    @app.get(f"{base}/workflows/{{name}}")
    async def one(org: str, name: str, caller: Viewer) -> dict[str, Any]:
        return found(org, name)

    @app.get(f"{base}/workflows/{{name}}/graph")
    async def graph(org: str, name: str, caller: Viewer, version: int | None = None) -> dict[str, Any]:
        found(org, name)
        return {"workflow": name, "nodes": workflows.graph}

    @app.post(f"{base}/workflows")
    async def create(org: str, caller: Admin, request: Request, dry_run: bool = False) -> dict[str, Any]:
        text = await _document(request)
        name = text.partition("workflow: ")[2].partition("\n")[0]
        if dry_run:
            return {"workflow": name, "nodes": workflows.graph, "faults": []}
        if (org, name) in workflows.kept:
            raise Problem(409, "conflict", f"There is a workflow {name!r} already; PUT replaces it.")
        return workflows.save(org, text, caller.actor_id)

    @app.put(f"{base}/workflows/{{name}}")
    async def replace(
        org: str, name: str, caller: Admin, request: Request, if_match: Annotated[str, Header()] = "*"
    ) -> dict[str, Any]:
        text = await _document(request)
        check_seen(org, name, if_match, text)
        return workflows.save(org, text, caller.actor_id)

    @app.delete(f"{base}/workflows/{{name}}", status_code=204)
    async def remove(org: str, name: str, caller: Admin, if_match: Annotated[str, Header()] = "*") -> None:
        found(org, name)
        check_seen(org, name, if_match, "")
        del workflows.kept[org, name]

    @app.get(f"{base}/workflows/{{name}}/versions")
    async def versions(org: str, name: str, caller: Viewer) -> dict[str, Any]:
        found(org, name)
        return {"items": workflows.versions[org, name], "next_cursor": None}

    @app.get(f"{base}/workflows/{{name}}/versions/{{version}}")
    async def version(org: str, name: str, version: int, caller: Viewer) -> dict[str, Any]:
        return made(org, name, version)

    @app.get(f"{base}/workflows/{{name}}/versions/{{version}}/difference")
    async def difference(
        org: str, name: str, version: int, caller: Viewer, from_version: int | None = None
    ) -> dict[str, Any]:
        before = from_version or version - 1
        gone = made(org, name, before)["document"].splitlines() if before else []
        come = made(org, name, version)["document"].splitlines()
        lines = [{"kind": "removed", "text": line} for line in gone if line not in come]
        lines += [{"kind": "added", "text": line} for line in come if line not in gone]
        return {"from_version": before or None, "version": version, "hunks": [{"new_start": 1, "lines": lines}]}

    @app.post(f"{base}/workflows/{{name}}/versions/{{version}}/restore")
    async def restore(
        org: str, name: str, version: int, caller: Admin, if_match: Annotated[str, Header()] = "*"
    ) -> dict[str, Any]:
        found(org, name)
        text = made(org, name, version)["document"]
        check_seen(org, name, if_match, text)
        return workflows.save(org, text, caller.actor_id)

    def page(org: str, workflow: str, state: str, limit: int) -> dict[str, Any]:
        runs = [
            run
            for run in workflows.runs
            if run["org"] == org and workflow in ("", run["workflow"]) and state in ("", run["state"])
        ]
        return {"items": runs[:limit], "next_cursor": "more" if len(runs) > limit else None}

    @app.get(f"{base}/workflows/{{name}}/runs")
    async def runs_of(org: str, name: str, caller: Viewer, state: str = "", limit: int = 50) -> dict[str, Any]:
        found(org, name)
        return page(org, name, state, limit)

    @app.get(f"{base}/runs")
    async def runs(org: str, caller: Viewer, state: str = "", limit: int = 50) -> dict[str, Any]:
        return page(org, "", state, limit)

    def run_of(org: str, id: str) -> dict[str, Any]:
        for run in workflows.runs:
            if (run["org"], run["id"]) == (org, id):
                return run
        raise Problem(404, "not_found", "There is no such run.")

    @app.get(f"{base}/runs/{{id}}")
    async def run(org: str, id: str, caller: Viewer) -> dict[str, Any]:
        return run_of(org, id)

    @app.post(f"{base}/runs/{{id}}/{{act}}")
    async def act(org: str, id: str, act: str, caller: Operator, request: Request) -> dict[str, Any]:
        run = run_of(org, id)
        if act == "rerun":
            by = await request.json() if await request.body() else {}
            return workflows.run(org, run["workflow"], "running", 0, rerun_of=id, **by)
        if act == "cancel" and run["state"] != "running":
            raise Problem(409, "conflict", f"The run has ended already: it is {run['state']}.")
        run["state"] = {"cancel": "cancelled", "retry": "running"}[act]
        return run

    @app.post(f"{base}/workflows/{{name}}/test-runs")
    async def try_run(org: str, name: str, caller: Operator, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        workflows.tried.append(body)
        if body.get("run") == "gone":
            raise Problem(404, "not_found", "There is no such run.")
        happened = {"entry": {"at": "2026-11-22T08:00:00.000Z"}} if "ticket" in body else {}
        return {"event": {"ticket": {"number": body.get("ticket", 7)}, **happened}, **workflows.test_run}

    @app.post(f"{base}/workflows/{{name}}/preview")
    async def preview(org: str, name: str, caller: Operator, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        workflows.tried.append(body)
        if not workflows.preview:
            raise Problem(429, "too_many", "Other previews are being made. Try again soon.")
        return workflows.preview

    @app.post(f"{base}/workflows/{{name}}/runs")
    async def start(org: str, name: str, caller: Operator, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        if not found(org, name)["enabled"]:
            raise Problem(409, "conflict", "The workflow is not enabled.")
        return workflows.run(org, name, "running", 0, event=body)

    add_outside(app, base, workflows)
    return app


async def _document(request: Request) -> str:
    """The body; one with `opend` in it has a fault there."""
    text = (await request.body()).decode()
    for number, line in enumerate(text.split("\n"), 1):
        if "opend" in line:
            column = line.index("opend") + 1
            fault = {"line": number, "column": column, "message": "there is no node 'opend'", "suggestion": "opened"}
            raise Problem(422, "invalid", f"Line {number}.", faults=[fault])
    return text
