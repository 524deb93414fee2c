"""How far are two hundred open event streams behind while a thousand tickets change every second?

Twenty orgs; half of each org's streams are the API's, which send every event, half are those of open pages, which say
which ticket has changed. The changes are written to `ticket.events` at a steady rate, as the relay does it, so that
nothing but the console is measured. A stream is behind by the age of a change when it arrives; that each stream ends
at its org's last change, and that the API's have shown all of them, is checked. Memory is the console's: how much it
grows once the events that it keeps for those who resume are there.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

from confluent_kafka import Producer
from uuid_utils.compat import uuid7

from bench.console.processes import Desk, console
from bench.report import Figure, report
from bench.servers import own_servers
from bench.ticket_library import resident
from bench.tickets.traffic import ANN, producer
from fettle_console.settings import ConsoleSettings
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.ticket_events import SOURCE, EntryType, TicketEvent
from fettle_contracts.times import rfc3339
from fettle_contracts.topics import EVENTS

TICKETS_EACH = 200
WARM_S = 15.0
"""From then on memory has to be flat: 500 events of each org are kept."""

LAST_WITHIN_S = 10.0
_VERSION = re.compile(rb'"version": ?(\d+)')


class Changes(threading.Thread):
    """Comments on the tickets of all orgs in turn, so many a second. Version numbers count all changes of all orgs, so
    that each tells by itself when it was made."""

    def __init__(self, client: Producer, topic: str, orgs: Sequence[str], per_second: int, seconds: float) -> None:
        super().__init__()
        self._client, self._topic, self._orgs, self._per_second = client, topic, orgs, per_second
        self._count = int(per_second * seconds)
        tickets = [uuid7() for _ in range(len(orgs) * TICKETS_EACH)]
        self._records = [self._record(tickets, version) for version in range(1, self._count + 1)]
        self.made_at = [0.0]
        """When each change was given to the producer, by its version."""

    def _record(self, tickets: Sequence[UUID], version: int) -> tuple[str, bytes, list[tuple[str, str | bytes | None]]]:
        place = version % len(tickets)
        org = self._orgs[place % len(self._orgs)]
        headers, value = to_binary(_event(org, tickets[place], place, version))
        return f"{org}/{tickets[place]}", value, list(headers)

    def run(self) -> None:
        began = time.perf_counter()
        for number, (key, value, headers) in enumerate(self._records):
            while (wait := began + number / self._per_second - time.perf_counter()) > 0:
                self._client.poll(wait)
            self.made_at.append(time.perf_counter())
            self._client.produce(self._topic, value, key, headers=headers)
        self._client.flush(30)

    def last_of(self, org: str) -> int:
        """The version of the org's last change."""
        place = self._orgs.index(org)
        return max(each for each in range(1, self._count + 1) if each % len(self._orgs) == place)


def _event(org: str, ticket: UUID, place: int, version: int) -> CloudEvent:
    now = datetime.now(UTC)
    entry = {
        "id": str(uuid7()),
        "type": "comment-added",
        "version": version,
        "at": rfc3339(now),
        "actor": ANN,
        "body": "Called the vendor; somebody comes before noon.",
    }
    shown = {
        "id": str(ticket),
        "org": org,
        "number": place + 1,
        "state": "open",
        "kind": "user_report",
        "title": f"Lift {place} makes a noise",
        "version": version,
        "description_version": 1,
        "description": "Since *this morning*, on every floor. The door closes, then it begins.",
        "subject": {"type": "device", "id": f"lift-{place}", "name": f"Lift {place}"},
        "source": "user",
        "opened_by": ANN,
        "opened_at": rfc3339(now),
        "updated_at": rfc3339(now),
    }
    data = TicketEvent.model_validate({"org": org, "entry": entry, "ticket": shown}).to_json()
    kind = EntryType.COMMENT_ADDED.ce_type
    return CloudEvent(id=str(entry["id"]), source=SOURCE, type=kind, time=now, data=data, key=f"{org}/{ticket}")


