"""The definitions that runs follow: parsed once per version and kept; never stale, since versions never change."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis import bugs
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.validate import load

log = structlog.get_logger(__name__)

KEPT = 5_000

_ON = """
    NOT EXISTS (SELECT FROM workflow_policy WHERE workflow_policy.org = workflow.org AND NOT workflow_policy.enabled)
    AND NOT EXISTS (SELECT FROM org WHERE org.org = workflow.org AND org.deleted)
"""

_LIVE = text(f"""
    SELECT DISTINCT workflow.org, workflow.name, workflow.version
    FROM unnest(CAST(:orgs AS text[]), CAST(:triggers AS text[])) AS wanted (org, trigger)
    JOIN workflow ON workflow.org = wanted.org AND workflow.enabled AND wanted.trigger = ANY (workflow.triggers)
    WHERE {_ON}
    UNION
    SELECT workflow.org, workflow.name, workflow.version
    FROM unnest(CAST(:named_orgs AS text[]), CAST(:named_triggers AS text[]), CAST(:names AS text[]))
         AS wanted (org, trigger, name)
    JOIN workflow ON workflow.org = wanted.org AND workflow.name = wanted.name AND workflow.enabled
         AND wanted.trigger = ANY (workflow.triggers)
    WHERE {_ON}
    ORDER BY org, name
""")  # noqa: S608 - a constant condition

_DOCUMENTS = text("""
    SELECT org, name, version, document
    FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[]), CAST(:versions AS integer[]))
         AS wanted (org, name, version)
    JOIN workflow_version USING (org, name, version)
""")


@dataclass(frozen=True, slots=True, order=True)
class VersionKey:
    """Names one version of one workflow."""

    org: str
    workflow: str
    version: int


class Read(NamedTuple):
    """Versions as they were read: `broken` are those whose document raises a bug. One that this version of the engine
    does not understand is in neither."""

    definitions: Mapping[VersionKey, Definition]
    broken: Mapping[VersionKey, Exception]


class Definitions:
    """Finds the definitions that a batch of events or results needs, with one query for what memory does not have."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages
        self._kept: OrderedDict[VersionKey, Definition | Exception | None] = OrderedDict()

    async def started_by(self, connection: AsyncConnection, wanted: Iterable[tuple[str, str, str | None]]) -> Read:
        """The enabled workflows that any of these `(org, trigger, workflow)` may start, as they are saved now; without
        a workflow all of the org's. Those of an org that is switched off or deleted are not among them."""
        every = set(wanted)
        pairs = sorted({(org, trigger) for org, trigger, workflow in every if workflow is None})
        named = sorted((org, trigger, workflow) for org, trigger, workflow in every if workflow is not None)
        rows = await connection.execute(
            _LIVE,
            {
                "orgs": [org for org, _ in pairs],
                "triggers": [trigger for _, trigger in pairs],
                "named_orgs": [org for org, _, _ in named],
                "named_triggers": [trigger for _, trigger, _ in named],
                "names": [workflow for _, _, workflow in named],
            },
        )
        return await self.read(connection, [VersionKey(*row) for row in rows])

    async def enabled(self, connection: AsyncConnection, org: str) -> Mapping[VersionKey, Definition]:
        """All enabled workflows of an org, as they are saved now."""
        rows = await connection.execute(
            text("SELECT org, name, version FROM workflow WHERE org = :org AND enabled"), {"org": org}
        )
        return await self.of(connection, [VersionKey(*row) for row in rows])

    async def of(self, connection: AsyncConnection, keys: Sequence[VersionKey]) -> Mapping[VersionKey, Definition]:
        """The definitions of these versions. One whose document this version of the engine does not understand, or
        that raises a bug when it is read, is left out, and said in the log."""
        return (await self.read(connection, keys)).definitions

    async def read(self, connection: AsyncConnection, keys: Sequence[VersionKey]) -> Read:
        """As `of`, with those that raise a bug."""
        # Held here from now on: whoever asks while this waits may push them out of what is kept.
        found = {key: self._kept[key] for key in keys if key in self._kept}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            found |= await self._fetch(connection, missing)
        for key, definition in found.items():
            self._kept[key] = definition
            self._kept.move_to_end(key)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return Read(
            {key: one for key in keys if isinstance(one := found.get(key), Definition)},
            {key: one for key in keys if isinstance(one := found.get(key), Exception)},
        )

    async def _fetch(
        self, connection: AsyncConnection, keys: Sequence[VersionKey]
    ) -> dict[VersionKey, Definition | Exception | None]:
        rows = await connection.execute(
            _DOCUMENTS,
            {
                "orgs": [key.org for key in keys],
                "names": [key.workflow for key in keys],
                "versions": [key.version for key in keys],
            },
        )
        documents = {VersionKey(row.org, row.name, row.version): row.document for row in rows}
        # A millisecond or two each, and there may be thousands: not on the loop.
        return await asyncio.to_thread(lambda: {key: self._read(key, text) for key, text in documents.items()})

    def _read(self, key: VersionKey, document: str) -> Definition | Exception | None:
        found = bugs.or_bug(lambda: self._understood(key, document))
        if isinstance(found, Exception):
            bugs.note("workflow", found, org=key.org, workflow=key.workflow, version=key.version)
            return found.with_traceback(None)  # which would keep all that stood in variables
        return found

    def _understood(self, key: VersionKey, document: str) -> Definition | None:
        try:
            return load(document, self._languages)
        except DocumentRefused as refusal:
            fault = refusal.faults[0]
            log.error(
                "workflow.not_understood", org=key.org, workflow=key.workflow, version=key.version,
                line=fault.place.line, fault=fault.message,
            )  # fmt: skip
            return None
