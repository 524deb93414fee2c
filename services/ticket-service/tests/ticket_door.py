"""The handler on a real database, as both doors use it, and what it left behind."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any
from uuid import uuid4

from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection
from ticket_desk import KEYS, NOON, opening
from uuid_utils.compat import uuid7

from fettle_chassis.database import Database
from fettle_chassis.failures import TransientError
from fettle_chassis.outbox import headers_from_text
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_ticket_service.adapters import orgs
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.domain.commands import Command
from fettle_ticket_service.domain.decisions import Rejected
from fettle_ticket_service.domain.values import TicketRef
from fettle_ticket_service.handler import CommandHandler

URL = "http://console.test"


@dataclass(frozen=True)
class Published:
    """A message as it waits in the outbox."""

    topics: list[str]
    key: str
    headers: dict[str, str]
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """`opened` of `fettle.ticket.opened.v1`."""
        return self.headers["ce_type"].split(".")[-2]


@dataclass
class Door:
    """Asks commands in transactions of their own, at an hour that stands still."""

    database: Database
    now: datetime = NOON
    all_heard: bool = True
    handler: CommandHandler = field(init=False)

    def __post_init__(self) -> None:
        self.handler = CommandHandler(Wire(URL), KEYS, lambda: self.now, uuid7, self._all_heard)

    async def _all_heard(self) -> bool:
        return self.all_heard

    async def hour(self, _: AsyncConnection) -> datetime:
        """For what goes by the database's time."""
        return self.now

    async def ask(self, *batch: Asked) -> list[Answer]:
        async with self.work() as work:
            return await self.handler(work, batch)

    async def ask_again(self, *batch: Asked) -> list[Answer]:
        """As records are, which are held and tried again where something passes."""
        with suppress(TransientError):
            return await self.ask(*batch)
        return await self.ask(*batch)

    async def ask_one(self, asked: Asked) -> Answer:
        [answer] = await self.ask(asked)
        return answer

    @asynccontextmanager
    async def work(self) -> AsyncIterator[UnitOfWork]:
        async with unit_of_work(self.database) as work:
            yield work

    async def published(self) -> list[Published]:
        """Everything in the outbox, in the order in which it will leave."""
        rows = await self.rows("SELECT topics, key, headers, value FROM outbox ORDER BY id")
        return [
            Published(
                topics.split(","),
                key.decode(),
                {name: value.decode() for name, value in headers_from_text(headers)},
                json.loads(value),
            )
            for topics, key, headers, value in rows
        ]

    async def events(self) -> list[Published]:
        return [message for message in await self.published() if "ticket.events" in message.topics]

    async def results(self) -> list[Published]:
        return [message for message in await self.published() if message.topics == ["ticket.command-results"]]

    async def rows(self, sql: str, **parameters: Any) -> list[Any]:
        async with self.database.reading() as connection:
            return list(await connection.execute(text(sql), parameters))

    async def add_orgs(self, *names: str) -> None:
        async with self.work() as work:
            await orgs.take_in(work.connection, [(name, name.title(), False, NOON) for name in names])


def asked(
    command: Command | None = None,
    *,
    org: str = "acme",
    id: str | None = None,
    source: str = "tests",
    ticket: TicketRef | None = None,
    refused: Rejected | None = None,
    from_outside: bool = False,
    keep_answer: bool = False,
) -> Asked:
    """A command as a door hands it on; by default somebody reports something."""
    command = command or opening()
    return Asked(
        org=org,
        source=source,
        id=id or str(uuid4()),
        command=command,
        ticket=ticket,
        fingerprint=blake2b(repr((ticket, command)).encode(), digest_size=16).digest(),
        refused=refused,
        from_outside=from_outside,
        keep_answer=keep_answer,
        depth=2,
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )


def numbered(number: int) -> TicketRef:
    return TicketRef(number=number)


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Every statement that is sent meanwhile; COPY is none."""
    sent: list[str] = []

    def heard(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(database.engine.sync_engine, "before_cursor_execute", heard)
    try:
        yield sent
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", heard)
