"""A database that was put back to an older state, or lost, beside a topic that knows better."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs
from tests.outside import read_all
from ticket_desk import ANN, opening
from ticket_door import Door, asked, numbered
from ticket_outside import Outside
from ticket_relay import until_published
from ticket_tampering import tamper

from fettle_chassis.database import Database
from fettle_chassis.topics import Topics
from fettle_ticket_service.adapters.number_log import NumberLog, WentBack
from fettle_ticket_service.app import TOPICS, build_app, build_relay
from fettle_ticket_service.domain import commands
from fettle_ticket_service.settings import TicketSettings

EVENTS = "ticket.events"


class Copies:
    """Copies of the service's database on its server, as a backup is one."""

    def __init__(self, door: Door, settings: TicketSettings) -> None:
        self._door, self._settings = door, settings

    async def make(self) -> None:
        await self._door.database.close()
        await self._run(f'CREATE DATABASE "{self._copy}" TEMPLATE "{self._name}"')

    async def put_back(self) -> None:
        await self.lose()
        await self._run(f'CREATE DATABASE "{self._name}" TEMPLATE "{self._copy}"', f'DROP DATABASE "{self._copy}"')

    async def lose(self) -> None:
        await self._door.database.close()
        await self._run(f'DROP DATABASE "{self._name}" WITH (FORCE)')

    @property
    def _name(self) -> str:
        return self._door.database.name

    @property
    def _copy(self) -> str:
        return f"{self._name}_copy"

    async def _run(self, *statements: str) -> None:
        server = await asyncpg.connect(self._settings.database_dsn("tickets").replace(self._name, "postgres"))
        try:
            for statement in statements:
                await server.execute(statement)
        finally:
            await server.close()


@asynccontextmanager
async def number_log(settings: TicketSettings, database: Database) -> AsyncIterator[NumberLog]:
    """Started, so that it has raised what there was to raise."""
    topics = Topics(settings, *TOPICS)
    await topics.start()
    numbers = NumberLog(settings, database, topics, settings.chain_keys)
    await numbers.start()
    try:
        yield numbers
    finally:
        await numbers.stop()


async def publish(door: Door, opens: int, org: str = "acme") -> None:
    """So many tickets, each with a comment, until all of it is on the topic. Beside a relay."""
    answers = await door.ask(*(asked(opening(), org=org) for _ in range(opens)))
    met = [answer.ticket.number for answer in answers if answer.ticket is not None]
    said = commands.Comment(actor=ANN, text="Seen.")
    await door.ask(*(asked(said, org=org, ticket=numbered(number)) for number in met))
    await until_published(door)


def opened_events(settings: TicketSettings) -> list[dict[str, Any]]:
    """The service's own, as they stand on the topic."""
    records = read_all(settings.kafka_bootstrap_servers, settings.topic(EVENTS))
    bodies = [record.json() for record in records if "ce_source" in record.headers]
    return [body for body in bodies if body["entry"]["type"] == "opened"]


def forge(outside: Outside, settings: TicketSettings) -> None:
    """What somebody who may write on the topic and has no key can say of numbers."""
    genuine = next(told for told in opened_events(settings) if told["org"] == "acme")
    key, headers = f"acme/{genuine['ticket']['id']}", {"ce_type": "fettle.ticket.opened.v1"}
    genuine["ticket"]["number"] = 2**62
    for value in (json.dumps(genuine), json.dumps({**genuine, "chain": None}), "not json", "[]"):
        outside.send(EVENTS, key, value.encode(), headers)


async def opened(outside: Outside, id: str, org: str = "acme") -> int:
    subject = {"type": "other", "id": "lift-3"}
    outside.command("open", id, org=org, title="Lift 3 makes a noise", subject=subject)
    result = await outside.wait_for("ticket.command-results", lambda found: found.data["command_id"] == id)
    assert result.data["outcome"] == "applied", result.data
    return int(result.data["ticket"]["number"])


