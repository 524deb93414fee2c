"""A person resolves the ticket of a device that is still silent, through all services."""

from __future__ import annotations

from typing import Any

import pytest

from fettle_devstack import Servers
from tests.installation import Installation, eventually
from tests.outside import Beating

SILENT, OTHER = "device/d1", "device/d2"


@pytest.mark.rule("HM-70")
def test_what_somebody_resolved_too_early_comes_back_and_ends_with_the_recovery(
    servers: Servers, installation: Installation
) -> None:
    acme = installation.create_org("acme")

    def story() -> list[tuple[str, Any]]:
        told = [(entry["type"], entry["actor"]["type"]) for entry in acme.timeline(1)]
        return [(kind, None if by == "health_monitor" else by) for kind, by in told]

    with Beating(servers.kafka.bootstrap, installation.topic("device.heartbeats"), "acme") as beating:
        beating.alive(SILENT, OTHER, status="ok")
        eventually(lambda: len(acme.get("/subjects")["items"]) == 2, "both are known")
        beating.silent(SILENT)
        eventually(lambda: acme.tickets(), "a ticket")
        assert acme.post("/tickets/1/resolve", {"comment": "Was on battery."}).status_code == 200
        eventually(lambda: ("reopened", None) in story(), "the ticket is reopened")
        assert acme.get("/tickets/1")["state"] == "open"
        said = [entry["body"] for entry in acme.timeline(1) if entry["type"] == "comment-added"]
        assert any(text.startswith("Still offline. If that lasts until ") for text in said), said
        beating.alive(SILENT, status="ok")
        eventually(lambda: acme.get("/tickets/1")["state"] == "resolved", "its recovery ends it")
        assert acme.get("/tickets/1")["resolution"] == "recovered"
    [ticket] = acme.tickets()
    assert ticket["number"] == 1
    opened, *between, resolved = story()
    assert (opened, resolved) == (("opened", None), ("resolved", None))
    assert between.count(("reopened", None)) == 1
