"""Both doors of the ticket service at once: requests to the HTTP app, and records through decoder and handler.

A command is sent by one of them, perhaps again and again; transactions fail. Nobody waits for anybody: what was
decided in which order is read from the results in the outbox, which are drawn under the org's lock.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx2
from ticket_desk import KEYS, NOON
from ticket_door import Door, Published
from ticket_model import MONITOR, Model, Outcome, Said
from uuid_utils.compat import uuid7

from fettle_chassis.consume import Record
from fettle_chassis.database import Database
from fettle_chassis.service import Service
from fettle_chassis.signing import Signer, Verifier
from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.commands import Verb
from fettle_contracts.times import rfc3339, to_ms
from fettle_ticket_service.adapters.verifying import Progress, verify
from fettle_ticket_service.app import PACKAGE, build_api
from fettle_ticket_service.domain.verifying import Verification
from fettle_ticket_service.entrypoints.http.desk import Desk
from fettle_ticket_service.entrypoints.kafka_commands import CommandDecoder
from fettle_ticket_service.entrypoints.together import Together
from fettle_ticket_service.settings import TicketSettings

WHO = "coalesce({0} ->> 'id', {0} ->> 'type')"
PATHS = {"comment": "comments", "edit-description": "description", "set-links": "links"}


class Dropped(Exception):
    """A transaction that ends before its commit."""


@dataclass
class BothDoors:
    """`said` is every command by org and id, `answers` what HTTP said."""

    door: Door
    client: httpx2.AsyncClient
    settings: TicketSettings
    said: dict[tuple[str, str], Said] = field(default_factory=dict)
    answers: dict[tuple[str, str], list[tuple[int, Any]]] = field(default_factory=dict)

    async def by_kafka(self, batch: Sequence[tuple[str, Said]], *, drop: bool = False) -> None:
        """One batch in one transaction, which is dropped at its end if wanted."""
        decode = CommandDecoder(Verifier(self.settings.signing_keys), lambda: NOON)
        asked = [decode(self._record(org, said)) for org, said in batch]
        try:
            async with self.door.work() as work:
                await self.door.handler(work, asked)
                if drop:
                    raise Dropped
        except Dropped:
            pass

    async def by_http(self, org: str, said: Said) -> None:
        """A person's request, with the command's id as its Idempotency-Key."""
        token = issue(
            self.settings.signing_keys, Caller(org, Role.OPERATOR, said.who, said.who), datetime.now(NOON.tzinfo)
        )
        headers = {"authorization": f"Bearer {token}", "idempotency-key": said.id}
        path = f"/api/v1/orgs/{org}/tickets"
        body: dict[str, Any] = {"comment": said.comment, **said.more}
        method = "POST"
        if said.verb == "open":
            body = {**said.more, "dedup_key": said.key}
        else:
            path += f"/{said.number}/{PATHS.get(said.verb, said.verb)}"
            method = "PUT" if said.verb in ("edit-description", "set-links") else "POST"
            version = body.pop("description_version", None)
            headers["if-match"] = "*" if version is None else f'"{version}"'
        if said.verb == "comment":
            body["comment"] = said.comment or ""
        answer = await self.client.request(method, path, json=body, headers=headers)
        self.answers.setdefault((org, said.id), []).append((answer.status_code, answer.json()))

    def _record(self, org: str, said: Said) -> Record:
        data: dict[str, Any] = {"org": org, "actor": _actor(said), **said.more}
        if said.verb == "open":
            data |= {} if said.key is None else {"dedup_key": said.key}
        else:
            data["ticket"] = {"dedup_key": said.key} if said.key is not None else {"number": said.number}
        if said.at is not None:
            data["at"] = rfc3339(said.at)
        if said.comment is not None or said.verb == "comment":
            data["comment"] = said.comment or ""
        text = json.dumps(data).encode()
        event = CloudEvent(id=said.id, source="tests", type=Verb(said.verb).ce_type, time=NOON, data=text, key=org)
        if said.actor != "user":
            event = Signer(self.settings.signing_keys).sign_event(event)
        headers, value = to_binary(event)
        return Record("ticket.commands", 0, 7, to_ms(NOON), org.encode(), value, tuple(headers))

    async def check(self, org: str) -> Model:
        """Plays what was decided, in its order, in the model, and holds everything against it."""
        model = Model()
        published = [one for one in await self.door.published() if one.data["org"] == org]
        results = [one for one in published if one.topics == ["ticket.command-results"]]
        for result in results:
            said = self.said[org, result.data["command_id"]]
            expected = model.take(said, datetime.fromisoformat(result.headers["ce_time"]))
            assert outcome_of(result.data) == expected, (said, expected)
        await self._check_tickets(org, model)
        _check_events(published, model)
        self._check_answers(org, model)
        told = [each async for each in verify(self.door.database, org, KEYS) if not isinstance(each, Progress)]
        assert [type(each) for each in told] == [Verification], told
        return model

    async def _check_tickets(self, org: str, model: Model) -> None:
        rows = await self.door.rows(
            "SELECT number, source, dedup_key, title, opened_at, state, description, description_version, "
            "jsonb_array_length(links), resolution, resolved_at, previous_number, parent_number, updated_at, "
            f"{', '.join(map(WHO.format, ('opened_by', 'started_by', 'resolved_by')))}, "
            "checklist_total, checklist_recovered, version FROM ticket WHERE org = :org ORDER BY number",
            org=org,
        )
        assert list(map(tuple, rows)) == [ticket.standing() for ticket in model.tickets]
        told = await self.door.rows(
            f"SELECT array_agg(entry.type ORDER BY entry.version), array_agg({WHO.format('actor')} "
            "ORDER BY entry.version), array_agg(at ORDER BY entry.version) "
            "FROM ticket JOIN entry ON ticket_id = ticket.id WHERE ticket.org = :org GROUP BY number ORDER BY number",
            org=org,
        )
        assert [list(zip(types, who, strict=True)) for types, who, _ in told] == [
            ticket.timeline for ticket in model.tickets
        ]
        assert all(times == sorted(times) for *_, times in told)
        [row] = await self.door.rows(
            "SELECT next_number, open, in_progress, resolved FROM org WHERE org = :org", org=org
        )
        counts = [model.counts[state] for state in ("open", "in_progress", "resolved")]
        assert list(row) == [len(model.tickets) + 1, *counts]

    def _check_answers(self, org: str, model: Model) -> None:
        """Every repeat got the first answer, and that is the model's."""
        for (of, id), answers in self.answers.items():
            if of == org:
                assert all(answer == answers[0] for answer in answers), answers
                [status, body], expected = answers[0], model.seen[id]
                if expected.outcome == "rejected":
                    assert (status >= 400, body["code"]) == (True, expected.code)
                else:
                    assert (status in (200, 201), body["number"], body["state"], body["version"]) == (
                        True,
                        *expected[2:],
                    )


