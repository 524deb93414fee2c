"""The main job, from a heartbeat to a ticket to a workflow's answer and back, over outside clients only."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from fettle_devstack import Servers
from tests.installation import Installation, OrgApi, eventually
from tests.outside import console_producer, kcat, producer, wait_for

NOTE = """
workflow: note-what-opens
title: Note what opens
enabled: true
nodes:
  opened: {trigger: ticket.opened, where: 'event.ticket.kind == "device_offline"'}
  noted:
    after: [opened]
    action: ticket.comment
    with: {ticket: {ref: event.ticket.id}, text: {template: "Check the power of {{ event.ticket.subject.name }}."}}
"""

HEARTBEAT = 'acme/device/x1|{"status":"ok","interval_s":1,"name":"Thermostat 17"}\n'


def send_with_confluent(servers: Servers, topic: str, lines: str) -> None:
    client = producer(servers.kafka.bootstrap)
    for line in lines.splitlines():
        key, value = line.split("|", 1)
        client.produce(topic, key=key, value=value)
    assert client.flush(30) == 0


def send_with_kcat(servers: Servers, topic: str, lines: str) -> None:
    kcat(servers.kafka.bootstrap, topic, lines)


def send_with_console_producer(servers: Servers, topic: str, lines: str) -> None:
    console_producer(servers.kafka.bootstrap, topic, lines)


def ticket_of(api: OrgApi, subject: str) -> dict[str, Any] | None:
    found = api.tickets(subject=subject)
    return found[0] if found else None


@pytest.mark.parametrize("send", [send_with_confluent, send_with_kcat, send_with_console_producer])
@pytest.mark.rule("OP-90")
def test_silence_opens_one_ticket_and_life_resolves_it(
    servers: Servers, installation: Installation, send: Callable[[Servers, str, str], None]
) -> None:
    acme = installation.create_org("acme")
    assert acme.post_yaml("/workflows", NOTE).status_code in (200, 201)
    heartbeats = installation.topic("device.heartbeats")

    send(servers, heartbeats, HEARTBEAT)
    send(servers, heartbeats, HEARTBEAT)
    ticket = eventually(lambda: ticket_of(acme, "device/x1"), "a ticket for the silent device")
    assert ticket["title"] == "Device offline: Thermostat 17"
    assert (ticket["number"], ticket["state"], ticket["source"]) == (1, "open", "health_monitor")

    opened = wait_for(servers.kafka.bootstrap, installation.topic("ticket.opened"), lambda record: True)
    assert opened.json()["ticket"]["id"] == ticket["id"]
    assert opened.key == f"acme/{ticket['id']}"
    assert opened.headers["ce_type"] == "fettle.ticket.opened.v1"

    def noted() -> list[dict[str, Any]]:
        return [entry for entry in acme.timeline(1) if entry["type"] == "comment-added"]

    comment = eventually(noted, "the workflow's comment")[0]
    assert comment["body"] == "Check the power of Thermostat 17."
    assert comment["actor"]["type"] == "workflow"

    def alive_and_resolved() -> bool:
        """A heartbeat lasts three seconds: looked at all the while, as the slowest client takes longer for the next."""
        send(servers, heartbeats, HEARTBEAT)
        until = time.monotonic() + 4
        while time.monotonic() < until:
            current = acme.get("/tickets/1")
            if current["state"] == "resolved":
                return bool(current["resolution"] == "recovered")
            time.sleep(0.1)
        return False

    eventually(alive_and_resolved, "the ticket resolved by itself")
    assert len(acme.tickets()) == 1
    resolved = wait_for(servers.kafka.bootstrap, installation.topic("ticket.resolved"), lambda record: True)
    assert resolved.json()["entry"]["actor"] == {"type": "health_monitor", "id": None, "name": None} or (
        resolved.json()["entry"]["actor"]["type"] == "health_monitor"
    )
