"""The real shards and the real correlator over one history: what they show, decide, and leave open."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid5

from correlator_world import CorrelatorWorld, Row
from org_histories import History, batches, judged
from org_oracle import Ended, Moved, Quiet
from sqlalchemy import text
from tests.verdict_books import add_up

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.results import CommandResult, Outcome, ResultTicket
from fettle_contracts.ticket import TicketState
from fettle_contracts.times import to_ms
from fettle_health_monitor.adapters.correlator import books
from fettle_health_monitor.domain.correlator.silences import Schedule

TICKETS = UUID("00000000-0000-5000-8000-000000000001")


@dataclass
class Seen:
    moved: list[Moved]
    ended: list[Ended]
    open: set[str]
    outages: list[tuple[int, int, int, int | None]]


@dataclass
class TicketDesk:
    """A ticket service as small as can be: it does what it is told, and says so."""

    numbers: dict[str, int] = field(default_factory=dict)
    open: set[str] = field(default_factory=set)
    versions: Counter[str] = field(default_factory=Counter)
    given: int = 0

    def handle(self, command: Row) -> CommandResult:
        body = command.body
        key = body["dedup_key"] if command.verb == "open" else body["ticket"]["dedup_key"]
        known = key in self.open
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
    for quiet in history.quiet:
        await silence(world, quiet)
    desk = TicketDesk()
    for batch in batches(judged(history, 2), steps):
        await world.feed(*batch)
        results = [desk.handle(command) for command in await world.outbox("ticket.commands")]
        if results:
            async with unit_of_work(world.database) as work:
                await world.tickets.take_results(work, results)
            await world.clear()
    return Seen(await moved(world, history.until), await ended(world), desk.open, await outages(world))


async def silence(world: CorrelatorWorld, quiet: Quiet) -> None:
    await world.silence(Schedule(quiet.start, (quiet.end - quiet.start) // 1000), quiet.subject)


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
