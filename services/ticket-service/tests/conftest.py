"""A database of its own for each test, with two orgs in it."""

from collections.abc import AsyncIterator, Mapping

import pytest
from ticket_door import Door

from fettle_chassis.database import Database
from fettle_ticket_service.app import PACKAGE
from fettle_ticket_service.settings import TicketSettings


@pytest.fixture
def settings(environment: Mapping[str, str]) -> TicketSettings:
    return TicketSettings.load(environment)


@pytest.fixture
async def door(settings: TicketSettings) -> AsyncIterator[Door]:
    database = Database(settings.database_dsn("tickets"))
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    door = Door(database)
    await door.add_orgs("acme", "globex")
    yield door
    await database.close()
