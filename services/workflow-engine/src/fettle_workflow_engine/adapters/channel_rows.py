"""Channels in Postgres."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.domain.caps import HOUR
from fettle_workflow_engine.domain.channels import Channel, Kind, read_settings, shown

_COLUMNS = "org, name, kind, settings, hourly_cap, saved_at, saved_by"


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a channel has sent within the hour, what it holds back, and why its digest could not be sent last."""

    sent: int
    held: int
    digest_error: dict[str, str] | None


async def find(connection: AsyncConnection, org: str, name: str, *, locked: bool = False) -> Channel | None:
    """The channel; `locked` until the transaction ends, so that two cannot take its last place together."""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM channel WHERE org = :org AND name = :name {'FOR UPDATE' if locked else ''}"),  # noqa: S608 - constants
        {"org": org, "name": name},
    )
    row = rows.one_or_none()
    return _channel(row) if row else None


async def page(connection: AsyncConnection, org: str, after: str, limit: int) -> list[Channel]:
    """Channels by name, those behind `after`."""
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM channel WHERE org = :org AND name > :after ORDER BY name LIMIT :limit"),  # noqa: S608 - constant columns
        {"org": org, "after": after, "limit": limit},
    )
    return [_channel(row) for row in rows]


async def traffic(connection: AsyncConnection, org: str, names: list[str], now: datetime) -> dict[str, Traffic]:
    """Of each of these channels."""
    rows = await connection.execute(
        text("""
            SELECT name,
                (SELECT count(*) FROM channel_sent WHERE org = :org AND channel = name AND at > :since) AS sent,
                (SELECT count(*) FROM held_message LEFT JOIN digest ON digest.id = held_message.digest
                 WHERE held_message.org = :org AND held_message.channel = name AND digest.sent_at IS NULL) AS held,
                (SELECT error FROM digest WHERE org = :org AND channel = name AND sent_at IS NULL
                 AND error IS NOT NULL ORDER BY made_at LIMIT 1) AS error
            FROM unnest(CAST(:names AS text[])) AS wanted (name)
        """),
        {"org": org, "names": names, "since": now - HOUR},
    )
    return {row.name: Traffic(row.sent, row.held, row.error) for row in rows}


async def save(connection: AsyncConnection, channel: Channel) -> bool:
    """Whether it is a new one. A digest that waits for its next try is tried at once."""
    new = await connection.scalar(
        text("""
            INSERT INTO channel (org, name, kind, settings, hourly_cap, saved_at, saved_by)
            VALUES (:org, :name, :kind, CAST(:settings AS json), :hourly_cap, :saved_at, :saved_by)
            ON CONFLICT (org, name) DO UPDATE SET
                kind = excluded.kind, settings = excluded.settings, hourly_cap = excluded.hourly_cap,
                saved_at = excluded.saved_at, saved_by = excluded.saved_by
            RETURNING (xmax = 0)
        """),
        {
            "org": channel.org,
            "name": channel.name,
            "kind": channel.kind,
            "settings": json.dumps(shown(channel.settings)),
            "hourly_cap": channel.hourly_cap,
            "saved_at": channel.saved_at,
            "saved_by": channel.saved_by,
        },
    )
    await connection.execute(
        text("""
            UPDATE digest SET due_at = :now
            WHERE org = :org AND channel = :name AND sent_at IS NULL AND error IS NOT NULL
        """),
        {"org": channel.org, "name": channel.name, "now": channel.saved_at},
    )
    return bool(new)


async def delete(connection: AsyncConnection, org: str, name: str) -> bool:
    """Whether there was one. What it held back goes with it."""
    gone = await connection.execute(
        text("DELETE FROM channel WHERE org = :org AND name = :name"), {"org": org, "name": name}
    )
    return bool(gone.rowcount)


async def all_of(connection: AsyncConnection, org: str) -> list[Channel]:
    rows = await connection.execute(
        text(f"SELECT {_COLUMNS} FROM channel WHERE org = :org ORDER BY name"),  # noqa: S608 - constant columns
        {"org": org},
    )
    return [_channel(row) for row in rows]


def _channel(row: Row[Any]) -> Channel:
    kind = Kind(row.kind)
    settings = read_settings(kind, row.settings)
    return Channel(row.org, row.name, kind, settings, row.hourly_cap, row.saved_at, row.saved_by)
