"""When a token was last used."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from console_world import World

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.rule("AC-118")]


async def used(world: World, role: str) -> datetime | None:
    """Of the token with this role, asked by the admin's."""
    answer = await world.call("GET", "/api/v1/orgs/acme/tokens", await world.token("acme"))
    [token] = [each for each in answer.json()["items"] if each["role"] == role]
    return None if token["used_at"] is None else datetime.fromisoformat(token["used_at"])


async def in_database(world: World, query: str, *values: Any) -> Any:
    connection = await asyncpg.connect(world.settings.database_dsn("console"))
    try:
        return await connection.fetchval(query, *values)
    finally:
        await connection.close()


async def test_the_list_says_when_each_token_was_last_used(world: World) -> None:
    began = datetime.now(UTC)
    viewer = await world.token("acme", "viewer")
    assert await used(world, "viewer") is None
    await world.call("GET", "/api/v1/orgs/acme/tickets", viewer)
    noted = await used(world, "viewer")
    assert noted is not None
    assert began - timedelta(seconds=1) <= noted <= datetime.now(UTC) + timedelta(seconds=1)


async def test_signing_in_is_a_use_and_a_refusal_by_role_too(world: World) -> None:
    await world.sign_in("acme", "viewer")
    assert await used(world, "viewer") is not None
    ingest = await world.token("acme", "ingest")
    assert (await world.call("GET", "/api/v1/orgs/acme/tickets", ingest)).status_code == 403
    assert await used(world, "ingest") is not None


async def test_many_requests_are_one_write(world: World) -> None:
    viewer = await world.token("acme", "viewer")
    path, row = "/api/v1/orgs/acme/tickets", "SELECT xmin::text FROM token WHERE role = 'viewer'"
    minted = await in_database(world, row)
    await asyncio.gather(*(world.call("GET", path, viewer) for _ in range(30)))
    first = await in_database(world, row)
    assert first != minted
    for _ in range(5):
        await world.call("GET", path, viewer)
    assert await in_database(world, row) == first


async def test_a_later_use_is_noted_again(world: World) -> None:
    viewer, path = await world.token("acme", "viewer"), "/api/v1/orgs/acme/tickets"
    hour_ago = "UPDATE token SET used_at = now() - interval '1 hour' WHERE role = 'viewer' RETURNING used_at"
    before = await in_database(world, hour_ago)
    await world.call("GET", path, viewer)
    now_is = await used(world, "viewer")
    assert now_is is not None
    assert now_is > before + timedelta(minutes=50)
