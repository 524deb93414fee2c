"""Is the ticket service as quick after years as on its first day?

One org with a million tickets and ten million entries. The service runs as its process and is asked by HTTP: pages of
lists, filters and searches, single tickets, an export; commands are handled in batches before and after; a chain of a
million entries is verified; retention removes its hundred thousand tickets while somebody comments.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from uuid_utils.compat import uuid7

from bench.report import Figure, report
from bench.tickets.library import ANN, fill, write_chained
from bench.tickets.processes import installation, running
from fettle_chassis.database import Database
from fettle_chassis.tokens import Caller, Role, issue
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import SubjectType
from fettle_ticket_service.adapters.database_time import database_time
from fettle_ticket_service.adapters.sweeping import Retention
from fettle_ticket_service.adapters.verifying import Progress, verify
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.app import now
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.values import Subject, TicketRef
from fettle_ticket_service.domain.verifying import Verification
from fettle_ticket_service.handler import CommandHandler
from fettle_ticket_service.settings import TicketSettings

BIG, SMALL, CHAINED = "bench-0", "bench-1", "bench-2"
ENTRIES_EACH = 10
LIFT = Subject(SubjectType.OTHER, "lift-3", "Lift 3")
PAGES: dict[str, dict[str, Any]] = {
    "open, newest first": {},
    "open, oldest first": {"sort": "opened"},
    "all by update": {"state": "all", "sort": "-updated"},
    "all by number": {"state": "all", "sort": "number"},
    "resolved of a subject": {"state": "resolved", "subject": "device/t4711"},
    "open of an integration": {"integration": "hue-17"},
    "all of an integration": {"state": "all", "integration": "hue-17"},
    "all of a kind": {"state": "all", "kind": "integration_unreachable"},
    "all of a rare source in a space": {"state": "all", "source": "user", "space": "oslo/hq-35"},
    "open in a space": {"space": "oslo/hq-7"},
    "all in a space": {"state": "all", "space": "oslo/hq-7"},
    "search: a name": {"state": "all", "q": "thermostat 4711"},
    "search: what nothing has": {"state": "all", "q": "nothing of the kind"},
    "search: what everything has": {"state": "all", "q": "thermostat"},
    "search: open ones": {"q": "stat 4711"},
    "search: one in fifty": {"state": "all", "q": "stat 47"},
    "search: no letters": {"state": "all", "q": "---"},
    "search: in a space": {"state": "all", "q": "stat 47", "space": "oslo/hq-7"},
    "nothing to be found": {"state": "all", "kind": "no such kind"},
}


def p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


class Client:
    """Calls the service as a viewer of an org."""

    def __init__(self, settings: TicketSettings, org: str) -> None:
        token = issue(settings.signing_keys, Caller(org, Role.OPERATOR, "bench"), datetime.now(UTC), ttl_s=3600)
        self._base = f"http://127.0.0.1:{settings.tickets_port}/api/v1/orgs/{org}"
        self.http = httpx2.Client(headers={"Authorization": f"Bearer {token}"}, timeout=120.0)

    def timed(self, path: str, **query: Any) -> tuple[float, Any]:
        began = time.perf_counter()
        answer = self.http.get(self._base + path, params=query)
        seconds = time.perf_counter() - began
        answer.raise_for_status()
        return seconds * 1000, answer.json()

    def pages(self, query: dict[str, Any], count: int) -> list[float]:
        """Milliseconds of each of so many pages, one behind the other and from the beginning again."""
        took: list[float] = []
        cursor = None
        while len(took) < count:
            milliseconds, page = self.timed("/tickets", **query, **({"cursor": cursor} if cursor else {}))
            took.append(milliseconds)
            cursor = page["next_cursor"]
        return took

    def ticket(self, number: int) -> float:
        """Milliseconds for all that a ticket's page asks for."""
        return self.timed(f"/tickets/{number}")[0] + self.timed(f"/tickets/{number}/timeline", limit=200)[0]

    def open(self) -> int:
        ticket = {"title": "Lift 3", "subject": {"type": "other", "id": "lift-3"}}
        answer = self.http.post(f"{self._base}/tickets", json=ticket)
        answer.raise_for_status()
        return int(answer.json()["number"])

    def comment(self, number: int) -> None:
        self.http.post(f"{self._base}/tickets/{number}/comments", json={"comment": "Seen."}).raise_for_status()

    def export(self, pid: int) -> tuple[float, float]:
        """Tickets a second, and by how many MiB the service has grown at most meanwhile."""
        before, peak, lines = resident(pid), 0.0, 0
        began = time.perf_counter()
        with self.http.stream("GET", f"{self._base}/tickets/export") as answer:
            for piece in answer.iter_bytes():
                lines += piece.count(b"\n")
                peak = max(peak, resident(pid))
        return lines / (time.perf_counter() - began), peak - before


