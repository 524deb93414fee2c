"""What a busy installation does while its parts are being broken, remembered so that the outcome can be checked."""

from __future__ import annotations

import json
import random
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from tests.outside import Beating, producer

ACTOR = {"type": "user", "id": "ann@acme.test", "name": "Ann"}
TRIGGERS = {
    "opened": "ticket.opened",
    "started": "ticket.started",
    "comment-added": "ticket.comment-added",
    "resolved": "ticket.resolved",
    "reopened": "ticket.reopened",
}


@dataclass
class Commands:
    """User commands sent over `seconds`, each with its own id and one in twenty sent twice.

    Every tenth opens a ticket under a key of its own; the rest comment on tickets opened before, each with its own id
    as text, so that one effect can be told from two.
    """

    bootstrap: str
    topic: str
    org: str
    count: int
    seconds: float
    seed: int
    opened: list[str] = field(default_factory=list)
    comments: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._send, name="commands", daemon=True)
        thread.start()
        return thread

    def _send(self) -> None:
        dice, client = random.Random(self.seed), producer(self.bootstrap)
        begun = time.monotonic()
        for index in range(self.count):
            identity, verb, data = self._next(dice, index)
            for _ in range(2 if dice.random() < 0.05 else 1):
                client.produce(
                    self.topic,
                    key=self.org,
                    value=json.dumps(data),
                    headers=_headers(identity, verb),
                    on_delivery=self._delivered,
                )
            client.poll(0)
            ahead = begun + (index + 1) * self.seconds / self.count - time.monotonic()
            if ahead > 0:
                client.poll(ahead)
        client.flush(120)

    def _next(self, dice: random.Random, index: int) -> tuple[str, str, dict[str, Any]]:
        identity = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        data: dict[str, Any] = {"org": self.org, "actor": ACTOR}
        if index % 10 == 0:
            self.opened.append(f"job-{index}")
            subject = {"type": "other", "id": f"job-{index}", "name": f"Job {index}"}
            return identity, "open", {**data, "title": f"Job {index}", "kind": "user_report", "subject": subject,
                                      "dedup_key": f"job-{index}"}  # fmt: skip
        self.comments[identity] = dice.choice(self.opened)
        return identity, "comment", {**data, "ticket": {"dedup_key": self.comments[identity]}, "comment": identity}

    def _delivered(self, error: Any, message: Any) -> None:
        if error is not None:
            self.lost.append(str(error))


def _headers(identity: str, verb: str) -> dict[str, str | bytes | None]:
    fields = {
        "ce_specversion": "1.0",
        "ce_id": identity,
        "ce_type": f"fettle.ticket.command.{verb}.v1",
        "ce_source": "https://acme.test/desk",
        "ce_time": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime()),
        "content-type": "application/json",
    }
    return {name: value.encode() for name, value in fields.items()}


@dataclass
class Fleet:
    """Three kinds of devices: steady ones, ones that die, and ones that die and come back after `away_s`."""

    beating: Beating
    each: int
    seed: int
    first_s: float
    last_s: float
    away_s: float

    def __post_init__(self) -> None:
        self.steady = [f"device/steady-{n}" for n in range(self.each)]
        self.dying = [f"device/dying-{n}" for n in range(self.each)]
        self.returning = [f"device/returning-{n}" for n in range(self.each)]
        self._ended = threading.Event()

    def start(self) -> threading.Thread:
        self.beating.alive(*self.steady, *self.dying, *self.returning, status="ok")
        thread = threading.Thread(target=self._live, name="fleet", daemon=True)
        thread.start()
        return thread

    def _live(self) -> None:
        dice, begun = random.Random(self.seed), time.monotonic()
        plan: list[tuple[float, str, bool]] = []
        for subject in self.dying:
            plan.append((dice.uniform(self.first_s, self.last_s), subject, False))
        for subject in self.returning:
            silent_at = dice.uniform(self.first_s, self.last_s)
            plan += [(silent_at, subject, False), (silent_at + self.away_s, subject, True)]
        for due, subject, alive in sorted(plan):
            self._ended.wait(max(0.0, begun + due - time.monotonic()))
            if alive:
                self.beating.alive(subject, status="ok")
            else:
                self.beating.silent(subject)
