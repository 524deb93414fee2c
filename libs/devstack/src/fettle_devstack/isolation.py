"""Installations that share servers and nothing else: each with its own topics, groups, databases, ports and keys."""

import asyncio
import base64
import secrets
from collections.abc import Mapping

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from fettle_devstack.ports import free_port
from fettle_devstack.servers import Servers

_DATABASES = ("tickets", "health", "workflows", "console")
_PORTS = ("HTTP", "TICKETS", "HEALTH", "WORKFLOWS", "JUDGE", "TICKETS_RELAY")


def isolated(servers: Servers, partitions: int = 2) -> dict[str, str]:
    """Every `FETTLE_*` setting of a new installation. `partitions` is what topics get that leave it open."""
    mark = f"t{secrets.token_hex(4)}"
    settings = {
        **servers.environment,
        "FETTLE_KAFKA_REPLICATION_FACTOR": "1",
        "FETTLE_KAFKA_MIN_ISR": "1",
        "FETTLE_TOPIC_PREFIX": f"{mark}.",
        "FETTLE_GROUP_PREFIX": f"{mark}.",
        "FETTLE_TOPIC_PARTITIONS": str(partitions),
        "FETTLE_SIGNING_KEYS": f"test:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "FETTLE_SECRET_KEYS": f"test:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "FETTLE_HTTP_HOST": "127.0.0.1",
    }
    settings |= {f"FETTLE_{name}_PORT": str(free_port()) for name in _PORTS}
    for name in _DATABASES:
        settings[f"FETTLE_{name.upper()}_DATABASE_URL"] = f"{servers.postgres.url}/{mark}_{name}"
    for name in ("TICKETS", "HEALTH", "WORKFLOWS"):
        settings[f"FETTLE_{name}_URL"] = f"http://127.0.0.1:{settings[f'FETTLE_{name}_PORT']}"
    settings["FETTLE_PUBLIC_URL"] = f"http://127.0.0.1:{settings['FETTLE_HTTP_PORT']}"
    return settings


def discard(servers: Servers, settings: Mapping[str, str]) -> None:
    """Drops the databases, with whoever is still connected, and the topics of an installation. Blocks."""
    asyncio.run(_discard(servers, settings))


async def _discard(servers: Servers, settings: Mapping[str, str]) -> None:
    connection = await asyncpg.connect(f"{servers.postgres.url}/postgres")
    try:
        for name in _DATABASES:
            database = settings[f"FETTLE_{name.upper()}_DATABASE_URL"].rpartition("/")[2]
            await connection.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')
    finally:
        await connection.close()
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka.bootstrap)
    await admin.start()
    try:
        topics = [name for name in await admin.list_topics() if name.startswith(settings["FETTLE_TOPIC_PREFIX"])]
        if topics:
            await admin.delete_topics(topics)
    finally:
        await admin.close()
