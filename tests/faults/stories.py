"""What becomes of five small orgs while a monitor's parts are being broken, and the tickets that this must give.

Each org has one thing happen to it, so that what is expected of it is known whatever the faults delay.
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2

from tests.installation import Installation, OrgApi, eventually
from tests.outside import Beating

WITHIN_S = 90.0
WINDOW_S = 12
POLICY = {
    "enabled": True,
    "publish_tickets": True,
    "timeout_s": 6,
    "open_debounce_s": 3,
    "resolve_debounce_s": 3,
    "rollup_threshold": 5,
    "rollup_window_s": WINDOW_S,
}
GATEWAY = "integration/hue-1"
STEADY = [f"device/steady-{number}" for number in range(4)]
BEHIND = [f"device/behind-{number}" for number in range(4)]
MANY = [f"device/many-{number}" for number in range(6)]
QUIET = "device/quiet"
LOST = {f"device/lost-{number}": f"hue-{number % 3 + 1}" for number in range(12)}
FOUND_DEAD = "device/lost-0"
DYING = [f"device/dying-{number}" for number in range(4)]
RETURNING = [f"device/returning-{number}" for number in range(3)]


@dataclass
class Org:
    """One org, whoever beats for it, and until when something of it is silenced."""

    api: OrgApi
    beating: Beating
    silenced_until: datetime | None = None

    def tickets(self, **query: Any) -> list[dict[str, Any]]:
        """None of them while nobody can say."""
        try:
            return self.api.tickets(**query)
        except httpx2.HTTPError:
            return []

    def until(
        self, happened: Callable[[list[dict[str, Any]]], bool], what: str, give_up_at: Callable[[], float]
    ) -> None:
        while not happened(found := self.tickets()):
            if time.monotonic() > give_up_at():
                raise AssertionError(f"{self.api.org}: {what} not within {WITHIN_S:.0f} s; there are {shown(found)}")
            time.sleep(0.5)


class Stories:
    """Five orgs that live side by side. `spread_s` is how long it takes until the last story has begun. However long
    things are broken, what is to come has `WITHIN_S` from then on."""

    def __init__(self, orgs: dict[str, Org], dice: random.Random, spread_s: float) -> None:
        self.orgs, self._dice, self._spread_s = orgs, dice, spread_s
        self._pool = ThreadPoolExecutor(len(orgs))
        self._told: list[Future[None]] = []
        self._give_up_at = math.inf

    @classmethod
    @contextmanager
    def of(cls, installation: Installation, mark: str, dice: random.Random, spread_s: float) -> Iterator[Stories]:
        """Orgs with this mark in their names, in which everybody reports and is known to be healthy; afterwards they
        are not judged any more."""
        bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
        with ExitStack() as stack:
            orgs = {}
            for name in ("gate", "many", "quiet", "lost", "mixed"):
                api = installation.create_org(f"{mark}-{name}", POLICY)
                beating = Beating(bootstrap, installation.topic("device.heartbeats"), api.org)
                orgs[name] = Org(api, stack.enter_context(beating))
            stories = cls(orgs, dice, spread_s)
            stories._come_alive()
            try:
                yield stories
            finally:
                stories._give_up_at = 0.0
            for org in orgs.values():
                org.api.put("/health-policy", {**POLICY, "enabled": False}).raise_for_status()

    def _come_alive(self) -> None:
        alive = {name: org.beating.alive for name, org in self.orgs.items()}
        alive["gate"](GATEWAY, status="ok")
        alive["gate"](*BEHIND, status="ok", integration="hue-1")
        alive["gate"](*STEADY, status="ok", integration="hue-2")
        alive["many"](GATEWAY, status="ok")
        alive["many"](*MANY, *STEADY, status="ok", integration="hue-1")
        alive["quiet"](QUIET, *STEADY, status="ok")
        for device, integration in LOST.items():
            alive["lost"](device, status="ok", integration=integration)
        alive["mixed"](*STEADY, *DYING, *RETURNING, status="ok")
        counts = {"gate": 9, "many": 11, "quiet": 5, "lost": 12, "mixed": 11}
        for name, org in self.orgs.items():
            known = {"healthy": counts[name]}
            eventually(lambda org=org, known=known: states_of(org.api) == known, f"all of {name} known")  # type: ignore[misc]

    def begin(self) -> None:
        """The stories, each in a thread of its own; they end when what they wait for has happened."""
        for story in (self._gate, self._many, self._quiet, self._lost, self._mixed):
            self._told.append(self._pool.submit(story, self._dice.uniform(0.0, self._spread_s)))

    def _gate(self, first_s: float) -> None:
        """The integration reports that it is down, and nothing is heard of its devices any more."""
        time.sleep(first_s)
        beating = self.orgs["gate"].beating
        beating.alive(GATEWAY, status="unreachable")
        beating.silent(*BEHIND)

    def _many(self, first_s: float) -> None:
        time.sleep(first_s)
        self.orgs["many"].beating.silent(*MANY)

    def _quiet(self, first_s: float) -> None:
        """A device is silenced and dies; the silence ends while nobody knows what is broken just then."""
        time.sleep(first_s)
        org = self.orgs["quiet"]
        length_s = round(self._spread_s - first_s) + 16
        answer = None
        while answer is None or answer.status_code >= 500:
            try:
                answer = org.api.post("/silences", {"subject": QUIET, "length_s": length_s}, **{"Idempotency-Key": "q"})
            except httpx2.HTTPError:
                time.sleep(0.5)
        assert answer.status_code == 201, answer.text
        org.silenced_until = datetime.fromisoformat(answer.json()["until"])
        org.beating.silent(QUIET)

    def _lost(self, first_s: float) -> None:
        """Nobody is heard any more; then all are again but one."""
        time.sleep(max(first_s, WINDOW_S - 6.0))
        org = self.orgs["lost"]
        org.beating.silent(*LOST)
        self._until(org, lambda found: "heartbeats_lost" in kinds(found), "heartbeats are lost")
        for device, integration in LOST.items():
            if device != FOUND_DEAD:
                org.beating.alive(device, status="ok", integration=integration)

    def _mixed(self, first_s: float) -> None:
        """Some die for good, some come back once they have their tickets."""
        org = self.orgs["mixed"]
        time.sleep(first_s)
        org.beating.silent(*DYING[:2], *RETURNING)
        time.sleep(self._spread_s - first_s)
        org.beating.silent(*DYING)
        self._until(org, lambda found: set(RETURNING) <= set(subjects(found)), "those that come back have tickets")
        org.beating.alive(*RETURNING, status="ok")

    def _until(self, org: Org, happened: Callable[[list[dict[str, Any]]], bool], what: str) -> None:
        org.until(happened, what, lambda: self._give_up_at)

    # What must come of it

    def check(self) -> None:
        """Waits for the ends of the stories and for every ticket that is expected: exactly these, and nothing about
        anybody who was well."""
        self._give_up_at = time.monotonic() + WITHIN_S
        for told in self._told:
            told.result()
        self._give_up_at = time.monotonic() + WITHIN_S
        well = set(STEADY) | set(LOST) - {FOUND_DEAD}
        for name, is_right in RIGHT.items():
            org = self.orgs[name]
            self._until(org, lambda found, org=org, is_right=is_right: is_right(org, found), "what is expected")  # type: ignore[misc]
        for name, is_right in RIGHT.items():
            org = self.orgs[name]
            assert is_right(org, org.api.tickets()), name
            assert not well & set(subjects(org.api.tickets())), name
            assert not org.beating.lost, name


def _gate_is_right(org: Org, found: list[dict[str, Any]]) -> bool:
    """One ticket, the integration's, with all of its devices on the list; what opened before it was merged into it."""
    return _one_for_all(org, found, "integration_unreachable", BEHIND)


