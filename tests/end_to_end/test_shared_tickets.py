"""Devices that fail together, through all services: one ticket with a list, ticked as they come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fettle_contracts.times import from_ms, parse_time
from fettle_devstack import Servers
from tests.installation import BRISK_POLICY, Installation, OrgApi, eventually
from tests.outside import Beating, read_all

DEVICES = [f"device/d{number}" for number in range(1, 7)]
FRESH = timedelta(seconds=BRISK_POLICY["timeout_s"] + BRISK_POLICY["open_debounce_s"])


def listed(api: OrgApi, number: int) -> dict[str, bool]:
    """Who is on the ticket's list, and whether they have recovered; nobody while there is no such ticket."""
    page = api.try_get(f"/tickets/{number}/checklist", limit=200) or {"items": []}
    return {f"{item['type']}/{item['id']}": item["recovered"] for item in page["items"]}


def unresolved(api: OrgApi) -> list[dict[str, Any]]:
    return [ticket for ticket in api.tickets() if ticket["state"] != "resolved"]


@pytest.mark.rule("HM-140", "HM-145", "HM-239", "TS-50")
def test_devices_of_one_integration_share_a_ticket_and_are_ticked_off(
    servers: Servers, installation: Installation
) -> None:
    acme = installation.create_org("acme", {**BRISK_POLICY, "rollup_threshold": 3})
    with Beating(servers.kafka.bootstrap, installation.topic("device.heartbeats"), "acme") as beating:
        for device in DEVICES:
            beating.alive(device, integration="hue-1", name=device[7:])
        beating.alive("device/other", integration="hue-2")
        eventually(lambda: len(acme.get("/subjects")["items"]) == 7, "all devices known")

        beating.silent(*DEVICES)
        eventually(lambda: len(listed(acme, 1)) == 6, "everybody on the list")
        [ticket] = acme.tickets()
        assert (ticket["kind"], ticket["subject"]["id"]) == ("multiple_devices_offline", "hue-1")
        assert ticket["checklist"]["total"] == 6

        for device in DEVICES[:5]:
            beating.alive(device, integration="hue-1", name=device[7:])
        eventually(lambda: acme.get("/tickets/1")["state"] == "resolved", "the shared ticket ends")
        assert listed(acme, 1) == {device: device != DEVICES[5] for device in DEVICES}
        eventually(lambda: unresolved(acme), "a ticket for the one that is left over")
        [left] = unresolved(acme)
        assert (left["subject"]["id"], left["parent"]["number"]) == ("d6", 1)

        beating.alive(DEVICES[5], integration="hue-1", name="d6")
        eventually(lambda: all(listed(acme, 1).values()), "the one that was left over is ticked as well")
        assert acme.get("/tickets/1")["state"] == "resolved"


@pytest.mark.rule("HM-142", "HM-144", "HM-267")
def test_trouble_of_the_integration_alone_opens_no_ticket_of_a_device(
    servers: Servers, installation: Installation
) -> None:
    acme = installation.create_org("acme")
    with Beating(servers.kafka.bootstrap, installation.topic("device.heartbeats"), "acme") as beating:
        beating.alive("integration/hue-1")
        for device in DEVICES[:3]:
            beating.alive(device, integration="hue-1")
        eventually(lambda: len(acme.get("/subjects")["items"]) == 4, "everybody known")

        beating.alive("integration/hue-1", status="unreachable")
        eventually(lambda: acme.tickets(kind="integration_unreachable"), "the integration's ticket")
        beating.silent(*DEVICES[:3])
        eventually(lambda: len(listed(acme, 1)) == 3, "the devices join it")
        beating.alive("integration/hue-1")
        for device in DEVICES[:2]:
            beating.alive(device, integration="hue-1")
        eventually(lambda: acme.get("/tickets/1")["state"] == "resolved", "the integration's recovery")
        [dead] = eventually(lambda: unresolved(acme), "a ticket for the device that is truly dead")
        assert dead["subject"]["id"] == "d3"
        assert len(acme.tickets()) == 2

        recovered = acme.get("/transitions", subject="integration/hue-1")["items"][0]
        assert recovered["to"] == "healthy"
        told = read_all(servers.kafka.bootstrap, installation.topic("ticket.opened"))
        [at] = [record.timestamp_ms for record in told if record.json()["ticket"]["id"] == dead["id"]]
        assert FRESH <= from_ms(at) - parse_time(recovered["at"]) <= FRESH + timedelta(seconds=2)
