"""Hooks of workflows, and the switch of all of them."""

import json
from typing import Any

from fettle_client.asynchronous.connection import AsyncConnection
from fettle_client.requests import CLOUD_EVENT, read, with_headers, write
from fettle_client.shapes.workflows import Hook, Knocked, NewHookSecret, WorkflowPolicy


class AsyncHooks(AsyncConnection):
    """Admins make the secrets; whoever has one starts the workflow by it."""

    async def get_hook(self, workflow: str) -> Hook:
        """Where to post, and the secrets that hold, without their texts."""
        found: Hook = await self._call(read(self._path("workflows", workflow, "hook")))
        return found

    async def make_hook_secret(
        self, workflow: str, *, old_holds_s: int = 86_400, key: str | None = None
    ) -> NewHookSecret:
        """Makes a secret; its text stands in this answer only. The one before it holds for `old_holds_s` more."""
        path = self._path("workflows", workflow, "hook", "secrets")
        made: NewHookSecret = await self._call(write("POST", path, {"old_holds_s": old_holds_s}, key=key))
        return made

    async def end_hook_secret(self, workflow: str, id: str, *, key: str | None = None) -> None:
        await self._call(write("DELETE", self._path("workflows", workflow, "hook", "secrets", id), key=key))

    async def call_hook(
        self, workflow: str, secret: str, *, id: str, type: str, source: str, data: dict[str, Any]
    ) -> Knocked:
        """Sends a signal to the workflow's hook as a CloudEvent; a repeat of the same `id` starts nothing."""
        event = {"specversion": "1.0", "id": id, "type": type, "source": source, "data": data}
        body = json.dumps(event, ensure_ascii=False).encode()
        request = write("POST", self._path("workflows", workflow, "hook"), body, key=id, kind=CLOUD_EVENT)
        knocked: Knocked = await self._call(with_headers(request, {"fettle-hook-secret": secret}))
        return knocked

    async def get_workflow_policy(self) -> WorkflowPolicy:
        found: WorkflowPolicy = await self._call(read(self._path("workflow-policy")))
        return found

    async def put_workflow_policy(self, *, enabled: bool, key: str | None = None) -> WorkflowPolicy:
        """Switches all of the org's workflows off or on. Off, runs stop at their next node; nothing is caught up."""
        request = write("PUT", self._path("workflow-policy"), {"enabled": enabled}, key=key)
        policy: WorkflowPolicy = await self._call(request)
        return policy
