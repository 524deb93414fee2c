"""Chains of runs that cause each other, put together again from what others saw: ids on Kafka and in runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fettle_contracts.ticket_events import TRIGGERS
from tests.outside import Received, read_all
from tests.workflows.both_services import Both


@dataclass(frozen=True)
class Ran:
    """A run as its rows have it."""

    id: str
    org: str
    workflow: str
    event: str
    depth: int
    state: str
    code: str | None


@dataclass(frozen=True)
class Record:
    """All runs, and by the id of an event what it says and which command made it."""

    runs: Mapping[str, Ran]
    events: Mapping[str, Received]
    given_by: Mapping[str, str]

    def causes(self, run: Ran) -> Iterator[Ran]:
        """The run that caused this one, the one that caused that, and so on to the first."""
        while (giver := self.given_by.get(self.events[run.event].headers["ce_causationid"])) is not None:
            run = self.runs[giver]
            yield run

    def published(self) -> Iterator[tuple[str, str, str]]:
        """Each event that can start runs: its org, its trigger, its id."""
        for event in self.events.values():
            name = event.headers["ce_type"].removeprefix("fettle.").removesuffix(".v1")
            if name.removeprefix("ticket.") in {str(entry) for entry in TRIGGERS}:
                yield event.json()["org"], name, event.id


async def record_of(both: Both) -> Record:
    """Everything that has happened."""
    runs = await both.rows("SELECT id, org, workflow, event_id, depth, state, error FROM run")
    steps = await both.rows("SELECT run_id, command_id FROM step WHERE command_id IS NOT NULL")
    events = read_all(both.settings.kafka_bootstrap_servers, both.settings.topic("ticket.events"))
    return Record(
        {str(row.id): _ran(row) for row in runs},
        {event.id: event for event in events},
        {str(row.command_id): str(row.run_id) for row in steps},
    )


def _ran(row: Any) -> Ran:
    code = row.error["code"] if row.error else None
    return Ran(str(row.id), row.org, row.workflow, row.event_id, row.depth, row.state, code)