@dataclass
class Follower:
    """One open stream: how late each change arrived, in seconds, and which was the last."""

    org: str
    path: str
    headers: dict[str, str]
    changes: Changes
    late: list[float] = field(default_factory=list)
    last: int = 0

    async def follow(self, desk: Desk, begun: asyncio.Semaphore) -> None:
        address = urlsplit(desk.url)
        reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=2**22)
        lines = [f"GET {self.path} HTTP/1.1", f"Host: {address.netloc}"]
        writer.write(
            "\r\n".join([*lines, *(f"{name}: {value}" for name, value in self.headers.items()), "", ""]).encode()
        )
        try:
            await reader.readuntil(b"\r\n\r\n")
            await reader.readuntil(b"\n\n")
            begun.release()
            while True:
                await self._take(reader)
        finally:
            writer.close()

    async def _take(self, reader: asyncio.StreamReader) -> None:
        text = await reader.readuntil(b"\n\n")
        found = _VERSION.search(text)
        if found:
            version = int(found[1])
            self.last = max(self.last, version)
            self.late.append(time.perf_counter() - self.changes.made_at[version])


async def measure(desk: Desk, followers: list[Follower], changes: Changes) -> float:
    """Lets everybody follow until each has its org's last change. Returns by how many MiB the console grew at most."""
    begun = asyncio.Semaphore(0)
    lasts = {org: changes.last_of(org) for org in {each.org for each in followers}}
    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(each.follow(desk, begun)) for each in followers]
        for _ in followers:
            await begun.acquire()
        changes.start()
        grown = await _grown(desk.pid, changes)
        until = time.monotonic() + LAST_WITHIN_S
        while any(each.last < lasts[each.org] for each in followers):
            if time.monotonic() > until:
                behind = sum(each.last < lasts[each.org] for each in followers)
                raise RuntimeError(f"{behind} streams have not shown their org's last change in {LAST_WITHIN_S:.0f} s")
            await asyncio.sleep(0.05)
        for each in following:
            each.cancel()
    return grown


async def _grown(pid: int, changes: Changes) -> float:
    await asyncio.sleep(WARM_S)
    before = peak = resident(pid)
    while changes.is_alive():
        peak = max(peak, resident(pid))
        print(f"\r{len(changes.made_at) - 1:,} changes, {peak:.0f} MiB ", end="", file=sys.stderr, flush=True)
        await asyncio.sleep(1)
    print(file=sys.stderr)
    return peak - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orgs", type=int, default=20)
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--per-second", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=60.0)
    asked = parser.parse_args()
    names = [f"bench-{number}" for number in range(asked.orgs)]
    with own_servers(partitions=4) as environment, console(environment) as desk:
        settings = ConsoleSettings.load(environment)
        client = producer(settings.kafka_bootstrap_servers)
        changes = Changes(client, settings.topic(EVENTS), names, asked.per_second, asked.seconds)
        followers: list[Follower] = []
        for org in names:
            token = desk.viewer(org)
            bearer, cookie = {"Authorization": f"Bearer {token}"}, {"Cookie": desk.cookie(token)}
            for number in range(asked.streams // asked.orgs):
                path, headers = (f"/api/v1/orgs/{org}/events", bearer) if number % 2 else (f"/orgs/{org}/live", cookie)
                followers.append(Follower(org, path, headers, changes))
        grown = asyncio.run(measure(desk, followers, changes))
    every = [each for each in followers if "/api/" in each.path]
    missed = sum(len(changes.made_at[1:]) // asked.orgs - len(each.late) for each in every)
    if missed:
        raise RuntimeError(f"the API's streams have missed {missed} changes")
    pages = [max(each.late) for each in followers if each not in every]
    report(
        f"How far are {len(followers)} streams behind at {asked.per_second} changes a second over {asked.orgs} orgs?",
        [
            Figure("behind: API, each stream's worst", "s", [max(each.late) for each in every], "lower", "<= 2"),
            Figure("behind: pages, each stream's worst", "s", pages, "lower", "<= 2"),
            Figure("memory grown after the first 15 s", "MiB", [grown], "lower", "flat"),
        ],
        "console_streams",
    )


if __name__ == "__main__":
    main()
