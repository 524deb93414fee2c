"""Channels of every kind, as whoever is behind them sees what comes."""

import base64
import hashlib
import hmac
import json
import sys
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from channel_world import KEY, ChannelWorld, Receiver, ids
from engine_world import world_of
from mail_server import MailServer, mail_server
from web_server import answer, web_server

from fettle_workflow_engine.adapters.apprise_sending import MISSING, AppriseSending
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, Retry
from fettle_workflow_engine.domain.channels import ChannelRefused, Kind, read_settings
from fettle_workflow_engine.domain.destinations import Allowed
from fettle_workflow_engine.domain.notifications import TEXT_LIMIT, Message

SENT = Done({"outcome": "sent", "channel": "ops", "refused": []})


@pytest.fixture
async def sending(environment: dict[str, str]) -> AsyncIterator[ChannelWorld]:
    async with world_of(environment) as world:
        yield ChannelWorld(world)


def code_of(outcome: Outcome) -> tuple[str, str]:
    assert isinstance(outcome, Failed | Retry), outcome
    return type(outcome).__name__, outcome.failure.code


@pytest.mark.rule("WF-100")
async def test_slack_gets_text_in_which_nothing_calls_everybody(sending: ChannelWorld) -> None:
    async with web_server(Receiver()) as server:
        await sending.slack(server.url("/services/T1/B1/x"))
        assert await sending.tell(1, text="<!channel> a & b", subject="Lift <3>") == SENT
    (asked,) = server.asked
    assert (asked.method, asked.target) == ("POST", "/services/T1/B1/x")
    assert json.loads(asked.body) == {"text": "*Lift &lt;3&gt;*\n&lt;!channel&gt; a &amp; b"}
    assert asked.headers["idempotency-key"] == str(ids(1))


