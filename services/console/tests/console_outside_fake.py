"""Channels, secrets and hooks of the workflow API in memory."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

from fastapi import Body, FastAPI

from fettle_chassis.http import Admin, Problem, Viewer

if TYPE_CHECKING:
    from console_workflows_fake import Workflows

SAVED = {"saved_at": "2026-11-23T10:15:30.250Z", "saved_by": "ann"}
QUIET = {"sent_last_hour": 0, "held_back": 0, "digest_error": None}


def add_outside(app: FastAPI, base: str, workflows: "Workflows") -> None:
    def named(name: str) -> dict[str, Any]:
        for one in workflows.channels:
            if one["name"] == name:
                return one
        raise Problem(404, "not_found", "There is no such channel.")

    def saved(name: str, body: dict[str, Any]) -> dict[str, Any]:
        if body["settings"].get("host") == "wrong":
            raise Problem(422, "invalid", "settings.host: must be a domain.", field="settings.host")
        return {"name": name, "hourly_cap": 60, **body, **SAVED, **QUIET}

    @app.get(f"{base}/channels")
    async def channels(org: str, caller: Viewer) -> dict[str, Any]:
        return {"items": workflows.channels, "next_cursor": None}

    @app.post(f"{base}/channels", status_code=201)
    async def make(org: str, caller: Admin, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        workflows.channels.append(saved(body["name"], body))
        return workflows.channels[-1]

    @app.get(f"{base}/channels/{{name}}")
    async def channel(org: str, name: str, caller: Viewer) -> dict[str, Any]:
        return named(name)

    @app.put(f"{base}/channels/{{name}}")
    async def change(org: str, name: str, caller: Admin, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        named(name).update(saved(name, body))
        return named(name)

    @app.delete(f"{base}/channels/{{name}}", status_code=204)
    async def remove(org: str, name: str, caller: Admin) -> None:
        workflows.channels.remove(named(name))

    @app.post(f"{base}/channels/{{name}}/test")
    async def trial(org: str, name: str, caller: Admin) -> dict[str, Any]:
        named(name)
        return workflows.trial

    @app.get(f"{base}/secrets")
    async def secrets(org: str, caller: Admin) -> dict[str, Any]:
        return {"items": workflows.secrets, "next_cursor": None}

    @app.put(f"{base}/secrets/{{name}}")
    async def keep(org: str, name: str, caller: Admin, body: Annotated[dict[str, Any], Body()]) -> dict[str, Any]:
        if name == "9":
            raise Problem(422, "invalid", "A secret's name begins with a letter.", field="name")
        workflows.secrets.append({"name": name, "key_id": "k1", "value": body["value"], **SAVED})
        return workflows.secrets[-1]

    @app.delete(f"{base}/secrets/{{name}}", status_code=204)
    async def forget(org: str, name: str, caller: Admin) -> None:
        if {"secret": name} in [one["settings"].get("url") for one in workflows.channels]:
            raise Problem(409, "conflict", "The channel ops names this secret.")
        workflows.secrets[:] = [one for one in workflows.secrets if one["name"] != name]

    @app.get(f"{base}/workflows/{{name}}/hook")
    async def hook(org: str, name: str, caller: Admin) -> dict[str, Any]:
        return {"path": f"/api/v1/orgs/{org}/workflows/{name}/hook", "secrets": workflows.hook}

    @app.post(f"{base}/workflows/{{name}}/hook/secrets")
    async def make_secret(
        org: str, name: str, caller: Admin, body: Annotated[dict[str, Any], Body()]
    ) -> dict[str, Any]:
        made = {"id": str(uuid4()), "made_at": SAVED["saved_at"], "made_by": "ann", "ends_at": None, "usable": True}
        for one in workflows.hook:
            one["ends_at"] = f"2026-11-{24 + body['old_holds_s'] // 86_400}T10:15:30.250Z"
        workflows.hook.insert(0, made)
        return {**made, "secret": "whsec_abc"}

    @app.delete(f"{base}/workflows/{{name}}/hook/secrets/{{id}}", status_code=204)
    async def end(org: str, name: str, id: str, caller: Admin) -> None:
        workflows.hook[:] = [one for one in workflows.hook if one["id"] != id]
