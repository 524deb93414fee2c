"""The real shards and the real correlator over a history with shared tickets and people: what becomes of tickets."""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from correlator_world import CorrelatorWorld, Row
from org_books import Deed, Entry
from org_histories import batches, cut, judged
from org_run import NEVER, forget_everything, moved, silence, unsilence
from org_shared_histories import SharedHistory
from org_words import VERSION, Ended, Moved

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.people import Actor, ActorType, Subject
from fettle_contracts.results import CommandResult, Outcome, ResultTicket
from fettle_contracts.ticket import Resolution, Ticket, TicketSource, TicketState
from fettle_contracts.ticket_events import Entry as TicketEntry
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.times import from_ms, parse_time, to_ms
from fettle_health_monitor.correlator.tickets import OwnTicketEvent
from fettle_health_monitor.domain.correlator.commands import read_dedup_key

NOTHING_MORE = frozenset({"merged", "superseded", "removed"})


@dataclass
class Held:
    """A ticket: its number and version, whether it is open, and who is on its list."""

    number: int
    version: int = 0
    open: bool = True
    ended: str = ""
    members: dict[str, bool] = field(default_factory=dict)


@dataclass
class Desk:
    """A ticket service that keeps lists: it does what it is told, and so do people."""

    tickets: dict[str, Held] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)

    @property
    def open(self) -> set[str]:
        return {key for key, held in self.tickets.items() if held.open}

    def handle(self, command: Row) -> CommandResult | None:
        body = command.body
        if command.verb == "comment":
            return None
        key = body["dedup_key"] if command.verb == "open" else self._meant(body["ticket"])
        if key is None:
            return None
        at, beside = to_ms(parse_time(body["at"])), (body.get("parent") or {}).get("dedup_key")
        before = len(self.entries)
        if command.verb == "open":
            self._open(key, at, beside)
        elif command.verb == "resolve":
            self._resolve(key, at, body["resolution"], beside)
        else:
            members = self.tickets[key].members
            members |= {f"{each['type']}/{each['id']}": False for each in body.get("add", ())}
            well = [f"{each['type']}/{each['id']}" for each in body.get("recovered", ())]
            members |= {name: True for name in well if name in members}
        held = self.tickets.get(key)
        assert held is not None, f"{command.verb} of {key}"
        held.version += 1
        state = TicketState.OPEN if held.open else TicketState.RESOLVED
        return CommandResult(
            org=command.key,
            command_id=command.event.id,
            verb=command.verb,
            outcome=Outcome.APPLIED if len(self.entries) > before else Outcome.UNCHANGED,
            ticket=ResultTicket(id=UUID(int=held.number), number=held.number, state=state, version=held.version),
        )

    def _meant(self, named: Mapping[str, str]) -> str | None:
        """The key of the ticket; None for one that a later one of its key has followed, which is not kept."""
        if "id" not in named:
            return named["dedup_key"]
        return next((key for key, held in self.tickets.items() if UUID(int=held.number) == UUID(named["id"])), None)

    def _open(self, key: str, at: int, beside: str | None) -> None:
        held = self.tickets.get(key)
        if held is not None and held.open:
            return
        if held is None or held.ended in NOTHING_MORE:
            self.tickets[key] = Held(1 + sum(1 for each in self.entries if each.what == "open"))
        else:
            held.open = True
        self.entries.append(Entry(at, key, "open", beside))

    def _resolve(self, key: str, at: int, resolution: str, beside: str | None) -> None:
        held = self.tickets[key]
        if held.open:
            held.open, held.ended = False, resolution
            self.entries.append(Entry(at, key, resolution, beside))

    def by_person(self, deed: Deed) -> OwnTicketEvent:
        """Somebody resolves an open ticket."""
        self._resolve(deed.key, deed.at, "by_person", None)
        held = self.tickets[deed.key]
        held.version += 1
        subject, condition = read_dedup_key(deed.key) or ("", "")
        kind, _, id = subject.partition("/")
        entry = TicketEntry(
            id=uuid4(),
            type=EntryType.RESOLVED,
            version=held.version,
            at=from_ms(deed.at),
            actor=Actor(type=ActorType.USER),
        )
        ticket = Ticket(
            id=UUID(int=held.number),
            number=held.number,
            title="A ticket",
            state=TicketState.RESOLVED,
            source=TicketSource.HEALTH_MONITOR,
            kind=condition,
            subject=Subject(type=kind, id=id),
            opened_at=from_ms(deed.at),
            opened_by=Actor(type=ActorType.HEALTH_MONITOR),
            resolution=Resolution.BY_PERSON,
            updated_at=from_ms(deed.at),
            dedup_key=deed.key,
            version=held.version,
        )
        event = TicketEvent(org="acme", entry=entry, ticket=ticket)
        return OwnTicketEvent(str(entry.id), "fettle/ticket-service", event, subject, condition, None)


@dataclass
class Seen:
    moved: list[Moved]
    ended: list[Ended]
    desk: Desk
    lists: dict[str, dict[str, bool]]
    waiting: int


async def run(
    world: CorrelatorWorld, history: SharedHistory, steps: Sequence[tuple[int, int]], late: Container[int] = ()
) -> Seen:
    """In batches that are cut where people do something. Behind the `late` ones the ticket service does nothing; it
    goes on behind the next, or before people do something."""
    await forget_everything(world)
    await world.tell("acme")
    await world.put(history.policy)
    await world.clear()
    silences = await silence(world, history.made)
    desk, deeds = Desk(), history.resolves
    seconds = sorted({deed.at // 1000 for deed in deeds if deed.at < history.until} | silences.keys() - {NEVER})
    number = 0
    for piece, second in zip(cut(judged(history, VERSION), seconds), [*seconds, NEVER], strict=True):
        for batch in batches(piece, steps):
            await world.feed(*batch)
            if number not in late:
                await answer(world, desk)
            number += 1
        await answer(world, desk)
        for deed in deeds:
            if deed.at == 1000 * second and deed.key in desk.open:
                await resolve(world, desk, deed)
        await unsilence(world, silences.get(second, ()))
    return Seen(
        await moved(world, history.until),
        await ended(world, history.until),
        desk,
        await lists(world),
        len(await world.rows("SELECT id FROM verdict WHERE waits_for IS NOT NULL")),
    )


async def answer(world: CorrelatorWorld, desk: Desk) -> None:
    results = [desk.handle(command) for command in await world.outbox("ticket.commands")]
    if results:
        async with unit_of_work(world.database) as work:
            await world.tickets.take_results(work, [result for result in results if result is not None])
        await world.clear()


async def resolve(world: CorrelatorWorld, desk: Desk, deed: Deed) -> None:
    async with unit_of_work(world.database) as work:
        await world.tickets.take_events(work, [desk.by_person(deed)])
    await answer(world, desk)


async def ended(world: CorrelatorWorld, until: int) -> list[Ended]:
    rows = await world.rows(
        "SELECT at, subject, outcome FROM outcome WHERE at < :until ORDER BY at, subject", until=until
    )
    return [Ended(row.at, row.subject, row.outcome) for row in rows]


async def lists(world: CorrelatorWorld) -> dict[str, dict[str, bool]]:
    rows = await world.rows(
        "SELECT parent || ':' || parent_condition AS key, subject, recovered_at IS NOT NULL AS well FROM rollup_member"
    )
    lists: dict[str, dict[str, bool]] = {}
    for row in rows:
        lists.setdefault(row.key, {})[row.subject] = row.well
    return lists
