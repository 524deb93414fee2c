"""A person at the API while parts are being broken, who sends again what was not answered."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.faults.traffic import Mix, Said, data_of
from tests.installation import OrgApi

PATHS = {"comment": "comments", "edit-description": "description", "set-links": "links"}
PAUSE_S = 0.1
AT_LEAST = 100


@dataclass
class Desk:
    """Requests one after the other for `seconds`, and until there are `AT_LEAST`, with the command's id as
    `Idempotency-Key`, each until it has an answer; one in twenty is sent again after that. The tickets are those that
    it has opened itself."""

    api: OrgApi
    seconds: float
    seed: int
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    changed_their_minds: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.mix = Mix("desk", random.Random(self.seed))
        self._numbers: dict[str, int] = {}

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name="desk", daemon=True)
        thread.start()
        return thread

    def _work(self) -> None:
        dice, until = random.Random(self.seed), time.monotonic() + self.seconds
        while time.monotonic() < until or len(self.answers) < AT_LEAST:
            identity, said = self.mix.next()
            status, body = self.answers[identity] = self._ask(identity, said)
            if said.verb == "open":
                self._numbers[said.key] = body["number"]
            if dice.random() < 0.05 and self._ask(identity, said) != (status, body):
                self.changed_their_minds.append(identity)
            time.sleep(PAUSE_S)

    def _ask(self, identity: str, said: Said) -> tuple[int, Any]:
        """The first answer that says what became of it."""
        path = "/tickets"
        if said.verb != "open":
            path += f"/{self._numbers[said.key]}/{PATHS.get(said.verb, said.verb)}"
        headers = {"Idempotency-Key": identity}
        while True:
            try:
                if said.verb in ("edit-description", "set-links"):
                    answer = self.api.put(path, data_of(identity, said), **headers, **{"If-Match": "*"})
                else:
                    answer = self.api.post(path, data_of(identity, said), **headers)
            except httpx2.HTTPError:
                time.sleep(0.3)
                continue
            if answer.status_code < 500 and answer.status_code != 429:
                return answer.status_code, answer.json()
            time.sleep(0.3)
