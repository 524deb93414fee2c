"""The correlator's handlers on a real database, fed by hand; what they send is read from the outbox."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID, uuid4

from correlator_facts import BRISK, QUIET, T0, next_place
from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.outbox import headers_from_text
from fettle_chassis.signing import Signer, Verified, Verifier
from fettle_chassis.told_orgs import ToldOrg
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import CloudEvent, from_record
from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.orgs import Org
from fettle_contracts.people import Actor, ActorType, Subject
from fettle_contracts.results import CommandResult, Outcome, Reason, ResultTicket
from fettle_contracts.ticket import Resolution, Ticket, TicketSource, TicketState
from fettle_contracts.ticket_events import Entry, EntryType, TicketEvent
from fettle_contracts.times import from_ms
from fettle_contracts.topics import HEARTBEATS
from fettle_devstack.templates import copied
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.correlator.deciding import Deciding
from fettle_health_monitor.correlator.greeting import Greeting
from fettle_health_monitor.correlator.judgements import Judgements
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.correlator.orgs import Orgs
from fettle_health_monitor.correlator.policies import Policies
from fettle_health_monitor.correlator.registry import Registry
from fettle_health_monitor.correlator.silences import Silences, Wanted
from fettle_health_monitor.correlator.tickets import OwnTicketEvent, Tickets
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.clocks import Patience
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import CLOCK_INDEX, Change, Clock, InForce, Judgement, Profile
from fettle_health_monitor.settings import HealthSettings

SHARDS = 2
WALL = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
"""The time by people's clock, at first."""


