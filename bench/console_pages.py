"""How long does a page of the console take, and how heavy is it, with a million tickets and 100,000 subjects?

A whole installation as its processes; an admin who is signed in asks for each page that the console has, compressed as
browsers do, from the request to its last byte. Files that a browser keeps (scripts, styles) are not counted. Every
page that the console's app knows must be in `PAGES`: a new one fails here until it is.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
from fastapi.routing import APIRoute
from tests.installation import Installation, OrgApi, eventually

from bench.report import Figure, report
from bench.servers import own_servers
from bench.ticket_library import p95
from bench.tickets.library import fill
from bench.tickets.traffic import producer
from fettle_console.entrypoints.pages.app import MODULES
from fettle_contracts.topics import COMMANDS, HEARTBEATS
from fettle_ticket_service.settings import TicketSettings

ORG = "bench-0"
ENTRIES_EACH = 10
POLICY = {"enabled": True, "publish_tickets": False, "timeout_s": 3600, "open_debounce_s": 5}
SILENCE = {"filter": {"space": "oslo/hq-1"}, "length_s": 86_400}
CHANNEL = {"kind": "email", "settings": {"host": "127.0.0.1", "from": "a@nowhere.invalid", "to": ["a@nowhere.invalid"]}}
FAILING = 50
"""One of so many devices says that it is offline."""

BY_HAND = """\
workflow: by-hand
enabled: true
nodes:
  pressed: {trigger: manual}
  opened: {after: [pressed], action: ticket.open,
           with: {title: Look at it, kind: check, subject: {type: other, id: lift}}}
