"""The definitions that runs follow: parsed once per version and kept; never stale, since versions never change."""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

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
    FROM unnest(CAST(:named_orgs AS text[]), CAST(:names AS text[])) AS wanted (org, name)
    JOIN workflow ON workflow.org = wanted.org AND workflow.name = wanted.name AND workflow.enabled
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


class Definitions:
    """Finds the definitions that a batch of events or results needs, with one query for what memory does not have."""

    def __init__(self, languages: Languages) -> None:
        self._languages = languages
        self._kept: OrderedDict[VersionKey, Definition | None] = OrderedDict()

    async def started_by(
        self, connection: AsyncConnection, wanted: Iterable[tuple[str, str, str | None]]
    ) -> Mapping[VersionKey, Definition]:
        """The enabled workflows that any of these `(org, trigger, workflow)` may start, as they are saved now; without
        a workflow all of the org's. Those of an org that is switched off or deleted are not among them."""
        every = set(wanted)
        pairs = sorted({(org, trigger) for org, trigger, workflow in every if workflow is None})
        named = sorted({(org, workflow) for org, _, workflow in every if workflow is not None})
        rows = await connection.execute(
            _LIVE,
            {
                "orgs": [org for org, _ in pairs],
                "triggers": [trigger for _, trigger in pairs],
                "named_orgs": [org for org, _ in named],
                "names": [workflow for _, workflow in named],
            },
        )
        return await self.of(connection, [VersionKey(*row) for row in rows])

    async def enabled(self, connection: AsyncConnection, org: str) -> Mapping[VersionKey, Definition]:
        """All enabled workflows of an org, as they are saved now."""
        rows = await connection.execute(
            text("SELECT org, name, version FROM workflow WHERE org = :org AND enabled"), {"org": org}
        )
        return await self.of(connection, [VersionKey(*row) for row in rows])

    async def of(self, connection: AsyncConnection, keys: Sequence[VersionKey]) -> Mapping[VersionKey, Definition]:
        """The definitions of these versions. One whose document this version of the engine does not understand is
        left out, and said in the log."""
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
        return {key: definition for key in keys if (definition := found.get(key)) is not None}

    async def _fetch(
        self, connection: AsyncConnection, keys: Sequence[VersionKey]
    ) -> dict[VersionKey, Definition | None]:
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

    def _read(self, key: VersionKey, document: str) -> Definition | None:
        try:
            return load(document, self._languages)
        except DocumentRefused as refusal:
            fault = refusal.faults[0]
            log.error(
                "workflow.not_understood", org=key.org, workflow=key.workflow, version=key.version,
                line=fault.place.line, fault=fault.message,
            )  # fmt: skip
            return None
