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


MOVES = {"start": "started", "move-to-open": "moved-to-open", "resolve": "resolved", "reopen": "reopened"}
EDITS = {"edit-description": "description-edited", "set-links": "links-edited"}


@dataclass(frozen=True)
class Said:
    """A command, and on which ticket: the latest with this key. `text` is the comment."""

    verb: str
    key: str
    text: str | None = None

    @property
    def entries(self) -> list[list[str]]:
        """What it can have done where it was applied, by types of entries; a move may be a comment only."""
        comment = ["comment-added"] if self.text else []
        match self.verb:
            case "open":
                return [["opened"], ["reopened"]]
            case "comment":
                return [comment]
            case move if move in MOVES:
                return [[MOVES[move], *comment], *([comment] if comment else [])]
            case edit:
                return [[EDITS[edit]]]


@dataclass
class Mix:
    """Commands as chance has it: a tenth opens, half of them with a key that was there before, six tenths comment, the
    rest moves and edits. Keys are `prefix` and a running number; each command has its own id as text, so that one
    effect can be told from two. Two mixes need dice of two seeds, or they draw the same ids."""

    prefix: str
    dice: random.Random
    keys: list[str] = field(default_factory=list)
    said: dict[str, Said] = field(default_factory=dict)

    def next(self) -> tuple[str, Said]:
        identity = str(uuid.UUID(int=self.dice.getrandbits(128), version=4))
        drawn = self.dice.random()
        if not self.keys or drawn < 0.1:
            if not self.keys or self.dice.random() < 0.5:
                self.keys.append(f"{self.prefix}-{len(self.keys)}")
                said = Said("open", self.keys[-1])
            else:
                said = Said("open", self.dice.choice(self.keys))
        elif drawn < 0.7:
            said = Said("comment", self.dice.choice(self.keys), identity)
        else:
            verb = self.dice.choice([*MOVES, *MOVES, *EDITS])
            text = identity if verb in MOVES and self.dice.random() < 0.3 else None
            said = Said(verb, self.dice.choice(self.keys), text)
        self.said[identity] = said
        return identity, said


def data_of(identity: str, said: Said) -> dict[str, Any]:
    """The command without org, actor and ticket, as both doors take it."""
    if said.verb == "open":
        subject = {"type": "other", "id": said.key, "name": said.key.title()}
        return {"title": f"Job {said.key}", "kind": "user_report", "subject": subject, "dedup_key": said.key}
    if said.verb == "edit-description":
        return {"description": identity}
    if said.verb == "set-links":
        return {"links": [{"label": identity, "url": "https://orders.test/7"}]}
    return {} if said.text is None else {"comment": said.text}


@dataclass
class Commands:
    """A person's commands by Kafka over `seconds`, each with its own id and one in twenty sent twice."""

    bootstrap: str
    topic: str
    org: str
    count: int
    seconds: float
    seed: int
    lost: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mix = Mix("job", random.Random(self.seed))

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._send, name="commands", daemon=True)
        thread.start()
        return thread

    def _send(self) -> None:
        dice, client = random.Random(self.seed), producer(self.bootstrap)
        begun = time.monotonic()
        for index in range(self.count):
            identity, said = self.mix.next()
            data = {"org": self.org, "actor": ACTOR, **data_of(identity, said)}
            if said.verb != "open":
                data["ticket"] = {"dedup_key": said.key}
            for _ in range(2 if dice.random() < 0.05 else 1):
                client.produce(
                    self.topic,
                    key=self.org,
                    value=json.dumps(data),
                    headers=_headers(identity, said.verb),
                    on_delivery=self._delivered,
                )
            client.poll(0)
            ahead = begun + (index + 1) * self.seconds / self.count - time.monotonic()
            if ahead > 0:
                client.poll(ahead)
        client.flush(120)

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
    """Three kinds of devices: steady ones, ones that die, and ones that die and come back after `away_s`, but nobody
    before `may_return` is set; where that is not from the beginning, all have fallen silent before the first is due
    back."""

    beating: Beating
    each: int
    seed: int
    first_s: float
    last_s: float
    away_s: float
    may_return: threading.Event

    def __post_init__(self) -> None:
        self.steady = [f"device/steady-{n}" for n in range(self.each)]
        self.dying = [f"device/dying-{n}" for n in range(self.each)]
        self.returning = [f"device/returning-{n}" for n in range(self.each)]

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
            time.sleep(max(0.0, begun + due - time.monotonic()))
            if alive:
                self.may_return.wait()
                self.beating.alive(subject, status="ok")
            else:
                self.beating.silent(subject)
