"""An org with channels that lead to servers of this machine."""

import base64
import json
import ssl
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import httpcore2
from engine_world import World
from sqlalchemy import text
from web_server import Asked, answer, here

from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import channel_rows, secret_rows
from fettle_workflow_engine.adapters.apprise_sending import AppriseSending
from fettle_workflow_engine.adapters.http_calls import HttpCalls
from fettle_workflow_engine.adapters.mail import Mail
from fettle_workflow_engine.adapters.notify_calls import NotifyCalls
from fettle_workflow_engine.adapters.secret_box import SecretBox
from fettle_workflow_engine.adapters.senders import Senders
from fettle_workflow_engine.adapters.vault import Vault
from fettle_workflow_engine.domain.calls import Outcome, OutsideCall
from fettle_workflow_engine.domain.channels import Channel, Kind, read_settings
from fettle_workflow_engine.domain.destinations import Allowed
from fettle_workflow_engine.entrypoints.digests import Digests
from fettle_workflow_engine.entrypoints.lookout import Lookout

TLS = httpcore2.default_ssl_context()
KEY = f"whsec_{base64.b64encode(b'k' * 24).decode()}"
IDS = UUID(int=11)


def ids(number: int) -> UUID:
    return uuid5(IDS, str(number))


@dataclass
class Receiver:
    """Who gets what channels send: each body by its id; `says` are answers in turn, then all is well."""

    says: list[bytes | float | None] = field(default_factory=list)
    got: list[tuple[str, Any]] = field(default_factory=list)

    def __call__(self, asked: Asked) -> bytes | float | None:
        if self.says:
            return self.says.pop(0)
        self.got.append((asked.headers["idempotency-key"], json.loads(asked.body)))
        return answer(200, b"ok")


@dataclass
class ChannelWorld:
    """What one engine has for sending; several may be made over one database."""

    world: World
    tls: ssl.SSLContext = TLS

    def __post_init__(self) -> None:
        self.box = SecretBox(self.world.settings.secret_keys)
        vault, clock, destinations = Vault(self.world.database, self.box), lambda: self.world.now, here()
        http = HttpCalls(destinations, clock, TLS)
        self.senders = Senders(vault, http, Mail(destinations, self.tls), AppriseSending(Allowed()), clock)
        self.notify = NotifyCalls(self.world.database, self.senders, clock)
        self.digests = Digests(self.world.database, self.senders, clock, Lookout(self.world.database, clock))

    async def secret(self, name: str, value: str) -> None:
        async with unit_of_work(self.world.database) as work:
            sealed = self.box.seal("acme", name, value)
            await secret_rows.save(work.connection, "acme", name, sealed, "ann", self.world.now)

    async def channel(self, kind: Kind, *, name: str = "ops", cap: int = 60, **settings: Any) -> None:
        read = read_settings(kind, settings)
        async with unit_of_work(self.world.database) as work:
            channel = Channel("acme", name, kind, read, cap, self.world.now, "ann")
            await channel_rows.save(work.connection, channel)

    async def slack(self, url: str, *, name: str = "ops", cap: int = 60) -> None:
        await self.secret("hook", url)
        await self.channel(Kind.SLACK, name=name, cap=cap, url={"secret": "hook"})

    async def tell(self, number: int, channel: str = "ops", **request: Any) -> Outcome:
        """One message, by the number that its id is made of."""
        given = {"channel": channel, "text": f"Message {number}", "workflow": "flow", "run": f"run-{number}", **request}
        return await self.notify.perform(OutsideCall(ids(number), "acme", "notify", given))

    def later(self, **time: float) -> None:
        self.world.now += timedelta(**time)

    async def count(self, table: str, where: str = "true") -> int:
        async with self.world.database.reading() as connection:
            return int(await connection.scalar(text(f"SELECT count(*) FROM {table} WHERE {where}")))
