"""Digests in Postgres: made of what a channel held back, sent until it works."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_workflow_engine.adapters import channel_places, channel_rows
from fettle_workflow_engine.adapters.due_rows import HOLDING
from fettle_workflow_engine.domain.caps import HOUR, TOLD_AT_ONCE, Held, digest_has_place, digest_id, digest_of
from fettle_workflow_engine.domain.channels import Channel
from fettle_workflow_engine.domain.notifications import Message
from fettle_workflow_engine.domain.run import Failure

LEASE = timedelta(minutes=3)
"""Longer than any sending may take: nobody else tries meanwhile."""

_HOLDING = text(f"{HOLDING} ORDER BY org, channel")

_SENT = text("SELECT count(*) FROM channel_sent WHERE org = :org AND channel = :channel AND at > :since")

_OLDEST = text("""
    SELECT id FROM held_message
    WHERE org = :org AND channel = :channel AND digest IS NULL AND recipients::text = (
        SELECT recipients::text FROM held_message WHERE org = :org AND channel = :channel AND digest IS NULL
        ORDER BY at, id LIMIT 1)
    ORDER BY at, id LIMIT :most
""")

_UNSENT = text("SELECT EXISTS (SELECT FROM digest WHERE org = :org AND channel = :channel AND sent_at IS NULL)")

_DUE = text("""
    SELECT id, org, channel, attempts FROM digest WHERE sent_at IS NULL AND due_at <= :now
    ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
""")


Place = tuple[str, str]
"""A channel's org and name."""


@dataclass(frozen=True, slots=True)
class Due:
    """A digest to be sent. `attempts` counts this one."""

    id: UUID
    org: str
    channel: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Digest:
    """What is sent, and by what."""

    channel: Channel
    message: Message


async def holding(connection: AsyncConnection) -> list[Place]:
    """The channels that hold messages back and have no digest under way."""
    return [(row.org, row.channel) for row in await connection.execute(_HOLDING)]


async def make(connection: AsyncConnection, channels: Sequence[Place], now: datetime) -> int:
    """Makes a digest for each of these channels that holds messages back, has none under way and has a place for one;
    returns how many."""
    made = 0
    for org, name in channels:
        channel = await channel_rows.find(connection, org, name, locked=True)
        values = {"org": org, "channel": name, "since": now - HOUR, "most": TOLD_AT_ONCE}
        if channel is None or await connection.scalar(_UNSENT, values):
            continue
        sent = await connection.scalar(_SENT, values)
        held = list(await connection.scalars(_OLDEST, values))
        if not held or not digest_has_place(sent=sent or 0, cap=channel.hourly_cap):
            continue
        await _put(connection, channel, held, now)
        made += 1
    return made


async def lease(connection: AsyncConnection, now: datetime, limit: int) -> list[Due]:
    """Digests that are due, for the caller alone until the lease is over."""
    rows = list(await connection.execute(_DUE, {"now": now, "limit": limit}))
    values = {"now": now, "until": now + LEASE, "ids": [row.id for row in rows]}
    await connection.execute(
        text("""
            UPDATE digest SET due_at = :until, attempts = attempts + 1 WHERE id = ANY (CAST(:ids AS uuid[]))
        """),
        values,
    )
    # Its place stays its own for as long as it is tried: pauses are shorter than an hour.
    await connection.execute(text("UPDATE channel_sent SET at = :now WHERE id = ANY (CAST(:ids AS uuid[]))"), values)
    return [Due(row.id, row.org, row.channel, row.attempts + 1) for row in rows]


async def sent(connection: AsyncConnection, id: UUID, now: datetime) -> None:
    await connection.execute(
        text("UPDATE digest SET sent_at = :now, error = NULL WHERE id = :id AND sent_at IS NULL"),
        {"id": id, "now": now},
    )


async def failed(connection: AsyncConnection, id: UUID, failure: Failure, again_at: datetime) -> None:
    await connection.execute(
        text("UPDATE digest SET due_at = :at, error = CAST(:error AS json) WHERE id = :id AND sent_at IS NULL"),
        {"id": id, "at": again_at, "error": json.dumps({"code": failure.code, "message": failure.message})},
    )


async def _put(connection: AsyncConnection, channel: Channel, held: list[UUID], now: datetime) -> None:
    id = digest_id(held[0])
    await channel_places.enter(connection, channel.org, channel.name, id, now)
    await connection.execute(
        text("""
            INSERT INTO digest (id, org, channel, made_at, due_at, attempts) VALUES (:id, :org, :channel, :now, :now, 0)
        """),
        {"id": id, "org": channel.org, "channel": channel.name, "now": now},
    )
    await connection.execute(
        text("UPDATE held_message SET digest = :digest WHERE id = ANY (CAST(:held AS uuid[]))"),
        {"digest": id, "held": held},
    )


async def read(connection: AsyncConnection, due: Due) -> Digest | None:
    """None for one whose channel is gone."""
    channel = await channel_rows.find(connection, due.org, due.channel)
    told = list(
        await connection.execute(
            text("""
                SELECT id, at, workflow, run, line, recipients FROM held_message WHERE digest = :id ORDER BY at, id
            """),
            {"id": due.id},
        )
    )
    if channel is None or not told:
        return None
    waiting = await connection.scalar(
        text("SELECT count(*) FROM held_message WHERE org = :org AND channel = :channel AND digest IS NULL"),
        {"org": due.org, "channel": due.channel},
    )
    message = digest_of(
        due.id, due.org, due.channel, [Held(one.id, one.at, one.workflow, one.run, one.line) for one in told],
        cap=channel.hourly_cap, waiting=waiting or 0, to=tuple(told[0].recipients),
    )  # fmt: skip
    return Digest(channel, message)
