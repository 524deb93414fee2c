"""What the correlator forgets, and when: the one table of that, and the loop that goes by it.

What no rule names stays: what there is one of for each org, subject, shard or version of a policy, and what waits.
Inbox and crashes are the chassis's to forget.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import TextClause, text

from fettle_chassis.database import Database
from fettle_chassis.patience import regularly
from fettle_chassis.service import Part
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.times import to_ms
from fettle_health_monitor.domain.correlator.rollups import MANY
from fettle_health_monitor.metrics import FORGOTTEN

log = structlog.get_logger(__name__)

ROWS_PER_STATEMENT: Final = 1_000
_EVERY_S = 3_600.0
_BETWEEN_S = 0.05

HISTORY_DAYS: Final = 30
"""As long as `health.transitions` keeps them."""
SILENCES_DAYS: Final = 90

_MAY_BE_OPEN = "(incident.asked_verb IS NOT NULL OR incident.ticket_state <> 'resolved')"


_ENDED_LONG_AGO = f"""
    coalesce((
        SELECT ended.at FROM outcome AS ended
        WHERE ended.org = old.org AND ended.subject = old.subject AND ended.at >= {{begun}}
          AND CASE WHEN old.condition = '{MANY}' THEN ended.cause = 'few_left' AND ended.outcome <> 'called_off'
                   ELSE ended.cause IN ('recovered', 'forgotten') END
        ORDER BY ended.at LIMIT 1) < {{{{before}}}}, true)
