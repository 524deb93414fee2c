"""Channels and secrets: what is shown of them, and the button that tries a channel."""

import html
import re
from typing import Any

import pytest
import pytest_asyncio
from console_workflows_fake import Workflows
from console_world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

EVIL = '<script>alert(1)</script>"><b>'
SAVED = {"saved_at": "2026-11-23T10:15:30.250Z", "saved_by": "ann"}


def channel(name: str, kind: str, settings: dict[str, Any], **more: Any) -> dict[str, Any]:
    counts = {"hourly_cap": 60, "sent_last_hour": 2, "held_back": 0, "digest_error": None}
    return {"name": name, "kind": kind, "settings": settings, **counts, **SAVED, **more}


@pytest_asyncio.fixture(loop_scope="session")
async def workflows(world: World) -> Workflows:
    world.workflows.on = True
    world.workflows.channels = [
        channel("ops", "slack", {"url": {"secret": "slack_url"}}),
        channel("mail", "email", {"host": "mail.test", "to": ["a@acme.test", EVIL]}, held_back=3),
        channel("own", "webhook", {"url": "https://own.test/"}, digest_error={"code": "x", "message": "It is gone."}),
    ]
    world.workflows.secrets = [{"name": "slack_url", "key_id": "k1", **SAVED}]
    return world.workflows


def words_of(text: str) -> str:
    """What a reader sees of the page's own part."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text.partition("<main")[2])))


@pytest.mark.rule("AC-93")
async def test_channels_say_where_they_go_and_secrets_only_their_names(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/channels")
    said = words_of(page.text)
    assert "ops Slack the address in the secret slack_url 2 of 60 Send a test over ops" in said
    assert f"mail Mail a@acme.test, {EVIL}, by mail.test 2 of 60, 3 held back" in said
    assert "own digest not sent Webhook https://own.test/ 2 of 60" in said
    assert re.search(r"Secrets .* slack_url saved .* by ann", said)
    assert ("<script>alert" in page.text, "k1" in said) == (False, False)
    await world.sign_in("acme", "operator")
    said = words_of((await world.http.get("/orgs/acme/channels")).text)
    assert ("Send a test" in said, "Secrets" in said, "ops Slack" in said) == (False, False, True)


@pytest.mark.rule("AC-93")
async def test_a_channel_is_tried_and_what_became_of_it_is_said(world: World, workflows: Workflows) -> None:
    await world.sign_in("acme", "admin")
    for trial, said in (
        ({"outcome": "sent", "error": None, "refused": []}, "A test was sent over ops."),
        (
            {"outcome": "sent", "error": None, "refused": ["b@acme.test"]},
            "A test was sent over ops. It was refused for b@acme.test.",
        ),
        (
            {"outcome": "failed", "error": {"code": "x", "message": "It answered 404."}, "refused": []},
            "The test of ops was not sent: It answered 404.",
        ),
    ):
        workflows.trial = trial
        page = await world.post("/orgs/acme/channels/ops/test", command_id="1")
        assert (page.status_code, said in words_of(page.text)) == (200, True)
    gone = await world.post("/orgs/acme/channels/gone/test", command_id="1")
    assert (gone.status_code, "There is no such channel." in gone.text) == (404, True)
    await world.sign_in("acme", "operator")
    assert (await world.post("/orgs/acme/channels/ops/test", command_id="1")).status_code == 403


@pytest.mark.rule("AC-93")
async def test_an_org_without_channels_sees_how_to_make_one(world: World, workflows: Workflows) -> None:
    workflows.channels, workflows.secrets = [], []
    await world.sign_in("acme", "admin")
    page = await world.http.get("/orgs/acme/channels")
    assert "fettle workflows channels put ops --kind slack --secret url=slack_url --org acme" in page.text


@pytest.mark.rule("AC-163")
async def test_people_and_tokens_are_shown_by_name_also_when_they_are_gone(world: World, workflows: Workflows) -> None:
    admin = await world.token("acme", "admin")
    await world.sign_in("acme", "admin")
    made = await world.post("/orgs/acme/tokens", role="viewer", days="1", name="Night", command_id="1")
    tokens = {
        one["name"]: one["id"] for one in (await world.call("GET", "/api/v1/orgs/acme/tokens", admin)).json()["items"]
    }
    names = {
        f"token/{tokens['admin of acme']}": "admin of acme",
        "installation": "the installation",
        "fettle": "fettle",
        "token/1": "token/1",
    }
    for id, name in names.items():
        world.workflows.secrets = [{"name": "slack_url", "key_id": "k1", **SAVED, "saved_by": id}]
        assert re.search(
            f"slack_url saved .* by {name} ", words_of((await world.http.get("/orgs/acme/channels")).text)
        ), id
    assert re.search(r'\(token/[^)]*\), made [0-9-]* by admin of acme"', made.text)
    assert re.search(r'\(token/[^)]*\), made [0-9-]* by the installation"', made.text)

    gone = (await world.call("POST", "/api/v1/orgs/acme/tokens", admin, json={"role": "admin", "name": "Gone"})).json()
    await world.call("PUT", "/api/v1/orgs/acme", gone["token"], json={"name": "Acme"})
    await world.call("DELETE", f"/api/v1/orgs/acme/tokens/{gone['id']}", admin)
    world.workflows.secrets = [{"name": "slack_url", "key_id": "k1", **SAVED, "saved_by": f"token/{gone['id']}"}]
    assert "by Gone " in words_of((await world.http.get("/orgs/acme/channels")).text)
    await world.sign_in("zoo", "admin")
    assert f"by token/{gone['id']} " in words_of((await world.http.get("/orgs/zoo/channels")).text)
