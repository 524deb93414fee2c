"""Heartbeats of a whole org that stop arriving, through all services: one ticket, and the truly dead are found."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from fettle_devstack import Servers
from tests.installation import BRISK_POLICY, Installation, OrgApi, eventually
from tests.outside import Beating

WINDOW_S = 8
FLEET = {f"device/d{number}": f"hue-{number % 3 + 1}" for number in range(1, 13)}
POLICY = {**BRISK_POLICY, "rollup_window_s": WINDOW_S, "rollup_threshold": 3}


def states(api: OrgApi) -> Counter[str]:
    return Counter(subject["state"] for subject in api.get("/subjects")["items"])


@pytest.mark.rule("HM-150", "HM-152", "HM-154", "HM-155", "HM-157")
def test_lost_heartbeats_are_one_ticket_and_real_faults_in_them_are_found(
    servers: Servers, installation: Installation
) -> None:
    acme = installation.create_org("acme", POLICY)
    with Beating(servers.kafka.bootstrap, installation.topic("device.heartbeats"), "acme") as beating:
        for device, integration in FLEET.items():
            beating.alive(device, integration=integration)
        eventually(lambda: states(acme) == {"healthy": 12}, "everybody known")
        time.sleep(WINDOW_S + 1)

        beating.silent(*FLEET)
        eventually(lambda: states(acme) == {"unknown": 12}, "nobody knows of anybody")
        [lost] = eventually(acme.tickets, "a ticket")
        assert (lost["kind"], lost["dedup_key"]) == ("heartbeats_lost", "other/heartbeats:heartbeats_lost")
        assert lost["title"].startswith("Heartbeats not arriving since 20")

        dead, *others = FLEET
        for device in others:
            beating.alive(device, integration=FLEET[device])
        eventually(lambda: acme.tickets(kind="device_offline"), "a ticket for the one that is truly dead")
        eventually(lambda: acme.get("/tickets/1")["state"] == "resolved", "the ticket about all of them ends")
        [left] = acme.tickets(kind="device_offline")
        assert f"device/{left['subject']['id']}" == dead
        eventually(lambda: states(acme) == {"healthy": 11, "firing": 1}, "everybody else is well")
        told = [each["to"] for each in acme.get("/transitions", subject=dead)["items"]]
        assert told[:5] == ["firing", "pending_open", "unknown", "pending_open", "healthy"]
