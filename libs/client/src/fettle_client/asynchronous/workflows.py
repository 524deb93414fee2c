"""Workflows and their runs."""

from collections.abc import Sequence
from typing import Any

from fettle_client.asynchronous.connection import AsyncConnection
from fettle_client.asynchronous.pages import AsyncPages
from fettle_client.requests import YAML, fields, read, send, write
from fettle_client.shapes.workflows import (
    CheckedWorkflow,
    GivenOutcome,
    ListedRun,
    ListedWorkflow,
    Run,
    RunState,
    TestRun,
    Workflow,
    WorkflowDifference,
    WorkflowGraph,
    WorkflowPreview,
    WorkflowVersion,
)


class AsyncWorkflows(AsyncConnection):
    """Documents are YAML or JSON. A refused one (422) has every fault in `problem["faults"]`."""

    def list_workflows(self, *, cursor: str | None = None, limit: int = 200) -> AsyncPages[ListedWorkflow]:
        """The org's workflows by name."""
        return AsyncPages(self._call, read(self._path("workflows"), cursor=cursor, limit=limit))

    def export_workflows(self, *, cursor: str | None = None, limit: int = 50) -> AsyncPages[Workflow]:
        """The org's workflows by name, each with its document."""
        return AsyncPages(self._call, read(self._path("workflows"), documents=True, cursor=cursor, limit=limit))

    async def create_workflow(self, document: str, *, key: str | None = None) -> Workflow:
        """Saves a document under its own name. Refused with 409 if there is one of that name."""
        request = write("POST", self._path("workflows"), document.encode(), key=key, kind=YAML)
        saved: Workflow = await self._call(request)
        return saved

    async def check_workflow(self, document: str) -> CheckedWorkflow:
        """Says what saving the document would say, and keeps nothing."""
        request = write("POST", self._path("workflows"), document.encode(), key=None, kind=YAML, dry_run=True)
        checked: CheckedWorkflow = await self._call(request)
        return checked

    async def get_workflow(self, name: str) -> Workflow:
        found: Workflow = await self._call(read(self._path("workflows", name)))
        return found

    async def get_workflow_graph(self, name: str, *, version: int | None = None) -> WorkflowGraph:
        """The nodes of the workflow as it is, or of a version, and what follows what."""
        found: WorkflowGraph = await self._call(read(self._path("workflows", name, "graph"), version=version))
        return found

    async def put_workflow(
        self, name: str, document: str, *, saved_at: str | None = None, key: str | None = None
    ) -> Workflow:
        """Saves a document as the workflow of its name, which must be `name`. With `saved_at`, that of the workflow
        that the writer saw, it is refused (412) when somebody has saved another text since."""
        target = self._path("workflows", name)
        request = write("PUT", target, document.encode(), key=key, seen=saved_at, kind=YAML)
        saved: Workflow = await self._call(request)
        return saved

    async def remove_workflow(self, name: str, *, saved_at: str | None = None, key: str | None = None) -> None:
        """Runs that have begun go on; nothing starts new ones. `saved_at` as for `put_workflow`."""
        await self._call(write("DELETE", self._path("workflows", name), key=key, seen=saved_at))

    def list_workflow_versions(
        self, name: str, *, cursor: str | None = None, limit: int = 200
    ) -> AsyncPages[WorkflowVersion]:
        """What each version was made of, the newest first."""
        return AsyncPages(self._call, read(self._path("workflows", name, "versions"), cursor=cursor, limit=limit))

    async def get_workflow_version(self, name: str, version: int) -> WorkflowVersion:
        """What a version was made of."""
        found: WorkflowVersion = await self._call(read(self._path("workflows", name, "versions", version)))
        return found

    async def get_workflow_difference(
        self, name: str, version: int, *, from_version: int | None = None
    ) -> WorkflowDifference:
        """How a version's document differs from that of another; without one, of the version before it."""
        path = self._path("workflows", name, "versions", version, "difference")
        found: WorkflowDifference = await self._call(read(path, from_version=from_version))
        return found

    async def restore_workflow(
        self, name: str, version: int, *, saved_at: str | None = None, key: str | None = None
    ) -> Workflow:
        """Saves the document that a version began with, as it stands, `enabled` included. `saved_at` as for
        `put_workflow`."""
        target = self._path("workflows", name, "versions", version, "restore")
        request = write("POST", target, key=key, seen=saved_at)
        saved: Workflow = await self._call(request)
        return saved

    def list_runs(
        self,
        *,
        state: RunState | None = None,
        event: Sequence[str] | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> AsyncPages[ListedRun]:
        """The org's runs, the newest first; with `event`, those that one of these entries of a timeline started."""
        return AsyncPages(self._call, read(self._path("runs"), state=state, event=event, cursor=cursor, limit=limit))

    def list_workflow_runs(
        self, name: str, *, state: RunState | None = None, cursor: str | None = None, limit: int = 200
    ) -> AsyncPages[ListedRun]:
        """One workflow's runs, the newest first."""
        request = read(self._path("workflows", name, "runs"), state=state, cursor=cursor, limit=limit)
        return AsyncPages(self._call, request)

    async def start_run(self, name: str, data: dict[str, Any] | None = None, *, key: str | None = None) -> Run:
        """Starts a run by the workflow's manual trigger; `data` is its `event.data`. One that is over the budget of
        runs an hour is refused, and says so in its state."""
        run: Run = await self._call(write("POST", self._path("workflows", name, "runs"), {"data": data or {}}, key=key))
        return run

    async def try_workflow(
        self,
        name: str,
        *,
        trigger: str | None = None,
        event: dict[str, Any] | None = None,
        run: str | None = None,
        ticket: int | None = None,
        document: str | None = None,
        outcomes: dict[str, GivenOutcome] | None = None,
    ) -> TestRun:
        """What a run by an event would do; nothing is sent, nothing is kept. The event is given, or that of a recorded
        `run`, or what happened last to the `ticket` of this number, or else an example of what `trigger` (a node or a
        kind; default: the first) is for. `document` is the workflow as it is not saved, `outcomes` what becomes of
        nodes."""
        body = fields(trigger=trigger, event=event, run=run, ticket=ticket, document=document, outcomes=outcomes)
        tried: TestRun = await self._call(send("POST", self._path("workflows", name, "test-runs"), body))
        return tried

    async def preview_workflow(
        self, name: str, *, days: int | None = None, document: str | None = None
    ) -> WorkflowPreview:
        """Which events of the last days (default: 7) would have started the workflow, as it is saved or as `document`
        says. Takes up to 20 s; `from` says from when on all events have been seen."""
        body = fields(days=days, document=document)
        found: WorkflowPreview = await self._call(send("POST", self._path("workflows", name, "preview"), body))
        return found

    async def get_run(self, id: str) -> Run:
        """A run with every node's input, output, attempts and times."""
        found: Run = await self._call(read(self._path("runs", id)))
        return found

    async def cancel_run(self, id: str, *, key: str | None = None) -> Run:
        """Ends a run; what it waits for changes nothing any more. Refused with 409 for one that has ended."""
        cancelled: Run = await self._call(write("POST", self._path("runs", id, "cancel"), key=key))
        return cancelled

    async def retry_run(self, id: str, *, key: str | None = None) -> Run:
        """Has a failed run go on from the node that failed it."""
        retried: Run = await self._call(write("POST", self._path("runs", id, "retry"), key=key))
        return retried

    async def rerun(self, id: str, *, version: int | None = None, key: str | None = None) -> Run:
        """Starts another run by the event of this one, by a version of the workflow or by its newest."""
        started: Run = await self._call(
            write("POST", self._path("runs", id, "rerun"), fields(version=version), key=key)
        )
        return started