def _actor(said: Said) -> dict[str, str]:
    who = {} if said.actor == MONITOR else {"id": said.who}
    return {"type": said.actor, **who}


def outcome_of(result: dict[str, Any]) -> Outcome:
    ticket = result["ticket"] or {}
    code = (result["reason"] or {}).get("code")
    return Outcome(result["outcome"], code, ticket.get("number"), ticket.get("state"), ticket.get("version"))


def _check_events(published: Sequence[Published], model: Model) -> None:
    """Numbers were given in the order of the outbox, and each ticket's events stand there as its timeline does."""
    events = [one.data for one in published if "ticket.events" in one.topics]
    numbers = [event["ticket"]["number"] for event in events if event["entry"]["type"] == "opened"]
    assert numbers == list(range(1, len(model.tickets) + 1))
    for ticket in model.tickets:
        mine = [event["entry"] for event in events if event["ticket"]["number"] == ticket.number]
        assert [(entry["type"], entry["actor"].get("id", MONITOR)) for entry in mine] == ticket.timeline
        assert [entry["version"] for entry in mine] == list(range(1, len(mine) + 1))


@asynccontextmanager
async def both_doors(settings: TicketSettings) -> AsyncIterator[BothDoors]:
    database = Database(settings.database_dsn("tickets"), any_time=True)
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    door = Door(database)
    desk = Desk(database, Together(database, door.handler), door.handler._wire, KEYS, uuid7)
    app = build_api(Service("ticket-service"), settings, desk)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://tickets.test") as client:
        yield BothDoors(door, client, settings)
    await database.close()


async def all_of(*deeds: Any) -> None:
    async with asyncio.TaskGroup() as group:
        for deed in deeds:
            group.create_task(deed)
