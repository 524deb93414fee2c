"""The page of policies: rules, overrides, switches, and which value holds for whom and why."""

import html
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from console_health_fake import Health, watched
from console_world import World

from fettle_console.views.policy import holding
from fettle_console.views.policy_forms import Mistyped, ticket_policy, with_override, with_rules, with_switch
from fettle_contracts.health_policy import HealthPolicy

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGE = "/orgs/acme/health/policies"
OVERRIDES = [
    {"match": {"integration": "hue-1"}, "timeout_s": 300, "open_debounce_s": 120},
    {"match": {"model": "T100"}, "timeout_s": None},
    {"match": {"subject": "device/t17"}, "open_debounce_s": 0},
    {"match": {"integration": "other"}, "timeout_s": 7},
]


@pytest_asyncio.fixture(loop_scope="session")
async def health(world: World) -> AsyncIterator[Health]:
    fake = Health(judging=True)
    async with fake.running(world.settings):
        yield fake


def words_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", page)).split())


@pytest.mark.rule("AC-102")
async def test_the_value_that_holds_is_shown_with_whom_it_overruled() -> None:
    policy = HealthPolicy.model_validate({"timeout_s": 900, "overrides": OVERRIDES})
    subject = watched("t17", datetime.now(UTC))
    rows = {row.label: row for row in holding(policy, subject)}
    timeout = rows["Silent for longer than this is unhealthy"]
    assert (timeout.value, timeout.set_by) == ("90 s (3 × interval, at least 30 s)", "model T100")
    assert timeout.over == [
        "5 min of integration hue-1",
        "15 min of the org",
        "3 × interval, at least 30 s of the platform",
    ]
    opened = rows["Unhealthy for this long opens a ticket"]
    assert (opened.value, opened.set_by) == ("0 s", "subject device/t17")
    assert opened.over == ["2 min of integration hue-1", "1 min of the platform"]
    flaps = rows["This many changes are flapping"]
    assert (flaps.value, flaps.set_by, flaps.over) == ("5", "the platform", [])
    typed = HealthPolicy.model_validate({"timeout_s": 900, "overrides": OVERRIDES[:1]})
    would = {row.label: row.would for row in holding(policy, subject, typed)}
    assert would["Silent for longer than this is unhealthy"] == "5 min"
    assert would["Unhealthy for this long opens a ticket"] == "2 min"
    assert would["This many changes are flapping"] is None


@pytest.mark.rule("AC-101")
async def test_what_is_typed_is_put_into_the_policy_that_is_there() -> None:
    present: dict[str, Any] = {**HealthPolicy().to_dict(), "flap_threshold": 9, "version": 3, "overrides": OVERRIDES}
    rules = with_rules(
        present, {"timeout_s": "120", "open_debounce_s": "", "discover": "list_only", "subject_cap": "5"}
    )
    assert (rules["timeout_s"], rules["discover"], rules["subject_cap"], rules["version"]) == (120, "list_only", 5, 3)
    assert ("flap_threshold" in rules, "open_debounce_s" in rules, rules["overrides"]) == (False, False, OVERRIDES)
    changed = with_override(present, 1, {"kind": "model", "value": "T200", "timeout_s": "AUTO", "flap_window_s": "60"})
    assert changed["overrides"][1] == {"match": {"model": "T200"}, "timeout_s": None, "flap_window_s": 60}
    added = with_override(present, None, {"kind": "subject", "value": "device/x", "timeout_s": "5"})
    assert added["overrides"] == [*OVERRIDES, {"match": {"subject": "device/x"}, "timeout_s": 5}]
    on = with_switch(present, {"switch": "publish_tickets", "on": "true", "existing": "true"})
    assert (on["publish_tickets"], on["publish_existing"]) == (True, True)
    assert "publish_existing" not in with_switch(present, {"switch": "publish_tickets", "on": "false", "existing": "x"})
    patterns = ticket_policy(
        {"reopen_window_s": "60", "retention_days": "9", "link_patterns": "WO-[0-9]+ https://x.test/$0\n"}
    )
    assert patterns == {
        "reopen_window_s": 60,
        "retention_days": 9,
        "report_issue_enabled": False,
        "link_patterns": [{"pattern": "WO-[0-9]+", "url": "https://x.test/$0"}],
    }
    wrongs: list[Callable[[], object]] = [
        lambda: with_rules(present, {"timeout_s": "soon"}),
        lambda: with_override(present, None, {"kind": "model", "value": " "}),
        lambda: with_switch(present, {"switch": "version", "on": "true"}),
        lambda: ticket_policy({"reopen_window_s": "1", "retention_days": "5", "link_patterns": "alone"}),
    ]
    for wrong in wrongs:
        with pytest.raises(Mistyped):
            wrong()


