"""Workflows and their versions in Postgres."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.domain.definition import Definition

_COLUMNS = "name, version, enabled, title, description, triggers, document, saved_at, saved_by, condition_problem"


@dataclass(frozen=True, slots=True)
class SavedWorkflow:
    """A workflow as it was saved last."""

    name: str
    version: int
    enabled: bool
    title: str
    description: str
    triggers: Sequence[str]
    document: str
    saved_at: datetime
    saved_by: str
    condition_problem: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class SavedVersion:
    """What a version of a workflow was made of."""

    version: int
    document: str
    saved_at: datetime
    saved_by: str


async def find(connection: AsyncConnection, org: str, name: str) -> SavedWorkflow | None:
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM workflow WHERE org = :org AND name = :name"),  # noqa: S608 - constant columns
        {"org": org, "name": name},
    )
    row = rows.one_or_none()
    return SavedWorkflow(*row) if row else None


async def page(connection: AsyncConnection, org: str, after: str, limit: int) -> list[SavedWorkflow]:
    """Workflows by name, those behind `after`."""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM workflow WHERE org = :org AND name > :after ORDER BY name LIMIT :limit"),  # noqa: S608 - constant columns
        {"org": org, "after": after, "limit": limit},
    )
    return [SavedWorkflow(*row) for row in rows]


async def versions_page(
    connection: AsyncConnection, org: str, name: str, before: int, limit: int
) -> list[SavedVersion]:
    """Versions from the newest on, those older than `before`."""
    rows = await connection.execute(
        text("""
            SELECT version, document, saved_at, saved_by FROM workflow_version
            WHERE org = :org AND name = :name AND version < :before ORDER BY version DESC LIMIT :limit
        """),
        {"org": org, "name": name, "before": before, "limit": limit},
    )
    return [SavedVersion(*row) for row in rows]


async def find_version(connection: AsyncConnection, org: str, name: str, version: int) -> SavedVersion | None:
    """A version of a workflow that is there; of one that was deleted nothing is shown."""
    rows = await connection.execute(
        text("""
            SELECT version, document, saved_at, saved_by FROM workflow_version
            WHERE org = :org AND name = :name AND version = :version
              AND EXISTS (SELECT FROM workflow WHERE org = :org AND name = :name)
        """),
        {"org": org, "name": name, "version": version},
    )
    row = rows.one_or_none()
    return SavedVersion(*row) if row else None


async def lock_org(connection: AsyncConnection, org: str) -> None:
    """Saves of one org go one after the other, so that two cannot make a loop together. Held until the transaction
    ends."""
    await connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:org, 7))"), {"org": org})


async def newest_version(connection: AsyncConnection, org: str, name: str) -> int:
    """The newest version's number under this name, of a workflow that was deleted too; 0 if there never was one."""
    found = await connection.scalar(
        text("SELECT coalesce(max(version), 0) FROM workflow_version WHERE org = :org AND name = :name"),
        {"org": org, "name": name},
    )
    return int(found)


async def save(
    connection: AsyncConnection, org: str, definition: Definition, document: str, version: int, by: str, now: datetime
) -> None:
    """Puts the workflow down as it is now, and its version if it is a new one."""
    values = {
        "org": org,
        "name": definition.workflow,
        "version": version,
        "enabled": definition.enabled,
        "title": definition.title,
        "description": definition.description,
        "triggers": sorted({trigger.on for trigger in definition.triggers}),
        "document": document,
        "now": now,
        "by": by,
    }
    await connection.execute(
        text("""
            INSERT INTO workflow
                (org, name, version, enabled, title, description, triggers, document, saved_at, saved_by)
            VALUES
                (:org, :name, :version, :enabled, :title, :description, CAST(:triggers AS text[]), :document, :now, :by)
            ON CONFLICT (org, name) DO UPDATE SET
                version = excluded.version, enabled = excluded.enabled, title = excluded.title,
                description = excluded.description, triggers = excluded.triggers, document = excluded.document,
                saved_at = excluded.saved_at, saved_by = excluded.saved_by, condition_problem = NULL
        """),
        values,
    )
    await connection.execute(
        text("""
            INSERT INTO workflow_version (org, name, version, document, saved_at, saved_by, watches)
            VALUES (:org, :name, :version, :document, :now, :by, :watches)
            ON CONFLICT DO NOTHING
        """),
        {
            **{name: values[name] for name in ("org", "name", "version", "document", "now", "by")},
            "watches": any("until_ticket" in action.fields for action in definition.actions),
        },
    )


async def delete(connection: AsyncConnection, org: str, name: str) -> bool:
    """Whether there was one. Its versions stay for the runs that follow them."""
    gone = await connection.execute(
        text("DELETE FROM workflow WHERE org = :org AND name = :name"), {"org": org, "name": name}
    )
    return bool(gone.rowcount)


async def version_of(connection: AsyncConnection, org: str, name: str) -> int | None:
    """By which it would start now; None when there is no such workflow."""
    found: int | None = await connection.scalar(
        text("SELECT version FROM workflow WHERE org = :org AND name = :name"), {"org": org, "name": name}
    )
    return found


async def note_condition_problems(
    connection: AsyncConnection, problems: Mapping[tuple[str, str], Mapping[str, Any]]
) -> None:
    """Keeps, per org and workflow, the last condition that could not be decided."""
    if not problems:
        return
    ordered = sorted(problems)
    await connection.execute(
        text("""
            UPDATE workflow SET condition_problem = CAST(new.problem AS json)
            FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[]), CAST(:problems AS text[]))
                 AS new (org, name, problem)
            WHERE workflow.org = new.org AND workflow.name = new.name
        """),
        {
            "orgs": [org for org, _ in ordered],
            "names": [name for _, name in ordered],
            "problems": [json.dumps(problems[one]) for one in ordered],
        },
    )