"""
LETTER = f"dead-letters/{COMMANDS}/0"
PAGES: Mapping[str, tuple[str, ...]] = {
    "/orgs/{org}/tickets": (
        "tickets",
        "tickets?state=all",
        "tickets?state=all&q=thermostat+4711",
        "tickets?state=resolved&space=oslo%2Fhq-7",
        "tickets?state=all&sort=-updated",
    ),
    "/orgs/{org}/tickets/new": ("tickets/new",),
    "/orgs/{org}/tickets/{number}": ("tickets/1", "tickets/500"),
    "/orgs/{org}/tickets/{number}/told": ("tickets/1/told",),
    "/orgs/{org}/tickets/{number}/timeline": ("tickets/1/timeline",),
    "/orgs/{org}/tickets/{number}/checklist": ("tickets/1/checklist",),
    "/orgs/{org}/open-count": ("open-count",),
    "/orgs/{org}/judging": ("judging",),
    "/orgs/{org}/health/overview": ("health/overview", "health/overview?day=true"),
    "/orgs/{org}/health": ("health", "health?state=unhealthy&sort=-since", "health?q=sensor+47"),
    "/orgs/{org}/health/last-heard": ("health/last-heard",),
    "/orgs/{org}/health/{type}/{id:path}": ("health/device/d0", "health/device/d7", "health/integration/cloud-3"),
    "/orgs/{org}/why": ("why?subject=device/d0",),
    "/orgs/{org}/heard": ("heard?subject=device/d0",),
    "/orgs/{org}/health/silences": ("health/silences", "health/silences?state=ended"),
    "/orgs/{org}/new-silence": ("new-silence", "new-silence?space=oslo/hq-7"),
    "/orgs/{org}/health/policies": ("health/policies", "health/policies?subject=device/d0"),
    "/orgs/{org}/workflows": ("workflows",),
    "/orgs/{org}/workflows/{name}": ("workflows/by-hand",),
    "/orgs/{org}/workflows/{name}/versions/{version}": ("workflows/by-hand/versions/1",),
    "/orgs/{org}/workflows/{name}/edit": ("workflows/by-hand/edit",),
    "/orgs/{org}/workflows/{name}/try": ("workflows/by-hand/try",),
    "/orgs/{org}/workflows/{name}/start": ("workflows/by-hand/start",),
    "/orgs/{org}/workflows/{name}/hook": ("workflows/by-hand/hook",),
    "/orgs/{org}/new-workflow": ("new-workflow",),
    "/orgs/{org}/runs": ("runs",),
    "/orgs/{org}/runs/{id}": ("runs/{run}",),
    "/orgs/{org}/channels": ("channels",),
    "/orgs/{org}/new-channel": ("new-channel",),
    "/orgs/{org}/channels/{name}/edit": ("channels/ops/edit",),
    "/orgs/{org}/settings": ("settings",),
    "/orgs/{org}/members": ("members",),
    "/orgs/{org}/tokens": ("tokens",),
    "/orgs/{org}/audit": ("audit", "audit?thing=workflows"),
    "/orgs/{org}/dead-letters": ("dead-letters",),
    "/orgs/{org}/dead-letters/{topic}/{offset}": (LETTER,),
}
NO_PAGES = {
    "/",
    "/sign-in",
    "/sign-in/provider",
    "/sign-in/provider/back",
    "/orgs/{org}/live",
    "/orgs/{org}/export.jsonl",
}
EDITORS = ("new-workflow", "workflows/by-hand/edit")
BOUND_MS, BOUND_KB, BOUND_EDITOR_KB = 300, 150, 300
AFTERWARDS = ("health/overview?day=true", "health/last-heard", "heard?subject=device/d0")
BOUND_AFTERWARDS_MS = 3_000
"""What a page that is there already asks for, and shows when it has come."""


def check_every_page() -> None:
    """Raises RuntimeError for a page of the console that is not measured."""
    routes = [route for module in MODULES for route in module.router.routes if isinstance(route, APIRoute)]
    missing = {route.path for route in routes if "GET" in (route.methods or ())} - set(PAGES) - NO_PAGES
    if missing:
        raise RuntimeError(f"PAGES lacks {', '.join(sorted(missing))}")


@contextmanager
def installed(environment: Mapping[str, str]) -> Iterator[Installation]:
    """A whole Fettle, ready."""
    with tempfile.TemporaryDirectory() as folder:
        installation = Installation({**environment, "FETTLE_REQUESTS_PER_S": "100000"}, Path(folder))
        try:
            installation.start()
            installation.wait_ready()
            yield installation
        finally:
            installation.stop()


def beat(installation: Installation, devices: int) -> None:
    """One heartbeat of each device, some of them in trouble, and a command that nobody can read. Blocks."""
    client = producer(installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"])
    for number in range(devices):
        said = {
            "name": f"Sensor {number}",
            "integration": f"cloud-{number % 40}",
            "space": f"oslo/hq-{number % 30}/{number % 9}",
            "model": "T100",
            "status": "offline" if number % FAILING == 0 else "ok",
        }
        client.produce(installation.topic(HEARTBEATS), json.dumps(said).encode(), f"{ORG}/device/d{number}")
        client.poll(0)
    client.produce(installation.topic(COMMANDS), b"{", ORG)
    for number in range(40):
        client.produce(installation.topic(HEARTBEATS), b"", f"{ORG}/integration/cloud-{number}")
    client.flush(60)


def standing(api: OrgApi, devices: int) -> bool:
    """Whether the last device is known and the failing ones are said to be so."""
    last = api.try_get(f"/subjects/device/d{devices - 1}")
    failing = api.try_get("/subjects", state="firing", limit=1)
    print(".", end="", file=sys.stderr, flush=True)
    return bool(last and last.get("state") == "healthy" and failing and failing["items"])


async def analyzed(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("VACUUM ANALYZE", timeout=600)
    finally:
        await connection.close()


def bound_ms(path: str) -> int:
    return BOUND_AFTERWARDS_MS if path in AFTERWARDS else BOUND_MS


def measured(client: httpx2.Client, path: str, repeats: int) -> tuple[list[float], float]:
    """Milliseconds of each request, and KB of the answer as it travels. Raises for an answer that is no page."""
    took, weight = [], 0
    for _ in range(repeats):
        began = time.perf_counter()
        with client.stream("GET", f"/orgs/{ORG}/{path}", headers={"accept-encoding": "gzip"}) as answer:
            for _ in answer.iter_bytes():
                pass
            weight = answer.num_bytes_downloaded
        took.append((time.perf_counter() - began) * 1000)
        if answer.status_code != 200:
            raise RuntimeError(f"{path}: {answer.status_code}")
    return took, weight / 1000


def prepared(installation: Installation, api: OrgApi, tickets: int, devices: int) -> str:
    """Fills the installation; the id of a run."""
    beat(installation, devices)
    asyncio.run(fill(TicketSettings.load(installation.environment).database_dsn("tickets"), ORG, tickets, ENTRIES_EACH))
    eventually(lambda: standing(api, devices), "all subjects are known", within_s=300)
    asyncio.run(analyzed(TicketSettings.load(installation.environment).database_dsn("health")))
    api.post_yaml("/workflows", BY_HAND).raise_for_status()
    api.put("/channels/ops", CHANNEL).raise_for_status()
    api.post("/silences", SILENCE).raise_for_status()
    run: dict[str, Any] = api.post("/workflows/by-hand/runs").raise_for_status().json()
    return str(run["id"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tickets", type=int, default=1_000_000)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=20)
    asked = parser.parse_args()
    check_every_page()
    times: dict[str, list[float]] = {}
    weights: dict[str, float] = {}
    with own_servers(partitions=4) as environment, installed(environment) as installation:
        api = installation.create_org(ORG, POLICY)
        run = prepared(installation, api, asked.tickets, asked.devices)
        client = installation.http
        client.post("/sign-in", data={"token": api.token}, headers={"origin": installation.url})
        eventually(lambda: client.get(f"/orgs/{ORG}/{LETTER}").is_success, "the dead letter")
        for path in (each for paths in PAGES.values() for each in paths):
            times[path], weights[path] = measured(client, path.format(run=run), asked.repeats)
    size = {"tickets": asked.tickets, "devices": asked.devices}
    report(
        f"How long does a page take beside {asked.tickets:,} tickets and {asked.devices:,} devices?",
        [
            Figure(path, "ms p95", [p95(each)], "lower", f"<= {bound_ms(path)}", {**size, "kb": weights[path]})
            for path, each in times.items()
        ],
        "console_pages",
    )
    heavy = {path: kb for path, kb in weights.items() if kb > (BOUND_EDITOR_KB if path in EDITORS else BOUND_KB)}
    print(f"the heaviest: {max(weights.values()):.0f} KB; over their bound: {heavy or 'none'}")


if __name__ == "__main__":
    main()
