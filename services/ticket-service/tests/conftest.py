"""A database of its own for each test, with two orgs in it."""

from collections.abc import AsyncIterator, Mapping

import httpx2
import pytest
from ticket_api import Api
from ticket_desk import KEYS
from ticket_door import Door
from ticket_outside import Outside
from uuid_utils.compat import uuid7

from fettle_chassis.database import Database
from fettle_chassis.service import Service
from fettle_devstack.templates import copied
from fettle_ticket_service.app import PACKAGE, build_api, build_app, build_relay
from fettle_ticket_service.entrypoints.http.desk import Desk
from fettle_ticket_service.entrypoints.together import Together
from fettle_ticket_service.settings import TicketSettings


@pytest.fixture
def settings(environment: Mapping[str, str]) -> TicketSettings:
    return TicketSettings.load(environment)


@pytest.fixture
async def door(settings: TicketSettings) -> AsyncIterator[Door]:
    await copied(settings.database_dsn("tickets"), PACKAGE, Database)
    database = Database(settings.database_dsn("tickets"), any_time=True, fresh_plans=True)
    door = Door(database)
    await door.add_orgs("acme", "globex")
    yield door
    await database.close()


@pytest.fixture
def desk(door: Door) -> Desk:
    return Desk(door.database, Together(door.database, door.handler), door.handler._wire, KEYS, uuid7)


@pytest.fixture
async def api(desk: Desk, settings: TicketSettings) -> AsyncIterator[Api]:
    app = build_api(Service("ticket-service"), settings, desk)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://tickets.test") as client:
        yield Api(client, settings)


@pytest.fixture
async def outside(settings: TicketSettings) -> AsyncIterator[Outside]:
    """Beside a running service and relay that know the org `acme`."""
    async with build_app(settings).running(), build_relay(settings).running():
        outside = Outside(settings)
        outside.org("acme")
        yield outside
