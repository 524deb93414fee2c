"""What waits in the outbox is counted."""

import pytest
from chassis_echo.app import PACKAGE
from chassis_echo.workbench import database_of
from sqlalchemy import text

from fettle_chassis.outbox import backlog
from fettle_chassis.settings import ServiceSettings


@pytest.mark.rule("KF-47")
async def test_what_waits_is_counted_up_to_a_hundred_thousand(environment: dict[str, str]) -> None:
    async with database_of(ServiceSettings.load(environment)) as database:
        await database.ensure_exists()
        await database.migrate(PACKAGE)
        async with database.engine.begin() as connection:
            wait = "INSERT INTO outbox (topics, key, headers) SELECT 't', 'k', '[]' FROM generate_series(1, 100005)"
            await connection.execute(text(wait))
            assert (await backlog(connection, 0))[0] == 100_000
            last = await connection.scalar(text("SELECT max(id) FROM outbox"))
            assert (await backlog(connection, last - 7))[0] == 7
