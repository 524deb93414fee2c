"""Orgs come with their ready-made workflows, and when they go nothing of theirs starts any more."""

from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.told_orgs import ToldOrg, newest_of_each
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_workflow_engine.adapters import orgs, schedule_rows, workflow_rows
from fettle_workflow_engine.documents import ready_made
from fettle_workflow_engine.library import Exists, Library

log = structlog.get_logger(__name__)

BY = "fettle"
"""Who saved what nobody asked for."""


class Orgs:
    """Takes in what is said about orgs. The newest word counts, however often and in which order it is heard; that an
    org was deleted is the last."""

    def __init__(self, library: Library) -> None:
        self._library = library

    async def handle(self, work: UnitOfWork, batch: Sequence[ToldOrg]) -> None:
        """An org that was never heard of is given the ready-made workflows, whatever becomes of them later. What a
        deleted one has left goes by itself from here on (`emptying.py`)."""
        for news in await orgs.take_in(work.connection, newest_of_each(batch)):
            if news.deleted:
                await self._end(work.connection, news.org)
            elif news.new:
                await self._give(work.connection, news.org)

    async def _give(self, connection: AsyncConnection, org: str) -> None:
        given = 0
        for document in ready_made():
            try:
                await self._library.save(connection, org, document, BY)
                given += 1
            except Exists as theirs:
                log.info("org.has_workflow", org=org, workflow=str(theirs))
        log.info("org.known", org=org, workflows=given)

    async def _end(self, connection: AsyncConnection, org: str) -> None:
        """After whoever is saving a workflow of the org; a later save finds that it is deleted."""
        await workflow_rows.lock_org(connection, org)
        await schedule_rows.drop(connection, org)
        await orgs.say_deleted(connection)
        log.info("org.deleted", org=org)
