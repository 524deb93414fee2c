"""The whole service with its relay on real Kafka and Postgres, asked and read by clients that are not ours."""

from datetime import UTC, datetime, timedelta

import pytest
from ticket_outside import Found, Outside

from fettle_contracts.orgs import ORG, Org


async def opened(outside: Outside) -> Found:
    """The answer to an open, sent at once behind the statement about its org."""
    outside.command("open", "open", title="Lift 3 makes a noise", subject={"type": "other", "id": "lift-3"})
    result = await outside.wait_for("ticket.command-results", lambda found: found.data["command_id"] == "open")
    assert result.data["outcome"] == "applied", result.data
    return result


@pytest.mark.rule("TS-26", "TS-29", "TS-32", "TS-43")
async def test_an_outsiders_unsigned_command_becomes_a_ticket_and_its_trigger(outside: Outside) -> None:
    result = await opened(outside)
    id = result.data["ticket"]["id"]
    for topic in ("ticket.opened", "ticket.events"):
        event = await outside.wait_for(topic, lambda found: found.data["entry"]["type"] == "opened")
        assert event.key == f"acme/{id}"
        assert event.headers["ce_causationid"] == result.data["command_id"]
        assert event.headers["ce_id"] == event.data["entry"]["id"]
        assert (event.data["ticket"]["number"], event.data["ticket"]["source"]) == (1, "user")


@pytest.mark.rule("TS-33")
async def test_a_poisonous_command_is_a_dead_letter_and_those_behind_it_go_on(outside: Outside) -> None:
    await opened(outside)
    outside.send("ticket.commands", "acme", b"not json", {"ce_specversion": "1.0"})
    outside.command("explode", "bomb")
    outside.command("open", "forged", actor={"type": "health_monitor"}, title="x", subject={"type": "other", "id": "x"})
    outside.command("comment", "after", ticket={"number": 1}, comment="Still here.")
    reasons: set[str] = set()
    while len(reasons) < 3:
        letter = await outside.wait_for("ticket.commands.dlq", lambda found: found.headers["dlq-reason"] not in reasons)
        reasons.add(letter.headers["dlq-reason"])
    assert reasons == {"unreadable", "verb_unknown", "unsigned"}
    event = await outside.wait_for("ticket.comment-added", lambda found: True)
    assert event.data["entry"]["body"] == "Still here."


@pytest.mark.rule("TS-33")
async def test_an_org_that_nobody_of_ours_told_of_is_a_dead_letter_and_no_org(outside: Outside) -> None:
    data = Org(org="stranger", name="Stranger", created_at=datetime.now(UTC)).to_json()
    headers = {
        "ce_specversion": "1.0",
        "ce_id": "1",
        "ce_source": "x",
        "ce_type": ORG,
        "content-type": "application/json",
    }
    outside.send("orgs", "stranger", data, {**headers, "ce_time": "2026-11-24T00:00:00Z"})
    letter = await outside.wait_for("orgs.dlq", lambda found: True)
    assert letter.headers["dlq-reason"] == "unsigned"
    await opened(outside)


@pytest.mark.rule("TS-1")
async def test_a_command_sent_twice_is_answered_once(outside: Outside) -> None:
    await opened(outside)
    for _ in range(2):
        outside.command("comment", "once", ticket={"number": 1}, comment="Once.")
    outside.command("comment", "last", ticket={"number": 1}, comment="Last.")
    await outside.wait_for("ticket.command-results", lambda found: found.data["command_id"] == "last")
    event = await outside.wait_for("ticket.comment-added", lambda found: found.data["entry"]["body"] == "Last.")
    assert event.data["entry"]["version"] == 3


@pytest.mark.rule("TS-50", "TS-52", "TS-54", "TS-55")
async def test_a_storm_becomes_one_ticket_with_a_checklist(outside: Outside) -> None:
    """As the monitor tells it, all behind one another in one partition; the opening is long ago, so that the timeline
    may speak at once."""
    began = (datetime.now(UTC) - timedelta(minutes=1)).isoformat().replace("+00:00", "Z")
    rollup = {"dedup_key": "integration/hue-1:multiple_devices_offline"}
    single = {"dedup_key": "device/t1:device_offline"}
    t1, t2 = {"type": "device", "id": "t1", "name": "Thermostat 1"}, {"type": "device", "id": "t2"}
    outside.signed("open", "1", title="Device offline: Thermostat 1", subject=t1, at=began, **single)
    outside.signed("open", "2", title="Many", subject={"type": "integration", "id": "hue-1"}, at=began, **rollup)
    outside.signed("update-checklist", "3", ticket=rollup, add=[t1, t2])
    outside.signed("resolve", "4", ticket=single, resolution="merged", parent=rollup)
    outside.signed("update-checklist", "5", ticket=rollup, recovered=[t2])
    outside.command("update-checklist", "forged", ticket=rollup, recovered=[t1])
    changed = await outside.wait_for("ticket.events", lambda found: found.data["entry"]["type"] == "checklist-changed")
    assert changed.data["entry"]["evidence"]["added"]["count"] == 2
    last = await outside.wait_for("ticket.command-results", lambda found: found.data["command_id"] == "5")
    assert last.data["outcome"] == "applied"
    merged = await outside.wait_for("ticket.resolved", lambda found: True)
    assert (merged.data["ticket"]["resolution"], merged.data["ticket"]["parent"]["number"]) == ("merged", 2)
    comment = await outside.wait_for("ticket.comment-added", lambda found: True)
    assert comment.data["entry"]["body"] == "Merged into #2"
    letter = await outside.wait_for("ticket.commands.dlq", lambda found: True)
    assert letter.headers["dlq-reason"] == "unsigned"
