"""Sweeps of retention, and what they leave."""

from datetime import timedelta

from ticket_desk import ANN, KEYS
from ticket_door import Door, asked, numbered

from fettle_ticket_service.adapters.sweeping import Retention
from fettle_ticket_service.domain import commands

YEAR = timedelta(days=365)


def sweeper(door: Door) -> Retention:
    return Retention(door.database, KEYS, door.hour)


async def resolve(door: Door, *numbers: int, org: str = "acme") -> None:
    for number in numbers:
        await door.ask_one(asked(commands.Resolve(actor=ANN), org=org, ticket=numbered(number)))


async def numbers(door: Door, org: str = "acme") -> list[int]:
    return [row.number for row in await door.rows("SELECT number FROM ticket WHERE org = :org ORDER BY 1", org=org)]
