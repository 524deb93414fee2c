"""The timers of who is shown otherwise than judged, when the log of their shard begins anew."""

from collections.abc import Collection

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_health_monitor.adapters.correlator import progress
from fettle_health_monitor.adapters.correlator.losses import SHOWN, now_of
from fettle_health_monitor.adapters.correlator.watches import Shown
from fettle_health_monitor.domain.correlator.fresh_times import NOT_RUNNING

_BEGIN_ANEW = text(f"""
    UPDATE unseen_subject AS unseen SET generation = now.generation, start_clock = now.clock,
                                        due_clock = now.clock + due_clock - start_clock
    FROM {SHOWN}
    WHERE unseen.partition = now.partition AND unseen.shard = now.shard AND unseen.generation < now.generation
      AND unseen.generation <> {NOT_RUNNING}
""")  # noqa: S608

_OUT_BY = text(f"""
    SELECT org, subject, unseen.partition, unseen.shard, start_clock, due_clock
    FROM unseen_subject AS unseen JOIN {SHOWN}
         ON unseen.partition = now.partition AND unseen.shard = now.shard AND unseen.generation = now.generation
    WHERE due_clock <= now.clock ORDER BY org, subject FOR UPDATE OF unseen
""")  # noqa: S608

_RAN_OUT = text("""
    UPDATE unseen_subject AS unseen SET start_clock = kept.start_clock, due_clock = kept.due_clock
    FROM unnest(CAST(:orgs AS text[]), CAST(:subjects AS text[]), CAST(:start_clocks AS bigint[]),
                CAST(:due_clocks AS bigint[])) AS kept (org, subject, start_clock, due_clock)
    WHERE unseen.org = kept.org AND unseen.subject = kept.subject
""")


async def begin_anew(connection: AsyncConnection, clocks: Collection[Shown], ended: Collection[Shown]) -> None:
    """Shards whose log began anew: timers last their whole length on the new clock. What had run out by the last clock
    of the log that has `ended`, and is not taken in yet, has run out."""
    rows = (await connection.execute(_OUT_BY, now_of(ended))).all()
    await connection.execute(_BEGIN_ANEW, now_of(clocks))
    if not rows:
        return
    last = {(partition, clock.shard): clock for partition, clock in ended}
    shown = {partition: await progress.clocks(connection, partition) for partition in {row.partition for row in rows}}
    kept: list[tuple[int, int]] = []
    for row in rows:
        now = shown[row.partition][row.shard]
        due_at = last[row.partition, row.shard].with_holes(now.holes).instant_of(row.due_clock)
        due_clock = now.back_at(due_at).clock
        kept.append((due_clock - (row.due_clock - row.start_clock), due_clock))
    await connection.execute(
        _RAN_OUT,
        {
            "orgs": [row.org for row in rows],
            "subjects": [row.subject for row in rows],
            "start_clocks": [start for start, _ in kept],
            "due_clocks": [due for _, due in kept],
        },
    )
