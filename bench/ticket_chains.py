"""What share of the ticket handler's throughput do the hash chains cost?

Mixed commands of as many orgs, decoded beforehand, go through the same handler into the same database, a batch of 200
with chains and a batch with a chain that makes no hash, no head and no seal by turns, so that whatever else the machine
does meets both. What the hashes cost in Postgres, as bytes of rows and messages, counts with what they cost here.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from unittest.mock import patch
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from bench.report import Figure, report
from bench.tickets.processes import installation
from bench.tickets.traffic import ORGS, Sent, mixed
from fettle_chassis.consume import Record
from fettle_chassis.database import Database
from fettle_chassis.signing import Verifier
from fettle_chassis.unit_of_work import unit_of_work
from fettle_ticket_service.adapters import books
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.app import now
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain.chain import NOTHING, Chain, Link, Said
from fettle_ticket_service.domain.ticket import FIRST_VERSION, Ticket
from fettle_ticket_service.entrypoints.kafka_commands import CommandDecoder
from fettle_ticket_service.handler import CommandHandler
from fettle_ticket_service.settings import TicketSettings

BATCH = 200
EMPTY = """
    TRUNCATE ticket, ticket_order, ticket_search, checklist_member, entry, command, outbox;
    UPDATE org SET next_number = 1, open = 0, in_progress = 0, resolved = 0, place = 0, head = '';
"""


class NoChain(Chain):
    """Counts places, and makes nothing that anybody could verify by."""

    def take(self, org: str, ticket: Ticket, hash: str | None, seal: str | None) -> bool:  # noqa: ARG002
        return True

    def add(self, org: str, id: UUID, ticket: Ticket, said: Said) -> Link:  # noqa: ARG002
        self.place += 1
        return Link(NOTHING, self.place, NOTHING, NOTHING if ticket.version == FIRST_VERSION else None)

    def seal(self, org: str, ticket: Ticket) -> str | None:  # noqa: ARG002
        return NOTHING


async def all_heard() -> bool:
    return True


def batches_of(commands: Sequence[Sent]) -> list[list[Asked]]:
    decode = CommandDecoder(Verifier([]), now)
    asked = [
        decode(Record("ticket.commands", 0, 0, 0, sent.org.encode(), sent.value, tuple(sent.headers)))
        for sent in commands
    ]
    return [asked[start : start + BATCH] for start in range(0, len(asked), BATCH)]


@dataclass
class Spent:
    """Seconds to handle and commit: by the wall, and of this process's time on the processor."""

    wall: float = 0.0
    processor: float = 0.0

    async def on(self, handler: CommandHandler, database: Database, batch: Sequence[Asked]) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        async with unit_of_work(database) as work:
            await handler(work, batch)
        self.wall += time.perf_counter() - wall
        self.processor += time.process_time() - processor


async def one_pair(settings: TicketSettings, database: Database, commands: int, seed: int) -> dict[type[Chain], Spent]:
    """What so many commands took by either chain. Which orgs have which, and which goes first, goes by the seed."""
    connection = await asyncpg.connect(settings.database_dsn("tickets"))
    try:
        await connection.execute(EMPTY)
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    handler = CommandHandler(Wire("http://bench"), settings.chain_keys, now, uuid7, all_heard)
    halves = ORGS[::2], ORGS[1::2]
    chains = (Chain, NoChain) if seed % 2 else (NoChain, Chain)
    spent = {chain: Spent() for chain in chains}
    work = [batches_of(list(mixed(commands, seed, half))) for half in halves]
    for batches in zip(*work, strict=True):
        for chain, batch in zip(chains, batches, strict=True):
            with patch.object(books, "Chain", chain):
                await spent[chain].on(handler, database, batch)
    return spent


async def measure(environment: dict[str, str], commands: int, pairs: int, seed: int) -> list[Figure]:
    settings = TicketSettings.load(environment)
    database = Database(settings.database_dsn("tickets"), any_time=True)
    pairs_spent = []
    try:
        await one_pair(settings, database, commands // 4, seed)
        for pair in range(pairs):
            spent = await one_pair(settings, database, commands, seed + pair)
            print(
                *(f"{chain.__name__} {commands / spent[chain].wall:,.0f}/s" for chain in (Chain, NoChain)), flush=True
            )
            pairs_spent.append((spent[Chain], spent[NoChain]))
    finally:
        await database.close()
    shares = [without.wall / chained.wall for chained, without in pairs_spent]
    of_processor = [without.processor / chained.processor for chained, without in pairs_spent]
    details = {"commands": commands, "seed": seed}
    return [
        Figure("with chains", "commands/s", [commands / chained.wall for chained, _ in pairs_spent], details=details),
        Figure("without", "commands/s", [commands / without.wall for _, without in pairs_spent], details=details),
        Figure("throughput with over without", "", shares, bound="median ≥ 0.95", details=details),
        Figure("by the handler's processor time", "", of_processor, details=details),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commands", type=int, default=4_000)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with installation() as environment:
        figures = asyncio.run(measure(environment, asked.commands, asked.pairs, asked.seed))
    report("The ticket handler with hash chains and without", figures, "ticket_chains")


if __name__ == "__main__":
    main()