@pytest.mark.rule("WF-100")
async def test_teams_gets_an_adaptive_card(sending: ChannelWorld) -> None:
    async with web_server(lambda _: answer(202)) as server:
        await sending.secret("teams", server.url("/workflows/x"))
        await sending.channel(Kind.TEAMS, url={"secret": "teams"})
        assert await sending.tell(1, subject="Lift 3", text="stands") == SENT
        assert await sending.tell(2, text="x" * 30_000) == SENT
    message = json.loads(server.asked[0].body)
    (attachment,) = message["attachments"]
    assert (message["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert [block["text"] for block in attachment["content"]["body"]] == ["Lift 3", "stands"]
    assert (attachment["content"]["type"], attachment["content"]["version"]) == ("AdaptiveCard", "1.4")
    long = json.loads(server.asked[1].body)["attachments"][0]["content"]["body"][0]["text"]
    assert (len(long), long.endswith("… (cut)")) == (TEXT_LIMIT, True)
    assert len(server.asked[1].body) < 28_000


@pytest.mark.rule("WF-104")
async def test_a_webhook_is_signed(sending: ChannelWorld) -> None:
    async with web_server(Receiver()) as server:
        await sending.secret("key", KEY)
        await sending.channel(Kind.WEBHOOK, url=server.url("/in"), key={"secret": "key"})
        assert await sending.tell(1, text="Lift 3 stands") == SENT
    (asked,) = server.asked
    headers, body = asked.headers, asked.body.decode()
    assert (headers["webhook-id"], headers["webhook-timestamp"]) == (str(ids(1)), "1795428930")
    said = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{body}".encode()
    mac = base64.b64encode(hmac.digest(b"k" * 24, said, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    assert json.loads(body) == {
        "type": "fettle.notification",
        "timestamp": "2026-11-23T10:15:30.250Z",
        "data": {
            "org": "acme", "channel": "ops", "subject": "", "text": "Lift 3 stands", "workflow": "flow", "run": "run-1",
        },
    }  # fmt: skip
    await sending.secret("key", "no-key-at-all")
    assert code_of(await sending.tell(2)) == ("Failed", "key_invalid")


@pytest.mark.rule("WF-100", "WF-93")
@pytest.mark.parametrize(
    ("said", "what"),
    [
        (answer(404, b"no_service"), ("Failed", "status_unexpected")),
        (answer(410), ("Failed", "status_unexpected")),
        (answer(302, location="/other"), ("Failed", "status_unexpected")),
        (answer(429, retry_after="3"), ("Retry", "status_unexpected")),
        (answer(503), ("Retry", "status_unexpected")),
        (None, ("Retry", "network")),
    ],
)
async def test_what_a_web_server_behind_a_channel_says(
    sending: ChannelWorld, said: bytes | None, what: tuple[str, str]
) -> None:
    async with web_server(Receiver(says=[said])) as server:
        await sending.slack(server.url("/hook-of-ours"))
        outcome = await sending.tell(1)
    assert code_of(outcome) == what
    assert len(server.asked) == 1
    if said and b"retry-after" in said:
        assert isinstance(outcome, Retry)
        assert outcome.after_s == 3.0


@pytest.mark.rule("WF-91", "WF-97")
async def test_channels_go_where_calls_may_go_and_say_no_secret(sending: ChannelWorld) -> None:
    await sending.slack("http://intranet.test/services/tangerine-tangerine")
    outcome = await sending.tell(1)
    assert code_of(outcome) == ("Failed", "address_refused")
    async with web_server(lambda asked: answer(400, f"bad {asked.target}".encode())) as server:
        await sending.secret("hook", server.url("/services/tangerine-tangerine"))
        await sending.channel(Kind.SLACK, url={"secret": "hook"})
        outcome = await sending.tell(2)
    assert isinstance(outcome, Failed)
    assert outcome.failure.message == "The answer was 400: bad [secret]."


@pytest.mark.rule("WF-101", "WF-102")
async def test_mail_goes_to_addresses_of_the_event_within_allowed_domains(sending: ChannelWorld) -> None:
    async with mail_server(MailServer()) as server:
        settings: dict[str, Any] = {
            "host": "mail.example",
            "port": server.port,
            "security": "none",
            "from": "fettle@acme.test",
        }
        await sending.channel(Kind.EMAIL, **settings, to=["ops@acme.test"], allowed_domains=["acme.test"])
        for number, to in enumerate((None, "", [], "ann@acme.test, bob@ACME.test", ["ann@acme.test", "ann@acme.test"])):
            assert await sending.tell(number, to=to) == SENT
        assert code_of(await sending.tell(9, to="eve@evil.test")) == ("Failed", "address_not_allowed")
        wrong: list[Any] = ["ann", "ann@acme.test\r\nBcc: x", "Ann <ann@acme.test>", {"a": 1}, [1], ["@acme.test"], 7]
        for said in wrong:
            assert code_of(await sending.tell(10, to=said)) == ("Failed", "input_invalid"), said
    assert [one.rcpt_tos for one in server.took] == [
        *[["ops@acme.test"]] * 3, ["ann@acme.test", "bob@acme.test"], ["ann@acme.test"]
    ]  # fmt: skip
    async with web_server(Receiver()) as web:
        await sending.slack(web.url())
        assert code_of(await sending.tell(11, to="ann@acme.test")) == ("Failed", "input_invalid")


async def test_a_message_that_cannot_be_sent_says_why(sending: ChannelWorld) -> None:
    assert code_of(await sending.tell(1, channel="none")) == ("Failed", "channel_missing")
    assert code_of(await sending.tell(1, text=" ")) == ("Failed", "input_invalid")
    assert code_of(await sending.tell(1, text=["x"])) == ("Failed", "input_invalid")
    await sending.channel(Kind.SLACK, url={"secret": "gone"})
    assert code_of(await sending.tell(1)) == ("Failed", "secret_missing")


MAIL = {"host": "mail.acme.test", "from": "fettle@acme.test", "to": ["ops@acme.test"]}


@pytest.mark.rule("WF-99")
@pytest.mark.parametrize(
    ("kind", "given", "field"),
    [
        (Kind.EMAIL, {**MAIL, "host": "127.1"}, "settings.host"),
        (Kind.EMAIL, {**MAIL, "port": 0}, "settings.port"),
        (Kind.EMAIL, {**MAIL, "security": "ssl"}, "settings.security"),
        (Kind.EMAIL, {**MAIL, "from": "Ops <ops@acme.test>"}, "settings.from"),
        (Kind.EMAIL, {**MAIL, "to": ["ops"]}, "settings.to.0"),
        (Kind.EMAIL, {**MAIL, "to": []}, "settings"),
        (Kind.EMAIL, {**MAIL, "username": "ops"}, "settings"),
        (Kind.EMAIL, {**MAIL, "username": "ops", "password": "tangerine"}, "settings.password"),
        (Kind.EMAIL, {**MAIL, "security": "none", "username": "o", "password": {"secret": "p"}}, "settings"),
        (Kind.EMAIL, {**MAIL, "server": "x"}, "settings.server"),
        (Kind.EMAIL, {**MAIL, "allowed_domains": ["*.test"]}, "settings.allowed_domains.0"),
        (Kind.SLACK, {"url": "https://hooks.slack.example/services/x"}, "settings.url"),
        (Kind.SLACK, {}, "settings.url"),
        (Kind.TEAMS, {"url": {"secret": "no-name"}}, "settings.url.secret"),
        (Kind.WEBHOOK, {"url": "ftp://a.test", "key": {"secret": "k"}}, "settings.url"),
        (Kind.WEBHOOK, {"url": "https://a.test"}, "settings.key"),
        (Kind.APPRISE, {"url": "discord://1/2"}, "settings.url"),
    ],
)
def test_settings_that_cannot_work_are_refused(kind: Kind, given: dict[str, Any], field: str) -> None:
    with pytest.raises(ChannelRefused) as refused:
        read_settings(kind, given)
    assert refused.value.field.startswith(field)
    assert "tangerine" not in refused.value.message


class SmallApprise:
    """As much of Apprise as is used here, to see what it is asked for."""

    def __init__(self) -> None:
        self.notified: list[tuple[str, str]] = []
        self.works = True
        self.raises: Exception | None = None
        self.Apprise = SimpleNamespace(instantiate=self.instantiate)

    def instantiate(self, url: str, suppress_exceptions: bool) -> Any:
        schema, _, rest = url.partition("://")
        if schema == "nothing" or not suppress_exceptions:
            return None
        tokens: dict[str, Any] = {"host": {}} if schema in ("gotify", "json", "mailto") else {"token": {}}

        def notify(body: str, title: str) -> bool:
            if self.raises:
                raise self.raises
            self.notified.append((title, body))
            return self.works

        return SimpleNamespace(host=rest.partition("/")[0], template_tokens=tokens, notify=notify)


@pytest.mark.rule("WF-106")
async def test_apprise_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    message = Message(ids(1), "acme", "ops", "Lift 3 stands", "Lift 3")
    sending = AppriseSending(Allowed.parse("push.acme.test,10.7.0.0/16"))
    monkeypatch.setitem(sys.modules, "apprise", None)
    outcome = await sending.send(message, "discord://1/2")
    assert code_of(outcome) == ("Failed", "apprise_missing")
    assert isinstance(outcome, Failed)
    assert outcome.failure.message == MISSING
    small = SmallApprise()
    monkeypatch.setitem(sys.modules, "apprise", small)
    assert await sending.send(message, "discord://1/2") == SENT
    assert await sending.send(message, "gotify://push.acme.test/token") == SENT
    assert await sending.send(message, "gotify://10.7.0.1/token") == SENT
    assert small.notified == [("Lift 3", "Lift 3 stands")] * 3
    for url in ("gotify://10.0.0.1/token", "json://localhost/", "mailto://other.acme.test", "json://127.1/x"):
        assert code_of(await sending.send(message, url)) == ("Failed", "address_refused")
    for url in ("nothing://x", "syslog://", "DBus://", "discord://1/2?template=/etc/passwd"):
        assert code_of(await sending.send(message, url)) == ("Failed", "input_invalid")
    small.raises = KeyError("x")
    assert code_of(await sending.send(message, "discord://1/2")) == ("Retry", "apprise_failed")
    small.raises, small.works = None, False
    assert code_of(await sending.send(message, "discord://1/2")) == ("Retry", "apprise_failed")
    assert len(small.notified) == 4
