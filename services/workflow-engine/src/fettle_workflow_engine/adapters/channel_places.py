"""Places under a channel's cap, and the messages that found none. The channel's row is locked by whoever asks."""

import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.domain.caps import HOUR, LINE_LIMIT, has_place
from fettle_workflow_engine.domain.channels import Channel
from fettle_workflow_engine.domain.notifications import Message, title_of


async def take(connection: AsyncConnection, channel: Channel, id: UUID, now: datetime) -> bool:
    """Whether the message `id` has a place now, the one of its last try included if that is within the hour: it is
    kept for as long as the message is tried, so that what goes late goes under the cap too. One that was held back has
    none."""
    values = {"org": channel.org, "channel": channel.name, "id": id, "now": now, "since": now - HOUR}
    rows = await connection.execute(
        text("""
            SELECT EXISTS (SELECT FROM channel_sent WHERE id = :id AND at > :since) AS has_one,
                EXISTS (SELECT FROM held_message WHERE id = :id) AS was_held,
                EXISTS (SELECT FROM held_message
                        WHERE org = :org AND channel = :channel AND digest IS NULL) AS holding,
                (SELECT count(*) FROM channel_sent WHERE org = :org AND channel = :channel AND at > :since) AS sent
        """),
        values,
    )
    row = rows.one()
    if row.was_held:
        return False
    if not row.has_one and not has_place(sent=row.sent, cap=channel.hourly_cap, held=row.holding):
        return False
    await enter(connection, channel.org, channel.name, id, now)
    return True


async def enter(connection: AsyncConnection, org: str, channel: str, id: UUID, now: datetime) -> None:
    """Takes a place, or keeps the one that `id` has from now on."""
    await connection.execute(
        text("""
            INSERT INTO channel_sent (id, org, channel, at) VALUES (:id, :org, :channel, :now)
            ON CONFLICT (id) DO UPDATE SET at = excluded.at
        """),
        {"id": id, "org": org, "channel": channel, "now": now},
    )


async def hold(connection: AsyncConnection, message: Message, now: datetime) -> None:
    """Keeps a message for the digest; one that is kept already stays as it is."""
    await connection.execute(
        text("""
            INSERT INTO held_message (id, org, channel, at, workflow, run, recipients, line)
            VALUES (:id, :org, :channel, :now, :workflow, :run, CAST(:recipients AS json), :line)
            ON CONFLICT DO NOTHING
        """),
        {
            "id": message.id,
            "org": message.org,
            "channel": message.channel,
            "now": now,
            "workflow": message.workflow or "",
            "run": message.run or "",
            "recipients": json.dumps(sorted(message.to)),
            "line": title_of(message)[:LINE_LIMIT],
        },
    )
