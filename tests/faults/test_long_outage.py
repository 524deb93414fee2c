"""A broker that is away for longer than its clients are patient."""

from __future__ import annotations

import time

import httpx2
import pytest

from fettle_devstack import Servers
from tests.end_to_end.page_probes import Looking
from tests.faults.automation import missing_runs, save_flows
from tests.faults.stories import states_of, subjects
from tests.faults.test_storm import POLICY
from tests.installation import Installation, eventually
from tests.outside import Beating

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

AWAY_S = 60.0
"""Judges throw away a client that has read nothing for 45 s, the other services earlier; while the broker is away."""
WITHIN_S = 120.0
FLEET = [f"device/d{number}" for number in range(12)]


@pytest.mark.rule("OP-95")
def test_a_long_outage_of_the_broker_is_said_and_is_over_when_the_broker_is_back(
    own_servers: Servers, own_installation: Installation
) -> None:
    bootstrap = own_installation.environment["FETTLE_KAFKA_BOOTSTRAP_SERVERS"]
    acme = own_installation.create_org("acme", POLICY)
    save_flows(acme)
    with Beating(bootstrap, own_installation.topic("device.heartbeats"), "acme") as beating:
        beating.alive(*FLEET, status="ok")
        eventually(lambda: states_of(acme) == {"healthy": len(FLEET)}, "all known")
        processes = dict(own_installation.processes)
        with Looking(acme, own_installation.url) as ann:
            assert says_that_it_is_late(ann) is False
            own_servers.kafka.stop()
            time.sleep(AWAY_S)
            assert says_that_it_is_late(ann) is True
            eventually(
                lambda: "not in the group yet" in readiness(own_installation, "JUDGE"), "a judge without a client"
            )
            own_servers.kafka.start()
            eventually(lambda: says_that_it_is_late(ann) is False, "judged up to now", WITHIN_S)
        beating.silent(FLEET[0])
        eventually(lambda: subjects(acme.tickets()) == FLEET[:1], "its ticket", WITHIN_S)
        eventually(lambda: not missing_runs(acme, acme.tickets()), "its runs", WITHIN_S)
        beating.alive(FLEET[0], status="ok")
        eventually(lambda: [ticket["resolution"] for ticket in acme.tickets()] == ["recovered"], "its end", WITHIN_S)
        assert own_installation.processes == processes
        assert {name: process.poll() for name, process in processes.items()} == dict.fromkeys(processes)


def readiness(installation: Installation, service: str) -> str:
    return httpx2.get(
        f"http://127.0.0.1:{installation.environment[f'FETTLE_{service}_PORT']}/readyz", timeout=10.0
    ).text


def says_that_it_is_late(person: Looking) -> bool:
    """What stands at the foot of every page."""
    return "Heartbeats are judged up to" in person.http.get(f"/orgs/{person.org}/judging").raise_for_status().text