@asynccontextmanager
async def service(settings: TicketSettings) -> AsyncIterator[None]:
    async with build_app(settings).running(), build_relay(settings).running():
        yield


@pytest.mark.rule("TS-99", "TS-43")
async def test_a_database_that_is_put_back_or_lost_uses_no_number_twice(door: Door, settings: TicketSettings) -> None:
    door.handler._keys = settings.chain_keys
    copies, outside = Copies(door, settings), Outside(settings)
    async with service(settings):
        outside.org("acme")
        assert await opened(outside, "first") == 1
        await publish(door, 1)
    await copies.make()
    async with service(settings):
        outside.org("initech")
        assert await opened(outside, "lost", "initech") == 1
        await publish(door, 3)
    forge(outside, settings)
    await copies.put_back()
    with capture_logs() as logs:
        async with service(settings):
            assert await opened(outside, "found", "initech") == 2
            assert await opened(outside, "behind") == 6
    raised = {each["org"]: each["next_number"] for each in logs if each["event"] == "numbers.raised"}
    assert raised == {"acme": 6, "initech": 2}
    assert [each["number"] for each in logs if each["event"] == "numbers.unvouched"] == [2**62]
    await copies.lose()
    async with service(settings):
        assert await opened(outside, "last", "initech") > 2
    tickets: dict[tuple[str, int], set[str]] = {}
    for told in opened_events(settings):
        tickets.setdefault((told["org"], told["ticket"]["number"]), set()).add(told["ticket"]["id"])
    assert all(len(ids) == 1 for ids in tickets.values()), tickets


@pytest.mark.rule("TS-99")
async def test_what_was_said_of_orgs_after_the_backup_holds_though_no_ticket_was_opened(
    door: Door, settings: TicketSettings
) -> None:
    copies, outside = Copies(door, settings), Outside(settings)
    deleted = "SELECT org, deleted FROM org WHERE org IN ('initech', 'umbrella') ORDER BY org"

    async def until_told(*wanted: tuple[str, bool]) -> None:
        async with asyncio.timeout(60.0):
            while True:
                if await door.rows(deleted) == list(wanted):
                    return
                await asyncio.sleep(0.05)

    async with service(settings):
        outside.org("umbrella")
        await until_told(("umbrella", False))
    await copies.make()
    async with service(settings):
        outside.org("umbrella", deleted=True)
        outside.org("initech")
        await until_told(("initech", False), ("umbrella", True))
    outside.send("orgs", "initech", b"not json", {})
    await copies.put_back()
    async with service(settings):
        assert await door.rows(deleted) == [("initech", False), ("umbrella", True)]


@pytest.mark.rule("TS-99")
async def test_a_database_that_was_not_put_back_reads_what_is_new_and_raises_nothing(
    door: Door, settings: TicketSettings
) -> None:
    door.handler._keys = settings.chain_keys
    with capture_logs() as logs:
        async with build_relay(settings).running():
            await publish(door, 2)
            async with number_log(settings, door.database) as numbers:
                await publish(door, 1)
                assert len([each async for each in numbers._openings(numbers._ends, await numbers._ends_now())]) == 1
                await numbers.note()
        async with number_log(settings, door.database) as numbers:
            await door.ask_one(asked(opening()))
    assert [each for each in logs if each["event"].startswith("numbers.")] == []
    assert [row.number for row in await door.rows("SELECT number FROM ticket ORDER BY 1")] == [1, 2, 3, 4]


@pytest.mark.rule("TS-99")
async def test_a_service_beneath_which_the_database_is_put_back_starts_again(
    door: Door, settings: TicketSettings
) -> None:
    async with build_relay(settings).running():
        await publish(door, 1)
    async with number_log(settings, door.database) as numbers:
        await numbers.note()
        await tamper(door, "UPDATE number_mark SET next_offset = next_offset - 1")
        with pytest.raises(WentBack):
            await numbers.note()
