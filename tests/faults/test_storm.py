"""Every process is killed at random moments, servers go away, and the books still balance.

The seed of each run is printed; `FETTLE_TEST_SEED` repeats it. `make campaign` runs more kills and more seeds.
"""

from __future__ import annotations

import os
import random
import secrets
import threading
import time
from collections.abc import Callable

import pytest

from fettle_devstack import Servers
from tests.faults import ledger
from tests.faults.automation import save_flows
from tests.faults.desk import Desk
from tests.faults.keys import WINDOW
from tests.faults.past import Past
from tests.faults.traffic import Commands, Fleet
from tests.installation import SERVICES, Installation
from tests.outside import Beating

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

POLICY = {
    "enabled": True,
    "publish_tickets": True,
    "timeout_s": 6,
    "open_debounce_s": 3,
    "resolve_debounce_s": 3,
}
FIRST_SILENCE_S = 5.0
SILENT_BY = 0.4
"""The part of the time by which the last device has fallen silent."""
FULL_SILENCE_S = 24.0
"""Longer than timeout and debounce together, and than what nobody observes where the machine stands still: whoever is
away so long has fired."""


@pytest.fixture
def seed() -> int:
    value = int(os.environ.get("FETTLE_TEST_SEED") or secrets.randbits(32))
    print(f"FETTLE_TEST_SEED={value}")
    return value


def storm(
    installation: Installation,
    seed: int,
    count: int,
    seconds: float,
    break_things: Callable[[], None],
    away_s: float,
    may_return: threading.Event,
) -> None:
    """Streams commands by both doors and heartbeats for `seconds`, with workflows for what opens, beside an org whose
    tickets retention removes, runs `break_things` meanwhile, then checks the books.

    Devices fall silent in the first part of that time; those that come back do so after `away_s`, and nobody
    before `may_return` is set.
    """
    bootstrap = installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    acme = installation.create_org("acme", POLICY)
    old = installation.create_org("old", {**POLICY, "enabled": False})
    acme.put("/ticket-policy", {"reopen_window_s": round(WINDOW.total_seconds())}).raise_for_status()
    topic = installation.topic("ticket.commands")
    save_flows(acme)
    commands = Commands(bootstrap, topic, "acme", count, seconds, seed)
    desk = Desk(acme, seconds, seed + 2)
    past = Past(installation.environment, topic, "old", seconds, seed)
    with Beating(bootstrap, installation.topic("device.heartbeats"), "acme", interval_s=1.0) as beating:
        fleet = Fleet(beating, 20, seed, FIRST_SILENCE_S, seconds * SILENT_BY, away_s, may_return)
        sending = [commands.start(), desk.start(), past.start(), fleet.start()]
        break_things()
        for thread in sending:
            thread.join()
        installation.wait_ready()
        ledger.settle(installation, acme, commands, desk, fleet, within_s=120)
        ledger.check(installation, acme, commands, desk, fleet)
        past.check(installation, old)
        assert not beating.lost


def kill_at_random(installation: Installation, seed: int, kills: int, seconds: float) -> dict[str, int]:
    """Kills `kills` times within `seconds`, each time one process, which starts again at once."""
    dice, counted = random.Random(seed + 1), dict.fromkeys(SERVICES, 0)
    for turn in range(kills):
        name = list(SERVICES)[turn % len(SERVICES)] if turn < len(SERVICES) else dice.choice(list(SERVICES))
        time.sleep(dice.uniform(0.2, 1.8) * seconds / kills)
        installation.kill(name)
        installation.start(name)
        counted[name] += 1
    return counted


@pytest.mark.rule("OP-91", "WF-157")
def test_nothing_is_lost_doubled_or_invented_while_processes_are_killed(installation: Installation, seed: int) -> None:
    kills = int(os.environ.get("FETTLE_TEST_KILLS") or 50)
    seconds = kills * 2.4

    def killing() -> None:
        counted = kill_at_random(installation, seed, kills, seconds)
        print(f"kills: {counted}")
        assert sum(counted.values()) == kills

    at_any_time = threading.Event()
    at_any_time.set()
    storm(installation, seed, 5_000, seconds, killing, FULL_SILENCE_S, at_any_time)


@pytest.mark.rule("OP-92", "WF-157")
def test_servers_that_are_away_delay_and_invent_nothing(
    own_servers: Servers, own_installation: Installation, seed: int
) -> None:
    """The broker stopped, the broker hanging, and Postgres stopped: 20 s each, ten quiet seconds between them.

    What the broker did not take was not observed, and counts for nobody's silence. So a device that falls silent before
    or between the broker's two outages has surely fired only when it has been silent for timeout and debounce after the
    second of them, and after the clients have found the broker again.
    """
    kafka, postgres = own_servers.kafka, own_servers.postgres
    faults = [(kafka.stop, kafka.start), (kafka.pause, kafka.resume), (postgres.stop, postgres.start)]
    long_observed = threading.Event()

    def away() -> None:
        for begin, end in faults:
            time.sleep(10)
            begin()
            time.sleep(20)
            end()
            if end == kafka.resume:
                threading.Timer(FULL_SILENCE_S, long_observed.set).start()
        time.sleep(10)

    seconds = 100.0
    storm(own_installation, seed, 5_000, seconds, away, FULL_SILENCE_S + seconds * SILENT_BY, long_observed)