def _many_is_right(org: Org, found: list[dict[str, Any]]) -> bool:
    return _one_for_all(org, found, "multiple_devices_offline", MANY)


def _one_for_all(org: Org, found: list[dict[str, Any]], kind: str, members: list[str]) -> bool:
    if not found:
        return False
    shared, *others = sorted(found, key=lambda ticket: ticket["state"] == "resolved")
    if (shared["kind"], shared["state"]) != (kind, "open"):
        return False
    merged = all(
        ticket["resolution"] == "merged"
        and ticket["parent"]["number"] == shared["number"]
        and _subject(ticket) in {GATEWAY, *members}
        for ticket in others
    )
    page = org.api.try_get(f"/tickets/{shared['number']}/checklist", limit=200) or {"items": []}
    listed = {f"{item['type']}/{item['id']}": item["recovered"] for item in page["items"]}
    return merged and listed == dict.fromkeys(members, False)


def _quiet_is_right(org: Org, found: list[dict[str, Any]]) -> bool:
    if [(_subject(ticket), ticket["state"]) for ticket in found] != [(QUIET, "open")]:
        return False
    assert org.silenced_until is not None
    opened = datetime.fromisoformat(found[0]["opened_at"])
    assert opened >= org.silenced_until - timedelta(milliseconds=1), (opened, org.silenced_until)
    return opened <= datetime.now(UTC) + timedelta(seconds=5)


def _lost_is_right(org: Org, found: list[dict[str, Any]]) -> bool:
    brief = sorted((ticket["kind"], _subject(ticket), ticket["state"], ticket["resolution"]) for ticket in found)
    states = states_of(org.api) if len(found) == 2 else {}
    return states == {"healthy": 11, "firing": 1} and brief == [
        ("device_offline", FOUND_DEAD, "open", None),
        ("heartbeats_lost", "other/heartbeats", "resolved", "recovered"),
    ]


def _mixed_is_right(org: Org, found: list[dict[str, Any]]) -> bool:
    brief = sorted((_subject(ticket), ticket["state"], ticket["resolution"]) for ticket in found)
    dead = [(subject, "open", None) for subject in DYING]
    return brief == sorted([*dead, *((subject, "resolved", "recovered") for subject in RETURNING)], key=str)


RIGHT = {
    "gate": _gate_is_right,
    "many": _many_is_right,
    "quiet": _quiet_is_right,
    "lost": _lost_is_right,
    "mixed": _mixed_is_right,
}


def states_of(api: OrgApi) -> Counter[str]:
    page = api.try_get("/subjects", limit=200) or {"items": []}
    return Counter(subject["state"] for subject in page["items"])


def kinds(found: list[dict[str, Any]]) -> list[str]:
    return [ticket["kind"] for ticket in found]


def subjects(found: list[dict[str, Any]]) -> list[str]:
    return [_subject(ticket) for ticket in found]


def shown(found: list[dict[str, Any]]) -> list[str]:
    return [f"#{each['number']} {each['kind']} {_subject(each)} {each['state']} {each['resolution']}" for each in found]


def _subject(ticket: dict[str, Any]) -> str:
    return f"{ticket['subject']['type']}/{ticket['subject']['id']}"
