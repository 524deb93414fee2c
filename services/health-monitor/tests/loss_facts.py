"""A fleet whose heartbeats stop arriving: what its shards say, and what the world is shown."""

from collections import Counter
from typing import Any

from correlator_facts import T0, change, next_place
from correlator_world import CorrelatorWorld
from rollup_facts import devices

from fettle_health_monitor.domain.judgements import Change, Evidence, HeardAgain

LONG_AGO = T0 - 1_000_000
GONE = T0 + 100_000
"""When the first of them fires."""


def evidence(
    at: int, *, deadline: int | None, status: str = "ok", heard: int | None = None, timeout_s: float = 3.0
) -> Evidence:
    if heard is None:
        heard = at if deadline is None else deadline - 3_000
    return Evidence(
        last_heard=heard, deadline=deadline, partition=0, offset=1, status=status, timeout_s=timeout_s, debounce_s=2.0
    )


def silent(subject: str, at: int, **more: Any) -> Change:
    """Too long at this instant."""
    fields = {"since": at, "reason": "silent", "evidence": evidence(at, deadline=at), **more}
    return change(subject, "healthy", "pending_open", at=at, **fields)


def fires(subject: str, at: int, **more: Any) -> Change:
    """Silent for two seconds more than its timeout."""
    fields = {"since": at - 2_000, "reason": "debounce_passed", "evidence": evidence(at, deadline=at - 2_000), **more}
    return change(subject, "pending_open", "firing", at=at, **fields)


def heard(subject: str, at: int, from_: str = "firing", **more: Any) -> Change:
    """Well again, says its heartbeat."""
    to = {"firing": "pending_resolve", "pending_open": "healthy", "pending_resolve": "healthy"}[from_]
    fields = {"since": at, "reason": "reported", "evidence": evidence(at, deadline=None), **more}
    return change(subject, from_, to, at=at, **fields)


def says_offline(subject: str, at: int) -> HeardAgain:
    return HeardAgain(
        shard=0,
        generation=1,
        place=next_place(),
        org="acme",
        subject=subject,
        condition="device_offline",
        status="offline",
        at=at,
    )


async def fleet(world: CorrelatorWorld, count: int = 12, integrations: int = 2, shards: int = 1) -> list[str]:
    """Devices that have been healthy for long, one after the other behind each of the integrations and of each of the
    shards."""
    everybody = devices(count)
    for number, subject in enumerate(everybody):
        await world.feed(world.profile(subject, integration=f"hue-{number % integrations + 1}", name=subject[7:]))
    well = evidence(LONG_AGO, deadline=None)
    is_well: dict[str, Any] = {"at": LONG_AGO, "condition": None, "evidence": well}
    await world.feed(
        *(change(each, None, "healthy", **is_well, shard=number % shards) for number, each in enumerate(everybody))
    )
    await world.clear()
    return everybody


async def fall_silent(world: CorrelatorWorld, subjects: list[str], at: int = GONE, shards: int = 1) -> None:
    """One after the other, a millisecond each; the first of them fires at `at`."""
    await world.feed(
        *(silent(each, at - 2_000 + number, shard=number % shards) for number, each in enumerate(subjects))
    )
    await world.tick(at - 1_000)
    await world.feed(*(fires(each, at + number, shard=number % shards) for number, each in enumerate(subjects)))
    await world.tick(at + 1_000)


async def states(world: CorrelatorWorld) -> Counter[str]:
    return Counter(row.state for row in await world.rows("SELECT state FROM subject WHERE subject LIKE 'device/%'"))


async def state_of(world: CorrelatorWorld, subject: str) -> str:
    (row,) = await world.rows("SELECT state FROM subject WHERE subject = :subject", subject=subject)
    return str(row.state)


async def story(world: CorrelatorWorld, subject: str, after: int = LONG_AGO) -> list[tuple[int, str, str]]:
    """The transitions of a subject that were shown: when (from `GONE` on), from where, to where."""
    query = "SELECT at, from_state, to_state FROM transition WHERE subject = :subject AND at > :after ORDER BY position"
    rows = await world.rows(query, subject=subject, after=after)
    return [(row.at - GONE, row.from_state, row.to_state) for row in rows]


async def everything_is_on_record(world: CorrelatorWorld) -> None:
    """What shards have said is in the history, or kept as not shown, or waits: each change in one of them."""
    query = """
        SELECT id::text FROM transition WHERE NOT laid_over
        UNION ALL SELECT id::text FROM hidden_change
        UNION ALL SELECT judgement ->> 'id' FROM held_judgement WHERE judgement ->> 'kind' = 'change'
    """
    found = Counter(row.id for row in await world.rows(query))
    assert found == Counter(world.fed.keys())


async def interval(world: CorrelatorWorld) -> Any:
    (row,) = await world.rows("SELECT * FROM loss")
    return row