def resident(pid: int) -> float:
    """MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def commands_per_second(
    database: Database, settings: TicketSettings, batches: int, org: str, tickets: int
) -> float:
    """Opens of an org that has so many `tickets`, and comments on any of these, a hundred of each in a batch, in the
    handler alone."""

    def asked(command: commands.Command, ticket: TicketRef | None) -> Asked:
        return Asked(org=org, source="bench", id=str(uuid7()), command=command, ticket=ticket, fingerprint=b"")

    async def all_heard() -> bool:
        return True

    handler = CommandHandler(Wire("http://bench"), settings.chain_keys, now, uuid7, all_heard)
    began = time.perf_counter()
    for _ in range(batches):
        async with unit_of_work(database) as work:
            await handler(
                work, [asked(commands.Open(actor=ANN, title="Noise", subject=LIFT), None) for _ in range(100)]
            )
            said = commands.Comment(actor=ANN, text="Called the vendor.")
            met = random.sample(range(1, tickets + 1), 100)
            await handler(work, [asked(said, TicketRef(number=number)) for number in met])
    return batches * 200 / (time.perf_counter() - began)


async def sweep_while_writing(settings: TicketSettings, client: Client, due: int) -> tuple[float, list[float]]:
    """Tickets removed a second, and how many milliseconds each comment took that came to the same org meanwhile.
    AssertionError unless all that are due went."""
    number = client.open()
    sweeping = asyncio.create_task(asyncio.to_thread(asyncio.run, _sweep(settings)))
    took: list[float] = []
    began = time.perf_counter()
    while not sweeping.done():
        started = time.perf_counter()
        await asyncio.to_thread(client.comment, number)
        took.append((time.perf_counter() - started) * 1000)
        await asyncio.sleep(0.05)
    if (removed := await sweeping) != due:
        raise AssertionError(f"{removed} removed of {due}")
    return removed / (time.perf_counter() - began), took


async def _sweep(settings: TicketSettings) -> int:
    database = Database(settings.database_dsn("tickets"), any_time=True)
    try:
        return await Retention(database, settings.chain_keys, database_time).sweep()
    finally:
        await database.close()


async def entries_verified_per_second(database: Database, settings: TicketSettings, org: str, entries: int) -> float:
    """AssertionError unless all of them were seen and are sound."""
    began = time.perf_counter()
    told = [each async for each in verify(database, org, settings.chain_keys) if not isinstance(each, Progress)]
    seconds = time.perf_counter() - began
    [verification] = told
    if not isinstance(verification, Verification) or verification.entries != entries:
        raise AssertionError(f"{told[:3]} of {entries} entries")
    return entries / seconds


async def shorten_retention(dsn: str) -> None:
    """All of the chained org's tickets are past their time."""
    connection = await asyncpg.connect(dsn)
    try:
        shorter = """UPDATE org SET policy = policy || '{"retention_days": 30}' WHERE org = $1"""
        await connection.execute(shorter, CHAINED)
    finally:
        await connection.close()


async def measure(environment: dict[str, str], tickets: int, repeats: int) -> list[Figure]:
    settings = TicketSettings.load(environment)
    dsn = settings.database_dsn("tickets")
    database = Database(dsn, any_time=True)
    entries, due = tickets * ENTRIES_EACH, tickets // 10
    await commands_per_second(database, settings, 10, SMALL, 100)
    young = [await commands_per_second(database, settings, 10, SMALL, 1_000) for _ in range(repeats)]
    await fill(dsn, BIG, tickets, ENTRIES_EACH)
    await commands_per_second(database, settings, 5, BIG, tickets)
    old = [await commands_per_second(database, settings, 10, BIG, tickets) for _ in range(repeats)]
    await write_chained(dsn, CHAINED, due, ENTRIES_EACH, settings.chain_keys)
    verified = [await entries_verified_per_second(database, settings, CHAINED, entries // 10)]
    with running(environment) as pids:
        client = Client(settings, BIG)
        client.pages({}, 20)
        took = {name: p95(client.pages(query, 100)) for name, query in PAGES.items()}
        numbers = range(1, tickets, max(1, tickets // 200))
        shown = p95([client.ticket(number) for number in numbers])
        exports = [client.export(pids["service"]) for _ in range(repeats)]
        await shorten_retention(dsn)
        removed, writes = await sweep_while_writing(settings, Client(settings, CHAINED), due)
    await database.close()
    worst = max(took, key=lambda name: took[name])
    ratios = [one / other for one, other in zip(old, young, strict=True)]
    details = {"tickets": tickets, "entries": entries, "pages": {name: round(ms, 1) for name, ms in took.items()}}
    return [
        Figure(f"slowest page, p95 ({worst})", "ms", [took[worst]], "lower", "≤ 50", details),
        Figure("ticket page, p95", "ms", [shown], "lower", "≤ 30"),
        Figure("commands beside all of them", "commands/s", old),
        Figure("over those on the first day", "", ratios, bound="≥ 0.9"),
        Figure("export", "tickets/s", [rate for rate, _ in exports], bound="≥ 20,000"),
        Figure("memory while exporting", "MiB", [grown for _, grown in exports], "lower", "flat"),
        Figure("retention", "tickets/s", [removed], details={"removed": due}),
        Figure("slowest write beside it", "ms", [max(writes)], "lower", "≤ 200", {"writes": len(writes)}),
        Figure("verification", "entries/s", verified, bound="≥ 33,334"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tickets", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=2)
    asked = parser.parse_args()
    with installation() as environment:
        figures = asyncio.run(measure(environment, asked.tickets, asked.repeats))
    report("The ticket service beside a million tickets", figures, "ticket_library")


if __name__ == "__main__":
    main()
