"""Wires the echo service: what is heard on `signals` is written down once and said on `ticket.opened`."""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import text

from fettle_chassis.consume import Consumers, Record, Subscription
from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.failures import BadRecord
from fettle_chassis.http import HttpServer, http_app
from fettle_chassis.outbox import Outgoing
from fettle_chassis.relay import Relay
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings
from fettle_chassis.slots import Slot
from fettle_chassis.topics import Topics
from fettle_chassis.unit_of_work import UnitOfWork

PACKAGE = "chassis_echo"
HEARD, SAID = "signals", "ticket.opened"

Handle = Callable[[UnitOfWork, Sequence[Record]], Awaitable[None]]

_HEAR = text("INSERT INTO heard (id, partition) SELECT * FROM unnest(CAST(:ids AS text[]), CAST(:parts AS integer[]))")


def name(record: Record) -> str:
    return (record.value or b"").decode()


def decode(record: Record) -> Record | None:
    if record.value is None:
        raise BadRecord("no_word", "nothing was said")
    if name(record).startswith("bad"):
        raise BadRecord("bad_word", f"{name(record)} is a bad word")
    return None if name(record).startswith("other") else record


async def hear(work: UnitOfWork, batch: Sequence[Record]) -> None:
    await work.connection.execute(
        _HEAR, {"ids": [name(record) for record in batch], "parts": [record.partition for record in batch]}
    )
    work.publish(*(Outgoing((SAID,), record.key or b"-", record.value) for record in batch))


def subscription(
    handle: Handle = hear, *, topics: tuple[str, ...] = (HEARD,), own_topic: bool = False
) -> Subscription[Record]:
    return Subscription(
        name="echo.heard",
        topics=topics,
        decode=decode,
        handle=handle,
        identity=lambda record: ("echo", name(record)),
        own_topic=own_topic,
    )


def build_app(settings: ServiceSettings) -> Service:
    return build(settings, subscription())


def build(settings: ServiceSettings, *subscriptions: Subscription[Record]) -> Service:
    """Everything but the relay, around the given subscriptions."""
    service = Service("echo")
    database = Database(settings.database_dsn("tickets"))
    slot = Slot("echo", settings, database)
    service.add(
        DatabasePart(database, PACKAGE),
        Topics(settings, HEARD, SAID, *(topic for one in subscriptions for topic in one.topics)),
        slot,
        Consumers(settings, database, slot, *subscriptions),
        HttpServer(http_app(service, settings, title="Echo"), settings.http_host, settings.tickets_port),
    )
    return service


def build_relay(settings: ServiceSettings) -> Service:
    service = Service("echo")
    database = Database(settings.database_dsn("tickets"))
    service.add(DatabasePart(database, PACKAGE), Topics(settings, SAID), Relay(database, settings))
    return service
