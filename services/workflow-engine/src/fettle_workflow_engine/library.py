"""The org's workflows as people keep them: checked when saved, with a version for each change of what they do."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.times import rfc3339
from fettle_workflow_engine.adapters import hook_rows, orgs, policies, schedule_rows, workflow_rows
from fettle_workflow_engine.adapters.definitions import Definitions, VersionKey
from fettle_workflow_engine.adapters.policies import Policy
from fettle_workflow_engine.adapters.workflow_rows import SavedWorkflow
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.loops import loop_faults
from fettle_workflow_engine.domain.validate import load

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Saved:
    """What a save came to."""

    workflow: SavedWorkflow
    created: bool
    new_version: bool


class Exists(Exception):
    """There is a workflow of this name already."""


class Misnamed(Exception):
    """The document is of another workflow than the one to be saved. The text is its name."""


class Changed(Exception):
    """The workflow is not the one any more that the writer saw: `present` is what it is now, None when it is gone.
    `wanted` is the document that was to replace it, empty where it was to go."""

    def __init__(self, present: SavedWorkflow | None, wanted: str) -> None:
        super().__init__()
        self.present = present
        self.wanted = wanted


class OrgGone(Exception):
    """The org was deleted. The text is its name."""


class NoSuchVersion(Exception):
    """There is no workflow of this name, or it has no such version."""


class Library:
    """Checks, saves and deletes documents."""

    def __init__(self, definitions: Definitions, languages: Languages, clock: Callable[[], datetime]) -> None:
        self._definitions = definitions
        self._languages = languages
        self._clock = clock

    async def check(self, connection: AsyncConnection, org: str, document: str) -> Definition:
        """The definition that saving this now would give. Raises DocumentRefused with every fault, loops with the
        org's enabled workflows included."""
        # Parsing is pure Python and takes up to half a second for the largest documents: not on the loop.
        definition = await asyncio.to_thread(load, document, self._languages)
        others = await self._definitions.enabled(connection, org)
        faults = list(loop_faults(definition, others.values()))
        if faults:
            raise DocumentRefused(faults)
        return definition

    async def definition(
        self, connection: AsyncConnection, org: str, name: str, version: int | None = None
    ) -> Definition:
        """That of the workflow as it is saved now, or of a version. Raises NoSuchVersion, and DocumentRefused for what
        this version of the engine does not understand."""
        present = None if version else await workflow_rows.find(connection, org, name)
        number = version or (present.version if present else 0)
        kept = await workflow_rows.find_version(connection, org, name, number)
        if kept is None:
            raise NoSuchVersion(name, number)
        document = present.document if present else kept.document
        if document == kept.document:
            key = VersionKey(org, name, number)
            if known := await self._definitions.of(connection, [key]):
                return known[key]
        return await asyncio.to_thread(load, document, self._languages)

    async def save(
        self,
        connection: AsyncConnection,
        org: str,
        document: str,
        by: str,
        *,
        replaces: str | None = None,
        seen: str | None = None,
    ) -> Saved:
        """Puts the document down as the org's workflow of its name. `seen` is when the one that it replaces was saved,
        as far as the writer knows. Raises DocumentRefused, Misnamed when it is not of the workflow that it `replaces`,
        Exists when it replaces none and there is one, Changed when that is not the one seen, unless it has this very
        text, and OrgGone."""
        await self._lock(connection, org)
        definition = await self.check(connection, org, document)
        name = definition.workflow
        if replaces is not None and name != replaces:
            raise Misnamed(name)
        before = await workflow_rows.find(connection, org, name)
        if before is not None and replaces is None:
            raise Exists(name)
        if before is None or before.document != document:
            _check_seen(before, seen, document)
        newest = await workflow_rows.newest_version(connection, org, name)
        known = await self._definitions.of(connection, [VersionKey(org, name, newest)])
        same = before is not None and any(definition.same_graph(other) for other in known.values())
        version = newest if same else newest + 1
        # Before the workflow's own row: whoever fires schedules takes both in this order.
        await self._schedule(connection, org, definition)
        await workflow_rows.save(connection, org, definition, document, version, by, self._clock())
        saved = await workflow_rows.find(connection, org, name)
        if saved is None:
            raise LookupError(name)
        log.info("workflow.saved", org=org, workflow=name, version=version, enabled=definition.enabled, by=by)
        return Saved(saved, created=before is None, new_version=not same)

    async def restore(
        self, connection: AsyncConnection, org: str, name: str, version: int, by: str, seen: str | None = None
    ) -> Saved:
        """Saves the document that a version began with, as it stands, `enabled` included. Raises NoSuchVersion,
        DocumentRefused for what does not validate any more, Changed as `save` does, and OrgGone."""
        await self._lock(connection, org)
        found = await workflow_rows.find_version(connection, org, name, version)
        if found is None:
            raise NoSuchVersion(name, version)
        return await self.save(connection, org, found.document, by, replaces=name, seen=seen)

    async def delete(self, connection: AsyncConnection, org: str, name: str, by: str, seen: str | None = None) -> bool:
        """Whether there was one. Its runs go on by the version that they began with; the secrets of its hook go. Raises
        Changed when it is not the one that was `seen`, and OrgGone."""
        await self._lock(connection, org)
        present = await workflow_rows.find(connection, org, name)
        if present is None:
            return False
        _check_seen(present, seen, "")
        await schedule_rows.drop(connection, org, name)
        await hook_rows.drop(connection, org, name)
        await workflow_rows.delete(connection, org, name)
        log.info("workflow.deleted", org=org, workflow=name, by=by)
        return True

    async def switch(self, connection: AsyncConnection, org: str, enabled: bool, by: str) -> Policy:
        """Lets the org's workflows run, or none of them: while they are off nothing starts, and runs stop where their
        next node or call is due (`domain/advance.py`, `domain/calls.py`). What happens meanwhile is not caught up:
        schedules go from moment to moment without starting anything, and are due next after they are on again, those
        included whose documents this version of the engine cannot read. Raises OrgGone."""
        await self._lock(connection, org)
        before = await policies.policy_of(connection, org)
        if before.enabled == enabled:
            return before
        now = self._clock()
        after = Policy(enabled, now, by)
        if enabled:
            await schedule_rows.put_off(connection, org, now)
            # An engine of before had taken the schedules of an org that was off out.
            live = await self._definitions.enabled(connection, org)
            await schedule_rows.arrange(connection, org, list(live.values()), now)
        await policies.put(connection, org, after)
        log.info("workflows.switched", org=org, enabled=enabled, by=by)
        return after

    async def _lock(self, connection: AsyncConnection, org: str) -> None:
        """Alone with the org's workflows until the transaction ends. Raises OrgGone."""
        await workflow_rows.lock_org(connection, org)
        if await orgs.is_deleted(connection, org):
            raise OrgGone(org)

    async def _schedule(self, connection: AsyncConnection, org: str, definition: Definition) -> None:
        if definition.enabled:
            await schedule_rows.arrange(connection, org, [definition], self._clock())
        else:
            await schedule_rows.drop(connection, org, definition.workflow)


def _check_seen(present: SavedWorkflow | None, seen: str | None, wanted: str) -> None:
    """Raises Changed unless `present` is the one that was saved when the writer has `seen` it; None sees any."""
    if seen is not None and (present is None or rfc3339(present.saved_at) != seen):
        raise Changed(present, wanted)