"""  # noqa: S608 - constants
"""Whether no end of what had `begun` then is on record, or one that is itself as old."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Rows of `table` go `days` after the instant in `by` where `needless` holds, the oldest first, or in another
    `order` that an index keeps. `by` is in broker milliseconds, or with `dated` a date."""

    table: str
    days: int
    by: str
    needless: str = "true"
    dated: bool = False
    order: str = ""
    delete: TextClause = field(init=False, compare=False)

    def __post_init__(self) -> None:
        before = "to_timestamp(CAST(:before AS bigint) / 1000.0)" if self.dated else "CAST(:before AS bigint)"
        needless = self.needless.format(before=before)
        statement = f"""
            DELETE FROM {self.table} WHERE ctid = ANY(ARRAY(
                SELECT old.ctid FROM {self.table} AS old WHERE {self.by} < {before} AND {needless}
                ORDER BY {self.order or self.by} LIMIT {ROWS_PER_STATEMENT} FOR UPDATE OF old SKIP LOCKED))
        """  # noqa: S608 - all parts are constants
        object.__setattr__(self, "delete", text(statement))


RULES: Final = (
    # What an instant of the last days is judged by stays: how a subject that was not well stood when they began. One
    # that was healthy, or gone, leaves nothing, but only when all before it has gone.
    Rule(
        "transition",
        HISTORY_DAYS,
        "at",
        """(EXISTS (
                SELECT FROM transition AS next WHERE next.org = old.org AND next.subject = old.subject
                AND (next.at, next.position) > (old.at, old.position) AND next.at < {before})
            OR (coalesce(old.to_state, 'healthy') = 'healthy' AND NOT EXISTS (
                SELECT FROM transition AS past WHERE past.org = old.org AND past.subject = old.subject
                AND (past.at, past.position) < (old.at, old.position))))""",
    ),
    # Ticket numbers and versions of what is over; an event of the ticket brings it back. Before the outcomes: with the
    # end that it goes by.
    Rule(
        "incident",
        HISTORY_DAYS,
        "coalesce(old.opened_at, 0)",
        f"""old.ticket_state = 'resolved' AND old.asked_verb IS NULL AND NOT EXISTS (
                SELECT FROM watch WHERE watch.org = old.org AND watch.subject = old.subject
                AND watch.condition = old.condition)
            AND {_ENDED_LONG_AGO.format(begun="coalesce(old.opened_at, 0)")}""",
    ),
    # Those about an incident whose ticket is or may be open stay with it, and so do those that the end of a silence,
    # which is not dealt with yet, has to know of; so does the one that is asked for again, and that somebody who fires
    # yet has no ticket as nothing was published, or a silence held it back. What has ended stays that long from then.
    Rule(
        "outcome",
        HISTORY_DAYS,
        "at",
        f"""NOT EXISTS (
                SELECT FROM incident WHERE incident.org = old.org AND incident.subject = old.subject
                AND incident.condition = old.condition AND {_MAY_BE_OPEN})
            AND NOT EXISTS (
                SELECT FROM rollup_member AS member WHERE member.org = old.org AND member.subject = old.subject)
            AND NOT EXISTS (
                SELECT FROM silence WHERE silence.org = old.org AND silence.subject = old.subject
                AND until_at <= old.at)
            AND NOT EXISTS (
                SELECT FROM watch JOIN command ON command.id = watch.cause
                WHERE watch.org = old.org AND kind = 'open_refused' AND command.verdict = old.verdict)
            AND NOT (old.outcome IN ('unpublished', 'silenced') AND EXISTS (
                SELECT FROM subject WHERE subject.org = old.org AND subject.subject = old.subject
                AND subject.state NOT IN ('healthy', 'pending_open')) AND NOT EXISTS (
                SELECT FROM outcome AS since WHERE since.org = old.org AND since.subject = old.subject
                AND since.at > old.at))
            AND {_ENDED_LONG_AGO.format(begun="old.at")}""",  # noqa: S608
    ),
    Rule("called", HISTORY_DAYS, "at", "NOT EXISTS (SELECT FROM verdict WHERE verdict.id = old.verdict)"),
    # One that an incident still waits for stays, so that its answer is understood; a refused one, while it is asked for
    # again: how long was waited for it.
    Rule(
        "command",
        HISTORY_DAYS,
        "sent_at",
        """NOT EXISTS (
                SELECT FROM incident WHERE incident.org = old.org AND incident.subject = old.subject
                AND incident.condition = old.condition AND asked_command = old.id)
            AND NOT EXISTS (SELECT FROM watch WHERE watch.org = old.org AND watch.subject = old.subject
                            AND watch.condition = old.condition AND watch.cause = old.id)""",
        dated=True,
    ),
    # What a silence has held back goes with it, and it when nothing is left of that.
    Rule(
        "silence_held",
        SILENCES_DAYS,
        "old.at",
        "EXISTS (SELECT FROM silence WHERE silence.id = old.silence AND until_at IS NULL AND ends_at < {before})",
        order="old.silence",
    ),
    Rule(
        "silence",
        SILENCES_DAYS,
        "ends_at",
        "until_at IS NULL AND NOT EXISTS (SELECT FROM silence_held WHERE silence_held.silence = old.id)",
    ),
    Rule("hidden_change", HISTORY_DAYS, "at"),
    # The last one of an org says whose silence it explains.
    Rule(
        "loss",
        HISTORY_DAYS,
        "resumed_at",
        "EXISTS (SELECT FROM loss AS later WHERE later.org = old.org AND later.begun_at > old.begun_at)",
    ),
    Rule("shard_gap", HISTORY_DAYS, "to_at"),
    Rule("greeted", HISTORY_DAYS, "at", dated=True),
)


class Retention(Part):
    """Forgets now and every hour, in small transactions; while the database is away it is tried again in the next hour.
    Any number of replicas may: each leaves to the other what that one has in hand. `now` is the wall clock."""

    name = "retention"

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database, self._now = database, now

    async def run(self) -> None:
        await regularly(self.forget, every_s=_EVERY_S, name="retention")

    async def forget(self) -> dict[str, int]:
        """How many rows of which tables went."""
        forgotten: dict[str, int] = {}
        for rule in RULES:
            rows = await self._forget(rule)
            if rows:
                forgotten[rule.table] = rows
        if forgotten:
            log.info("retention.forgotten", **forgotten)
        return forgotten

    async def _forget(self, rule: Rule) -> int:
        before, forgotten = to_ms(self._now() - timedelta(days=rule.days)), 0
        while True:
            async with unit_of_work(self._database) as work:
                rows = (await work.connection.execute(rule.delete, {"before": before})).rowcount
            FORGOTTEN.labels(rule.table).inc(rows)
            forgotten += rows
            if rows < ROWS_PER_STATEMENT:
                return forgotten
            await asyncio.sleep(_BETWEEN_S)
