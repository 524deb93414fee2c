"""Channels made, changed and removed on their pages, and the org's secrets."""

from typing import Any

import pytest
import pytest_asyncio
from console_html import elements
from console_outside_fake import SAVED
from console_workflows_fake import Workflows
from console_world import World

from fettle_console.domain.channel_forms import FIELDS, KINDS, filled, settings_of

EMAIL: dict[str, Any] = {
    "host": "mail.acme.test",
    "port": 25,
    "security": "tls",
    "username": "fettle",
    "password": {"secret": "mail_password"},
    "from": "fettle@acme.test",
    "to": ["a@acme.test", "b@acme.test"],
    "allowed_domains": ["acme.test"],
}
EVIL = '<script>alert(1)</script>"><b>'


@pytest_asyncio.fixture(loop_scope="session")
async def workflows(world: World) -> Workflows:
    world.workflows.on = True
    world.workflows.secrets = [{"name": "slack_url", "key_id": "k1", **SAVED}]
    return world.workflows


@pytest.mark.rule("AC-144")
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("email", EMAIL),
        ("email", {"host": "m.test", "security": "none", "from": "a@m.test", "to": ["b@m.test"]}),
        ("slack", {"url": {"secret": "slack_url"}}),
        ("teams", {"url": {"secret": "teams_url"}}),
        ("apprise", {"url": {"secret": "sms"}}),
        ("webhook", {"url": "https://own.test/", "key": {"secret": "k"}}),
        ("webhook", {"url": {"secret": "own_url"}, "key": {"secret": "k"}}),
    ],
)
def test_a_form_that_is_filled_from_a_channel_comes_to_that_channel(kind: str, settings: dict[str, Any]) -> None:
    assert settings_of(kind, filled(kind, settings)) == settings
    assert FIELDS.keys() == KINDS.keys()


@pytest.mark.rule("AC-144")
def test_what_is_no_number_is_left_for_the_engine_to_refuse() -> None:
    assert settings_of("email", {"port": "many", "to": " a@b.test;\tc@d.test , "}) == {
        "port": "many",
        "to": ["a@b.test", "c@d.test"],
    }
    assert filled("email", {"host": "m.test", "username": None, "to": []}) == {"host": "m.test", "to": ""}


@pytest.mark.rule("AC-144")
@pytest.mark.asyncio(loop_scope="session")
async def test_a_channel_is_made_changed_and_removed(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/new-channel?kind=slack")
    assert [said["value"] for tag, said in elements(page.text) if tag == "option"] == ["", "slack_url"]
    fields = {"kind": "slack", "name": " ops ", "url": "slack_url", "hourly_cap": "12", "command_id": "1"}
    made = await world.post("/orgs/acme/new-channel", **fields)
    assert (made.status_code, made.headers["location"]) == (303, "/orgs/acme/channels")
    [ops] = workflows.channels
    assert (ops["name"], ops["kind"], ops["settings"], ops["hourly_cap"]) == (
        "ops", "slack", {"url": {"secret": "slack_url"}}, 12,
    )  # fmt: skip
    edit = await world.http.get("/orgs/acme/channels/ops/edit")
    shown = {said.get("name"): said.get("value") for tag, said in elements(edit.text) if tag == "input"}
    assert shown["hourly_cap"] == "12"
    assert ('<option value="slack_url" selected>' in edit.text, "?kind=" in edit.text) == (True, False)
    changed = await world.post("/orgs/acme/channels/ops/edit", kind="slack", url="gone", command_id="2", hourly_cap="")
    assert (changed.status_code, ops["settings"]) == (303, {"url": {"secret": "gone"}})
    assert "gone (is not there)" in (await world.http.get("/orgs/acme/channels/ops/edit")).text
    assert (await world.post("/orgs/acme/channels/ops/remove", command_id="3")).status_code == 303
    assert workflows.channels == []
    assert (await world.http.get("/orgs/acme/channels/ops/edit")).status_code == 404
    assert (await world.http.get("/orgs/acme/new-channel?kind=pigeon")).status_code == 400


@pytest.mark.rule("AC-144")
@pytest.mark.asyncio(loop_scope="session")
async def test_what_is_refused_is_said_and_the_form_stays_filled(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "admin")
    fields = {"kind": "email", "name": EVIL, "host": "wrong", "to": "a@acme.test", "from": "b@acme.test"}
    refused = await world.post("/orgs/acme/new-channel", command_id="1", **fields)
    assert (refused.status_code, "must be a domain" in refused.text) == (422, True)
    shown = {said["name"]: said for tag, said in elements(refused.text) if tag == "input" and said.get("name")}
    assert {name: shown[name]["value"] for name in fields} == fields
    assert [name for name, said in shown.items() if "aria-invalid" in said] == ["host"]
    assert ("<script>alert" in refused.text, workflows.channels) == (False, [])


@pytest.mark.rule("AC-145")
@pytest.mark.asyncio(loop_scope="session")
async def test_secrets_are_kept_and_removed_and_their_values_are_in_no_page(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "admin")
    value = "https://hooks.test/T04/B17"
    assert (await world.post("/orgs/acme/secrets", name="pager", value=value, command_id="1")).status_code == 303
    assert workflows.secrets[-1]["value"] == value
    refused = await world.post("/orgs/acme/secrets", name="9", value=value, command_id="2")
    assert (refused.status_code, "begins with a letter" in refused.text, value in refused.text) == (422, True, False)
    assert 'name="name" value="9"' in refused.text
    page = await world.http.get("/orgs/acme/channels")
    assert ("pager" in page.text, value in page.text) == (True, False)
    assert (await world.post("/orgs/acme/secrets/pager/remove", command_id="3")).status_code == 303
    workflows.channels = [
        {"name": "ops", "kind": "slack", "settings": {"url": {"secret": "slack_url"}}, "hourly_cap": 60,
         "sent_last_hour": 0, "held_back": 0, "digest_error": None},
    ]  # fmt: skip
    held = await world.post("/orgs/acme/secrets/slack_url/remove", command_id="4")
    assert (held.status_code, "The channel ops names this secret." in held.text) == (409, True)
    assert [one["name"] for one in workflows.secrets] == ["slack_url"]


@pytest.mark.rule("AC-144", "AC-145", "AC-146")
@pytest.mark.asyncio(loop_scope="session")
async def test_only_admins_come_to_channels_secrets_and_hooks(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "operator")
    for path in ("new-channel", "channels/ops/edit", "workflows/a/hook"):
        assert (await world.http.get(f"/orgs/acme/{path}")).status_code == 403
    for path in (
        *("new-channel", "channels/ops/edit", "channels/ops/remove", "secrets", "secrets/a/remove"),
        *("workflows/a/hook", "workflows/a/hook/1/end"),
    ):
        fields = {"kind": "slack", "name": "a", "value": "b", "command_id": "1"}
        assert (await world.post(f"/orgs/acme/{path}", **fields)).status_code == 403
    page = await world.http.get("/orgs/acme/channels")
    assert ("new-channel" in page.text, "Keep secret" in page.text) == (False, False)
