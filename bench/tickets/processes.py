"""The ticket service and its relay as the processes that they are, on servers of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import httpx2

from bench.tickets.traffic import ORGS, producer
from fettle_chassis.signing import Signer
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.orgs import ORG, Org
from fettle_devstack.isolation import discard, isolated
from fettle_devstack.pytest_plugin import own_pair
from fettle_ticket_service.settings import TicketSettings

PARTITIONS = 4
READY_WITHIN_S = 60.0
_ROLES = {"service": "FETTLE_TICKETS_PORT", "relay": "FETTLE_TICKETS_RELAY_PORT"}


@contextmanager
def installation() -> Iterator[dict[str, str]]:
    """The settings of an installation whose ticket service has run once and knows all orgs; dropped afterwards."""
    with own_pair(Path.cwd(), os.environ) as servers:
        environment = isolated(servers, PARTITIONS)
        try:
            with running(environment):
                _tell_orgs(environment)
            yield environment
        finally:
            discard(servers, environment)


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Both processes, ready; their pids by role."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "fettle_ticket_service", role],
            env={**inherited, **environment},
            stdout=subprocess.DEVNULL,
        )
        for role in reversed(_ROLES)
    ]
    try:
        for role in _ROLES.values():
            wait_ready(f"http://127.0.0.1:{environment[role]}/readyz")
        yield dict(zip(reversed(_ROLES), (process.pid for process in processes), strict=True))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)


def wait_ready(url: str) -> None:
    """Until it answers that it is ready. Blocks; raises RuntimeError."""
    until = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < until:
        try:
            if httpx2.get(url, timeout=2.0).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{url} is not ready after {READY_WITHIN_S:.0f} s")


def _tell_orgs(environment: Mapping[str, str]) -> None:
    """Says as the console does which orgs there are, and waits until the service has heard."""
    settings = TicketSettings.load(environment)
    client, signer, now = producer(settings.kafka_bootstrap_servers), Signer(settings.signing_keys), datetime.now(UTC)
    for name in ORGS:
        data = Org(org=name, name=name, created_at=now).to_json()
        event = CloudEvent(id=name, source="fettle/console", type=ORG, time=now, data=data, key=name)
        headers, value = to_binary(signer.sign_event(event))
        client.produce(settings.topic("orgs"), value, name, headers=list(headers))
    client.flush(10)
    asyncio.run(_orgs_known(settings.database_dsn("tickets")))


async def _orgs_known(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    until = time.monotonic() + READY_WITHIN_S
    try:
        while time.monotonic() < until:
            if await connection.fetchval("SELECT count(*) FROM org") == len(ORGS):
                return
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
    raise RuntimeError(f"the service has not heard of all orgs after {READY_WITHIN_S:.0f} s")
