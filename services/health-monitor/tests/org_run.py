"""The real shards and the real correlator over one history: what they show, decide, and leave open."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from uuid import UUID, uuid5

from correlator_world import WALL, CorrelatorWorld, Row
from org_histories import History, batches, cut, judged
from org_quiet import Made
from org_words import VERSION, Ended, Moved
from sqlalchemy import text
from tests.verdict_books import add_up

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.results import CommandResult, Outcome, Reason, ResultTicket
from fettle_contracts.ticket import TicketState
from fettle_contracts.times import from_ms, parse_time, to_ms
from fettle_health_monitor.adapters.correlator import books

NEVER = 0
"""The second of what does not happen."""

Removal: TypeAlias = tuple[UUID, int | None]
TICKETS = UUID("00000000-0000-5000-8000-000000000001")


@dataclass
class Seen:
    moved: list[Moved]
    ended: list[Ended]
    open: set[str]
    outages: list[tuple[int, int, int, int | None]]


@dataclass
class TicketDesk:
    """A ticket service as small as can be: it does what it is told, and says so. It refuses, for good, what is asked
    for at these times."""

    refuses: Sequence[tuple[int, int]] = ()

    numbers: dict[str, int] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    versions: Counter[str] = field(default_factory=Counter)
    given: int = 0

    def handle(self, command: Row) -> CommandResult:
        body = command.body
        key = body["dedup_key"] if command.verb == "open" else body["ticket"]["dedup_key"]
        known = key in self.open
        if self._refuses(key, body if command.verb == "open" else None):
            return CommandResult(
                org=command.key,
                command_id=command.event.id,
                verb=command.verb,
                outcome=Outcome.REJECTED,
                reason=Reason(code="key_invalid", message="It is refused."),
            )
        if key not in self.numbers:
            self.given += 1
            self.numbers[key] = self.given
        if command.verb == "open":
            self.open.add(key)
        elif command.verb == "resolve":
            self.open.discard(key)
        self.versions[key] += 1
        state = TicketState.OPEN if key in self.open else TicketState.RESOLVED
        changed = (key in self.open) != known
        ticket = ResultTicket(id=uuid5(TICKETS, key), number=self.numbers[key], state=state, version=self.versions[key])
        if body.get("resolution") == "merged":
            del self.numbers[key], self.versions[key]
        return CommandResult(
            org=command.key,
            command_id=command.event.id,
            verb=command.verb,
            outcome=Outcome.APPLIED if changed else Outcome.UNCHANGED,
            ticket=ticket,
        )

    def _refuses(self, key: str, opens: Mapping[str, Any] | None) -> bool:
        """What came of a refused one is told of no ticket either."""
        if opens is None:
            return bool(self.refuses) and key not in self.numbers
        at = to_ms(parse_time(opens["at"]))
        return key not in self.open and any(start <= at < end for start, end in self.refuses)


async def forget_everything(world: CorrelatorWorld) -> None:
    """An empty database, as after the migration. The books of what was there must add up."""
    async with world.database.reading() as connection:
        add_up(await books.hours(connection, since=0))
    keep = "('alembic_version', 'control_counter')"
    query = f"SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN {keep}"
    names = await world.rows(query)
    async with unit_of_work(world.database) as work:
        await work.connection.execute(text(f"TRUNCATE {', '.join(row.tablename for row in names)} RESTART IDENTITY"))


async def run(world: CorrelatorWorld, history: History, steps: Sequence[tuple[int, int]]) -> Seen:
    await forget_everything(world)
    await world.tell("acme")
    await world.put(history.policy)
    await world.clear()
    silences = await silence(world, history.made)
    seconds = sorted(silences.keys() - {NEVER})
    desk = TicketDesk(refuses=history.refuses)
    for piece, second in zip(cut(judged(history, VERSION), seconds), [*seconds, NEVER], strict=True):
        for batch in batches(piece, steps):
            await world.feed(*batch)
            results = [desk.handle(command) for command in await world.outbox("ticket.commands")]
            if results:
                async with unit_of_work(world.database) as work:
                    await world.tickets.take_results(work, results)
                await world.clear()
        await unsilence(world, silences.get(second, ()))
    return Seen(await moved(world, history.until), await ended(world), desk.open, await outages(world))


async def silence(world: CorrelatorWorld, made: Sequence[Made]) -> dict[int, list[Removal]]:
    """Makes them, and says in which second each must be removed: that of the log, which has judged up to its
    beginning."""
    removals: dict[int, list[Removal]] = {}
    world.wall = WALL
    for each in made:
        id = await world.silence(each.schedule, each.subject)
        at = each.removed_at
        removals.setdefault(NEVER if at is None else at // 1000, []).append((id, at))
    return removals


async def unsilence(world: CorrelatorWorld, removals: Sequence[Removal]) -> None:
    for id, at in removals:
        if at is not None:
            world.wall = from_ms(at)
            await world.unsilence(id)


async def moved(world: CorrelatorWorld, until: int) -> list[Moved]:
    rows = await world.rows(
        """
            SELECT at, subject, from_state, to_state, condition, CAST(body->>'since' AS timestamptz) AS since,
                   CAST(body->>'policy_version' AS integer) AS policy_version
            FROM transition WHERE at < :until ORDER BY position
        """,
        until=until,
    )
    return [
        Moved(row.at, row.subject, row.from_state, row.to_state, row.condition, to_ms(row.since), row.policy_version)
        for row in rows
    ]


async def ended(world: CorrelatorWorld) -> list[Ended]:
    rows = await world.rows("SELECT at, subject, outcome FROM outcome ORDER BY at, subject")
    return [Ended(row.at, row.subject, row.outcome) for row in rows]


async def outages(world: CorrelatorWorld) -> list[tuple[int, int, int, int | None]]:
    rows = await world.rows("SELECT begun_at, since_at, counted, resumed_at FROM loss ORDER BY begun_at")
    return [(row.begun_at, row.since_at, row.counted, row.resumed_at) for row in rows]
