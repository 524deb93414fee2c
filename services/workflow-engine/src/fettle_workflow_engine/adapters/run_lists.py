"""Runs as people look at them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.ticket_events import SOURCE
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.domain.advance import run_id_for
from fettle_workflow_engine.domain.run import RunState
from fettle_workflow_engine.domain.secrets import legible

_COLUMNS = "id, workflow, version, state, trigger, event_id, depth, started_at, timeout_at, ended_at, error, rerun_of"
_STEP_COLUMNS = (
    "node", "state", "input", "output", "error", "command_id", "attempts", "started_at", "ended_at", "wake_at",
    "ticket", "watches",
)  # fmt: skip
_WHOLE = text(f"""
    SELECT {", ".join(f"run.{name}" for name in _COLUMNS.split(", "))},
           CASE WHEN row_number() OVER (ORDER BY place) = 1 THEN event END AS event,
           {", ".join(f"step.{name} AS step_{name}" for name in _STEP_COLUMNS)}
    FROM run LEFT JOIN step ON step.run_id = run.id
    WHERE run.org = :org AND run.id = :id ORDER BY place
""")  # noqa: S608 - constant columns


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs: of one workflow, in one state, started by one of the `events` of tickets, or of all; older than
    `before`, the place of a run."""

    workflow: str | None = None
    state: RunState | None = None
    events: Sequence[str] = ()
    before: tuple[datetime, UUID] | None = None


async def page(connection: AsyncConnection, org: str, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
    """Runs from the newest on."""
    conditions = ["org = :org"]
    values: dict[str, Any] = {"org": org, "limit": limit}
    if wanted.workflow is not None:
        conditions.append("workflow = :workflow")
        values["workflow"] = wanted.workflow
    if wanted.state is not None:
        conditions.append("state = :state")
        values["state"] = wanted.state
    if wanted.events:
        conditions.append("id = ANY(:ids)")
        values["ids"] = await _ids_of_runs(connection, org, wanted.events)
    if wanted.before is not None:
        conditions.append("(started_at, id) < (:at, :id)")
        values["at"], values["id"] = wanted.before
    rows = await connection.execute(
        text(f"""
            SELECT {_COLUMNS} FROM run WHERE {" AND ".join(conditions)}
            ORDER BY started_at DESC, id DESC LIMIT :limit
        """),  # noqa: S608 - constant columns and conditions
        values,
    )
    return [_run(row) for row in rows]


async def _ids_of_runs(connection: AsyncConnection, org: str, events: Sequence[str]) -> list[UUID]:
    """The ids that runs by these events have if there are any: of each workflow that the org ever had, one an event."""
    names = await connection.scalars(text("SELECT DISTINCT name FROM workflow_version WHERE org = :org"), {"org": org})
    return [run_id_for(org, name, SOURCE, event) for name in names for event in events]


async def find(connection: AsyncConnection, org: str, run_id: UUID) -> dict[str, Any] | None:
    """One run with the event that started it and its nodes, in the order in which it reached them: all as of one
    moment, though the run goes on."""
    rows = (await connection.execute(_WHOLE, {"org": org, "id": run_id})).all()
    if not rows:
        return None
    steps = [{name: getattr(row, f"step_{name}") for name in _STEP_COLUMNS} for row in rows if row.step_node]
    return {**_run(rows[0]), "event": rows[0].event, "nodes": [_step(step) for step in steps]}


def _run(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "workflow": row.workflow,
        "version": row.version,
        "state": row.state,
        "trigger": row.trigger,
        "event_id": row.event_id,
        "depth": row.depth,
        "started_at": rfc3339(row.started_at),
        "timeout_at": rfc3339(row.timeout_at),
        "ended_at": _time(row.ended_at),
        "error": row.error,
        "rerun_of": str(row.rerun_of) if row.rerun_of else None,
    }


def _step(row: Mapping[Any, Any]) -> dict[str, Any]:
    return {
        "node": row["node"],
        "state": row["state"],
        "input": legible(row["input"]),
        "output": row["output"],
        "error": row["error"],
        "command_id": str(row["command_id"]) if row["command_id"] else None,
        "attempts": row["attempts"],
        "started_at": rfc3339(row["started_at"]),
        "ended_at": _time(row["ended_at"]),
        "wake_at": _time(row["wake_at"]),
        "watches": {"ticket": str(row["ticket"]), **row["watches"]} if row["ticket"] else None,
    }


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