@pytest.mark.rule("AC-101")
async def test_an_admin_changes_policies_and_others_read_them(world: World, health: Health) -> None:
    health.policy |= {"enabled": True, "publish_tickets": True, "overrides": OVERRIDES[:2]}
    await world.sign_in("acme", "operator")
    page = await world.http.get(PAGE)
    assert "timeout_s" in page.text
    assert "Save" not in words_of(page.text).replace("Saved", "")
    assert "unhealthy: 5 min" in words_of(page.text)
    refused = await world.post(PAGE, form="rules", version="1", command_id="1")
    assert (refused.status_code, health.asked) == (403, [])

    await world.sign_in("acme", "admin")
    form = {
        "form": "rules",
        "version": "1",
        "command_id": "2",
        "timeout_s": "600",
        "discover": "judge",
        "subject_cap": "10",
    }
    saved = await world.post(PAGE, **form)
    assert (saved.status_code, saved.headers["location"]) == (303, f"{PAGE}?saved=rules#rules-title")
    assert (health.policy["timeout_s"], health.version) == (600, 2)
    assert "Saved." in (await world.http.get(saved.headers["location"])).text
    stale = await world.post(PAGE, **{**form, "timeout_s": "77"})
    assert (stale.status_code, 'value="77"' in stale.text) == (412, True)
    assert "Somebody else has saved meanwhile. The policy is at version 2." in words_of(stale.text)
    for odd in ("", "é", "1\r\nx-forged: 1", "9" * 5000):
        assert (await world.post(PAGE, **{**form, "version": odd})).status_code == 412, odd
    wrong = await world.post(PAGE, **{**form, "version": "2", "timeout_s": "1"})
    assert (wrong.status_code, "is under default_interval_s 60" in wrong.text) == (400, True)

    override = {"form": "override", "version": "2", "command_id": "3", "place": "1", "kind": "model", "value": "T200"}
    unsaid = await world.post(PAGE, **override, timeout_s="x")
    assert (unsaid.status_code, 'value="T200"' in unsaid.text) == (400, True)
    await world.post(PAGE, **override, timeout_s="9")
    assert health.policy["overrides"][1] == {"match": {"model": "T200"}, "timeout_s": 9}
    opened = await world.http.get(f"{PAGE}?override=1")
    assert re.search(r'name="value" value="T200"', opened.text)
    for odd in ("", "x", "9" * 5000):
        kept = await world.post(PAGE, form="remove", version="3", command_id=f"odd-{len(odd)}", place=odd)
        assert (kept.status_code, len(health.policy["overrides"])) == (400, 2), odd
    await world.post(PAGE, form="remove", version="3", command_id="4", place="0")
    assert [one["match"] for one in health.policy["overrides"]] == [{"model": "T200"}]

    world.tickets.policy["version"] = 7
    assert re.search(
        r'value="tickets-[^>]*><input type="hidden" name="version" value="7">', (await world.http.get(PAGE)).text
    )
    tickets = {"form": "tickets", "version": "7", "command_id": "5", "reopen_window_s": "60", "retention_days": "400"}
    assert "must be at most 365" in (await world.post(PAGE, **tickets)).text
    await world.post(PAGE, **{**tickets, "retention_days": "30"})
    assert (world.tickets.policy["retention_days"], world.tickets.policy["report_issue_enabled"]) == (30, False)
    stale = await world.post(PAGE, **{**tickets, "retention_days": "31"})
    assert (stale.status_code, 'value="31"' in stale.text) == (412, True)
    assert "Somebody else has saved meanwhile. The policy is at version 8." in words_of(stale.text)


@pytest.mark.rule("AC-101")
async def test_switches_say_what_follows(world: World, health: Health) -> None:
    health.judging = False
    health.policy |= {"enabled": True, "publish_tickets": False}
    health.subjects = [watched(f"t{number}", datetime.now(UTC)) for number in range(3)]
    await world.sign_in("acme", "admin")
    page = words_of((await world.http.get(PAGE)).text)
    assert "Judging is on Switched off, heartbeats are not judged" in page
    assert "Publishing tickets is off The picture is live and no ticket opens." in page
    assert "what is down already (3) does not" in page
    assert "Open tickets for what is down already (3), too" in page
    assert "state=firing&state=pending_resolve&state=flapping&limit=100" in health.queries
    health.more_subjects = True
    page = words_of((await world.http.get(PAGE)).text)
    assert "Open tickets for what is down already (more than 100), too" in page
    said = {"form": "switch", "switch": "publish_tickets", "on": "true", "existing": "true", "version": "1"}
    await world.post(PAGE, **said, command_id="1")
    assert (health.asked[-1]["publish_tickets"], health.asked[-1]["publish_existing"]) == (True, True)


@pytest.mark.rule("AC-102")
async def test_what_would_hold_is_shown_before_it_is_saved(world: World, health: Health) -> None:
    health.subjects = [watched("t17", datetime.now(UTC))]
    health.policy |= {"overrides": OVERRIDES[:1]}
    await world.sign_in("acme", "admin")
    page = words_of((await world.http.get(f"{PAGE}?subject=device/t17")).text)
    assert "5 min integration hue-1 says so , over 3 × interval, at least 30 s of the platform" in page
    form = {
        "form": "override",
        "place": "new",
        "kind": "model",
        "value": "T100",
        "timeout_s": "60",
        "subject": "device/t17",
    }
    tried = await world.post(PAGE, **form, action="try", version="1", command_id="1")
    assert (tried.status_code, health.asked, "Would hold" in tried.text) == (200, [], True)
    assert "5 min 1 min integration hue-1 says so" in words_of(tried.text)
    assert 'value="T100"' in tried.text
    unknown = await world.http.get(f"{PAGE}?subject=device/nobody")
    assert "The org has no subject device/nobody." in unknown.text
