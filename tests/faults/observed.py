"""What the monitor has put on record about itself: times that nobody observed, and every change of state."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import Any

import asyncpg

from tests.installation import Installation
from tests.outside import read_all

HOLE_MS = 5_000


def check_gaps(installation: Installation) -> int:
    """Each stretch without a record of each partition is on record once, as long as it was, and nothing else is. Those
    in which a shard stood still are over and do not overlap. Answers with how many holes there are."""
    holes = Counter(holes_of(installation))
    rows = rows_of(installation, "SELECT shard, kind, from_at, to_at FROM shard_gap ORDER BY shard, from_at")
    recorded = Counter((row["shard"], row["from_at"], row["to_at"]) for row in rows if row["kind"] == "unobserved")
    assert recorded == holes, f"on record: {recorded - holes}, missing: {holes - recorded}"
    until: dict[int, int] = defaultdict(int)
    for row in rows:
        if row["kind"] == "stalled":
            assert row["to_at"] is not None, dict(row)
            assert row["from_at"] >= until[row["shard"]], dict(row)
            until[row["shard"]] = row["to_at"]
    return len(holes)


def holes_of(installation: Installation) -> list[tuple[int, int, int]]:
    """Partition, from, to: as the log itself shows them."""
    bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    last: dict[int, int] = {}
    holes = []
    for record in read_all(bootstrap, installation.topic("device.heartbeats")):
        before = last.get(record.partition, record.timestamp_ms)
        if record.timestamp_ms - before >= HOLE_MS:
            holes.append((record.partition, before, record.timestamp_ms))
        last[record.partition] = record.timestamp_ms
    return holes


def check_transitions(installation: Installation) -> dict[str, int]:
    """Under one id always the same content, and each subject's transitions follow one another without a gap. Answers
    with how many there are by the state they lead to."""
    bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    content: dict[str, bytes] = {}
    state: dict[tuple[str, str], str | None] = {}
    counted: Counter[str] = Counter()
    for record in read_all(bootstrap, installation.topic("health.transitions")):
        if record.id in content:
            assert content[record.id] == record.value, record.id
            continue
        content[record.id] = record.value
        body = record.json()
        subject = (body["org"], f"{body['subject']['type']}/{body['subject']['id']}")
        assert body["from"] == state.get(subject), (subject, state.get(subject), body)
        state[subject] = body["to"]
        counted[str(body["to"])] += 1
    kept = Counter(row["id"] for row in rows_of(installation, "SELECT id::text FROM transition"))
    told = Counter(list(content))
    assert kept == told, f"only in the history: {kept - told}, only on the topic: {told - kept}"
    return dict(counted)


def rows_of(installation: Installation, query: str) -> list[Any]:
    """What the monitor's database answers."""
    return asyncio.run(_rows(installation.environment["FETTLE_HEALTH_DATABASE_URL"], query))


async def _rows(url: str, query: str) -> list[Any]:
    session = await asyncpg.connect(url)
    try:
        return list(await session.fetch(query))
    finally:
        await session.close()
