"""What need not be known any more goes: old runs, first answers, counts of past hours, tickets long unchanged."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.patience import patiently
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work

log = structlog.get_logger(__name__)

EVERY_S = 3_600.0
AT_MOST = 1_000
"""Rows per transaction, so that no lock is held long."""

RUNS_KEPT = timedelta(days=14)
MESSAGES_KEPT = timedelta(days=3)
"""Longer than a call is tried again, so that one whose message is on record is known."""
ANSWERS_KEPT = timedelta(days=30)
MINUTES_KEPT = timedelta(hours=2)
SIGHTINGS_KEPT = timedelta(days=31)
"""Of tickets that nothing happened to: longer than a wait lasts, and than a run may take until it comes to one."""

_STATEMENTS = (
    (
        text("""
            DELETE FROM run WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM run WHERE ended_at < :before ORDER BY ended_at LIMIT :most))
        """),
        RUNS_KEPT,
    ),
    (
        text("DELETE FROM answer WHERE ctid = ANY (ARRAY(SELECT ctid FROM answer WHERE at < :before LIMIT :most))"),
        ANSWERS_KEPT,
    ),
    (
        text("""
            DELETE FROM workflow_minute WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM workflow_minute WHERE minute < :before LIMIT :most))
        """),
        MINUTES_KEPT,
    ),
    (
        text("""
            DELETE FROM ticket_seen WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM ticket_seen WHERE day < CAST(:before AS date) LIMIT :most))
        """),
        SIGHTINGS_KEPT,
    ),
    (
        text("""
            DELETE FROM channel_sent WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM channel_sent WHERE at < :before LIMIT :most))
        """),
        MESSAGES_KEPT,
    ),
    (
        text("""
            DELETE FROM held_message WHERE ctid = ANY (ARRAY(
                SELECT held_message.ctid FROM held_message JOIN digest ON digest.id = digest
                WHERE sent_at < :before LIMIT :most))
        """),
        MESSAGES_KEPT,
    ),
    (
        text("""
            DELETE FROM digest WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM digest WHERE sent_at < :before
                AND NOT EXISTS (SELECT FROM held_message WHERE held_message.digest = digest.id) LIMIT :most))
        """),
        MESSAGES_KEPT,
    ),
    (
        text("""
            DELETE FROM hook_secret WHERE ctid = ANY (ARRAY(
                SELECT ctid FROM hook_secret WHERE ends_at < :before LIMIT :most))
        """),
        ANSWERS_KEPT,
    ),
)


class Forgetting(Part):
    """At start and once an hour. A database that is away for an hour stops the service."""

    name = "forgetting"

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    async def run(self) -> None:
        while True:
            forgotten = await patiently(self.forget, within_s=EVERY_S)
            if forgotten:
                log.info("workflows.forgotten", rows=forgotten)
            await asyncio.sleep(EVERY_S)

    async def forget(self) -> int:
        """Deletes all that is due; returns how many rows, those of steps not counted."""
        total = 0
        for statement, kept in _STATEMENTS:
            deleted = AT_MOST
            while deleted == AT_MOST:
                async with unit_of_work(self._database) as work:
                    values = {"before": self._clock() - kept, "most": AT_MOST}
                    deleted = (await work.connection.execute(statement, values)).rowcount
                total += deleted
        return total
