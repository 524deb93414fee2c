"""Tickets that were resolved longer ago than their org keeps them, made while retention is at work on them.

A workflow says when what it tells of happened; so the past is written with signed commands.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from fettle_chassis.settings import ServiceSettings
from fettle_chassis.signing import Signer
from fettle_contracts.cloudevents import CloudEvent, to_binary
from tests.installation import Installation, OrgApi, eventually
from tests.outside import producer, read_all

LONG_AGO = timedelta(days=400)


class Past:
    """Pairs of an open and a resolve, one after the other for `seconds`, all of them of long ago."""

    def __init__(self, environment: Mapping[str, str], topic: str, org: str, seconds: float, seed: int) -> None:
        settings = ServiceSettings.load(environment)
        self._signer, self._bootstrap = Signer(settings.signing_keys), settings.kafka_bootstrap_servers
        self._topic, self._org, self._seconds, self._dice = topic, org, seconds, random.Random(seed)
        self.pairs = 0

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._send, name="past", daemon=True)
        thread.start()
        return thread

    def _send(self) -> None:
        client, until = producer(self._bootstrap), time.monotonic() + self._seconds
        while time.monotonic() < until:
            key = {"dedup_key": f"past-{self.pairs}"}
            subject = {"type": "other", "id": key["dedup_key"]}
            for verb, data in (
                ("open", {**key, "title": "Old noise", "subject": subject}),
                ("resolve", {"ticket": key}),
            ):
                value, headers = self._signed(f"{verb}-{self.pairs}", verb, data)
                client.produce(self._topic, key=self._org, value=value, headers=headers)
            self.pairs += 1
            client.poll(0)
            time.sleep(self._dice.uniform(0.05, 0.2))
        assert client.flush(120) == 0

    def _signed(self, identity: str, verb: str, said: Mapping[str, Any]) -> tuple[bytes, Any]:
        now = datetime.now(UTC)
        at = (now - LONG_AGO).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        actor = {"type": "workflow", "id": "history", "name": "History", "run": "r1"}
        event = CloudEvent(
            id=identity,
            source="fettle/workflow-engine",
            type=f"fettle.ticket.command.{verb}.v1",
            time=now,
            data=json.dumps({"org": self._org, "actor": actor, "at": at, **said}).encode(),
            key=self._org,
        )
        headers, value = to_binary(self._signer.sign_event(event))
        return value, headers

    def check(self, installation: Installation, api: OrgApi) -> None:
        """Every ticket came, with one number and one story, and went; what is left says nothing else."""

        def events() -> list[dict[str, Any]]:
            found = read_all(self._bootstrap, installation.topic("ticket.events"))
            return [body for body in (event.json() for event in found) if body["org"] == self._org]

        eventually(lambda: len({body["entry"]["id"] for body in events()}) == 2 * self.pairs, "all has happened", 120.0)
        told = {(body["ticket"]["number"], body["entry"]["type"]): body["entry"]["version"] for body in events()}
        assert told == {
            (number, kind): version
            for number in range(1, self.pairs + 1)
            for kind, version in (("opened", 1), ("resolved", 2))
        }
        installation.kill("tickets")
        installation.start("tickets")  # which looks at once for what is due
        installation.wait_ready("tickets")
        print(f"{self.pairs} tickets of long ago, of which {len(api.tickets())} are left")
        eventually(lambda: api.tickets() == [], "all has been removed", 120.0)
        verified = json.loads(api.text("/tickets/verify").splitlines()[-1])["verified"]
        assert (verified["sound"], verified["entries"], verified["removed_tickets"]) == (True, 0, self.pairs), verified