@dataclass(frozen=True)
class Row:
    """A message in the outbox."""

    topic: str
    partition: int | None
    key: str
    headers: Mapping[str, bytes]
    value: bytes

    @property
    def body(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads(self.value)
        return loaded

    @property
    def event(self) -> CloudEvent:
        return from_record(list(self.headers.items()), self.key.encode(), self.value)

    @property
    def verb(self) -> str:
        return self.event.type.removeprefix("fettle.ticket.command.").removesuffix(".v1")


class CorrelatorWorld:
    """`at` is the shards' clock; each shard's log is at `offset`."""

    org = "acme"
    partition = 0
    """By which the org's judgements come."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.settings = HealthSettings.load(environment)
        self.database = Database(self.settings.database_dsn("health"))
        self.signer, self.verifier = Signer(self.settings.signing_keys), Verifier(self.settings.signing_keys)
        self.wall = WALL
        self.controls = ControlLog(self.signer, self.settings.topic(HEARTBEATS), lambda: SHARDS)
        self.deciding = Deciding(self.signer, self.now, lambda _: self.partition)
        self.policies = Policies(self.controls, self.now)
        self.registry = Registry(self.controls, self.deciding, lambda _: self.partition, self.now)
        self.silences = Silences(self.controls, lambda _: self.partition, self.now)
        self.orgs = Orgs(self.policies, self.now)
        self.tickets = Tickets(self.deciding, lambda _: self.partition)
        self.judgements = Judgements(self.deciding, Greeting(self.controls, self.now), Patience(), lambda: SHARDS)
        self.versions = itertools.count(1)
        self.fed: dict[str, Change] = {}

    def now(self) -> datetime:
        return self.wall

    @classmethod
    @asynccontextmanager
    async def open(cls, environment: Mapping[str, str], org: str | None = "acme") -> AsyncIterator[Self]:
        """A migrated database with one org. Version 2 of its policy is `QUIET`, version 3 is `BRISK` and in force
        everywhere; the clocks are at T0."""
        world = cls(environment)
        await copied(environment["FETTLE_HEALTH_DATABASE_URL"], "fettle_health_monitor", Database)
        try:
            if org is not None:
                await world.tell(org)
                await world.put(QUIET, org=org)
                await world.put(BRISK, org=org)
                await world.in_force(3, org=org)
                await world.tick(T0)
                await world.clear()
            yield world
        finally:
            await world.database.close()

    async def tell(self, org: str, *, deleted: bool = False, told_at: datetime | None = None) -> None:
        word = Org(org=org, name=org.title(), created_at=self.wall, deleted=deleted)
        async with unit_of_work(self.database) as work:
            await self.orgs.handle(work, [ToldOrg(word, told_at or self.wall)])

    async def put(self, policy: HealthPolicy, *, org: str = "acme", publish_existing: bool = False) -> Any:
        async with unit_of_work(self.database) as work:
            return await self.policies.put(
                work, org, policy, publish_existing=publish_existing, seen=None, by="ann@acme.test"
            )

    async def feed(self, *judgements: Judgement, partition: int | None = None) -> None:
        self.fed |= {each.id: each for each in judgements if isinstance(each, Change)}
        async with unit_of_work(self.database) as work:
            by = self.partition if partition is None else partition
            await self.judgements.handle(work, [Received(by, judgement) for judgement in judgements])

    async def in_force(self, version: int, *, org: str = "acme", enabled: bool = True, at: int = T0 - 1) -> None:
        await self.feed(
            *(
                InForce(
                    shard=shard,
                    generation=1,
                    place=next_place(),
                    org=org,
                    version=version,
                    enabled=enabled,
                    at=at,
                )
                for shard in range(SHARDS)
            )
        )

    def clock(self, shard: int, at: int, *, generation: int = 1, clock: int | None = None) -> Clock:
        offset = next_place()[0]
        return Clock(
            shard=shard,
            generation=generation,
            place=(offset, CLOCK_INDEX),
            at=at,
            clock=at - T0 + 1_000_000 if clock is None else clock,
            offset=offset,
            address=f"http://127.0.0.1:{9000 + shard}",
        )

    async def silence(
        self, schedule: Schedule, subject: str = "device/t17", *, by: str = "ann@acme.test", reason: str | None = None
    ) -> UUID:
        """Silences one subject."""
        id, key = uuid4(), HeartbeatKey.parse(f"{self.org}/{subject}")
        async with unit_of_work(self.database) as work:
            await self.silences.make(work, id, key, Wanted(schedule, reason, by))
        return id

    async def unsilence(self, id: UUID, *, by: str = "bob@acme.test") -> bool:
        async with unit_of_work(self.database) as work:
            return await self.silences.remove(work, self.org, id, by=by)

    async def tick(self, at: int, *shards: int) -> None:
        """These shards (all, if none is named) have judged up to `at`."""
        await self.feed(*(self.clock(shard, at) for shard in shards or range(SHARDS)))

    def profile(self, subject: str = "device/t17", **said: Any) -> Profile:
        fields = {"name": None, "integration": None, "space": None, "model": None, "interval_s": None, **said}
        return Profile(shard=0, generation=1, place=next_place(), org=self.org, subject=subject, at=T0, **fields)

    async def happen(
        self,
        type: EntryType,
        *,
        number: int = 1,
        state: str = "open",
        actor: ActorType = ActorType.HEALTH_MONITOR,
        at: int = T0,
        answering: UUID | None = None,
        version: int | None = None,
        subject: str = "device/t17",
        condition: str = "device_offline",
    ) -> OwnTicketEvent:
        """An event of the ticket about the subject's silence, or another condition."""
        version = version or next(self.versions)
        own = own_event(type, number, state, actor, at, answering, version, subject, condition, org=self.org)
        async with unit_of_work(self.database) as work:
            await self.tickets.take_events(work, [own])
        return own

    async def answer(
        self,
        command: Row,
        outcome: str = "applied",
        *,
        number: int = 1,
        state: str = "open",
        version: int = 1,
        code: str = "org_unknown",
    ) -> None:
        """The ticket service's result for a command."""
        refused = outcome == "rejected"
        ticket = ResultTicket(id=UUID(int=number), number=number, state=TicketState(state), version=version)
        result = CommandResult(
            org=command.key,
            command_id=command.event.id,
            verb=command.verb,
            outcome=Outcome(outcome),
            reason=Reason(code=code, message="There is no such org.") if refused else None,
            ticket=None if refused else ticket,
        )
        async with unit_of_work(self.database) as work:
            await self.tickets.take_results(work, [result])

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.reading() as connection:
            return list((await connection.execute(text(query), values)).all())

    async def outbox(self, topic: str) -> list[Row]:
        found = await self.rows("SELECT * FROM outbox WHERE topics = :topic ORDER BY id", topic=topic)
        return [
            Row(
                row.topics,
                row.partition,
                bytes(row.key).decode(),
                dict(headers_from_text(row.headers)),
                bytes(row.value),
            )
            for row in found
        ]

    async def commands(self) -> list[Row]:
        """Commands sent, each with a valid signature."""
        rows = await self.outbox("ticket.commands")
        assert all(isinstance(self.verifier.verify_event(row.event, self.wall), Verified) for row in rows)
        return rows

    async def controls_written(self) -> list[tuple[int, int, control.Statement]]:
        """Control records as (partition, number, statement), each with a valid signature."""
        written = []
        for row in await self.outbox(HEARTBEATS):
            number, kind = int(row.headers["fettle-number"]), row.headers["fettle-control"].decode()
            assert row.partition is not None
            verified = self.verifier.verify_control(
                topic=self.settings.topic(HEARTBEATS),
                partition=row.partition,
                key=row.key.encode(),
                number=number,
                body=row.value,
                signature=row.headers["fettle-signature"].decode(),
            )
            assert isinstance(verified, Verified)
            written.append((row.partition, number, control.decode(kind, row.value)))
        return written

    async def outcomes(self) -> list[tuple[str, str]]:
        rows = await self.rows("SELECT cause, outcome FROM outcome ORDER BY at, cause, subject")
        return [(row.cause, row.outcome) for row in rows]

    async def somebody_waits_for_a_lock(self, many: int = 1) -> None:
        """Returns once so many other transactions of this database are held up by locks."""
        query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        async with asyncio.timeout(60):
            while len(await self.rows(query)) < many:  # noqa: ASYNC110 - Postgres tells nobody
                await asyncio.sleep(0.02)

    async def clear(self) -> None:
        """Empties the outbox, as the relay does."""
        async with unit_of_work(self.database) as work:
            await work.connection.execute(text("DELETE FROM outbox"))

    def later(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)


def own_event(
    type: EntryType,
    number: int,
    state: str,
    actor: ActorType,
    at: int,
    answering: UUID | None,
    version: int,
    subject: str,
    condition: str = "device_offline",
    *,
    org: str = "acme",
) -> OwnTicketEvent:
    kind, _, id_ = subject.partition("/")
    event = TicketEvent(
        org=org,
        entry=Entry(id=uuid4(), type=type, version=version, at=from_ms(at), actor=Actor(type=actor)),
        ticket=Ticket(
            id=UUID(int=number),
            number=number,
            title=f"Device offline: {id_}",
            state=TicketState(state),
            source=TicketSource.HEALTH_MONITOR,
            kind=condition,
            subject=Subject(type=kind, id=id_),
            opened_at=from_ms(at),
            opened_by=Actor(type=ActorType.HEALTH_MONITOR),
            resolution=Resolution.BY_PERSON if state == "resolved" else None,
            updated_at=from_ms(at),
            dedup_key=f"{subject}:{condition}",
            version=version,
        ),
    )
    return OwnTicketEvent(str(event.entry.id), "fettle/ticket-service", event, subject, condition, answering)
