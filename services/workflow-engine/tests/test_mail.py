"""Mail, against a real server: TLS both ways, logins, and what refusals mean."""

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from mail_server import MailServer, contexts, mail_server
from web_server import here

from fettle_workflow_engine.adapters.destinations import Destinations
from fettle_workflow_engine.adapters.mail import Mail
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, Retry
from fettle_workflow_engine.domain.channels import EmailSettings
from fettle_workflow_engine.domain.notifications import Message

NOW = datetime(2026, 11, 23, 10, 15, 30, tzinfo=UTC)
MESSAGE = Message(UUID(int=5), "acme", "ops", "Lift 3 stands.\nPlease look – soon.", "Lift 3\r\nBcc: eve@evil.test")
LOGIN: dict[str, Any] = {"username": "ops", "password": {"secret": "mail"}}


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    folder: Path = tmp_path_factory.mktemp("tls")
    return contexts(folder)


async def send(
    server: MailServer, client: ssl.SSLContext, message: Message = MESSAGE, word: str | None = None,
    destinations: Destinations | None = None, **settings: Any,
) -> Outcome:  # fmt: skip
    given = {"host": "mail.example", "port": server.port, "from": "Fettle@acme.test", "to": ["ann@acme.test"]}
    read = EmailSettings.model_validate({**given, **settings})
    return await Mail(destinations or here(), client).send(message, read, word, NOW)


def code_of(outcome: Outcome) -> tuple[str, str]:
    assert isinstance(outcome, Failed | Retry), outcome
    return type(outcome).__name__, outcome.failure.code


SENT = Done({"outcome": "sent", "channel": "ops", "refused": []})


@pytest.mark.rule("WF-101")
@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_a_mail_goes_over_tls_with_a_login(tls: tuple[ssl.SSLContext, ssl.SSLContext], security: str) -> None:
    how: dict[str, Any] = {security: tls[0]}
    async with mail_server(MailServer(password="s3cret-s3cret"), **how) as server:
        outcome = await send(server, tls[1], word="s3cret-s3cret", security=security, **LOGIN)
    assert outcome == SENT
    (mail,) = server.mails
    assert dict(mail.items()) == {
        "Message-ID": "<00000000-0000-0000-0000-000000000005@acme.test>",
        "Date": "Mon, 23 Nov 2026 10:15:30 +0000",
        "From": "Fettle@acme.test",
        "To": "ann@acme.test",
        "Subject": "Lift 3 Bcc: eve@evil.test",
        "Auto-Submitted": "auto-generated",
        "Content-Type": 'text/plain; charset="utf-8"',
        "Content-Transfer-Encoding": mail["Content-Transfer-Encoding"],
        "MIME-Version": "1.0",
    }
    assert mail.get_payload(decode=True) == "Lift 3 stands.\r\nPlease look – soon.\r\n".encode()
    assert server.took[0].rcpt_tos == ["ann@acme.test"]


@pytest.mark.rule("WF-101")
async def test_a_server_that_is_not_whom_it_should_be_gets_no_password(
    tls: tuple[ssl.SSLContext, ssl.SSLContext],
) -> None:
    async with mail_server(MailServer(password="s3cret-s3cret"), starttls=tls[0]) as server:
        others: tuple[tuple[ssl.SSLContext, dict[str, Any]], ...] = (
            (ssl.create_default_context(), {}),
            (tls[1], {"host": "other.example"}),
        )
        for client, settings in others:
            outcome = await send(server, client, word="s3cret-s3cret", **{**LOGIN, **settings})
            assert code_of(outcome) == ("Retry", "network")
    async with mail_server(MailServer()) as server:
        assert code_of(await send(server, tls[1], word="s3cret-s3cret", **LOGIN)) == ("Failed", "mail_refused")
    assert server.took == []


@pytest.mark.rule("WF-101")
@pytest.mark.parametrize(
    ("says", "what"),
    [
        ({"AUTH": "535 5.7.8 No"}, ("Failed", "login_refused")),
        ({"AUTH": "454 4.7.0 Later"}, ("Retry", "login_refused")),
        ({"MAIL": "550 5.7.1 Not you"}, ("Failed", "mail_refused")),
        ({"MAIL": "451 4.7.1 Later"}, ("Retry", "mail_refused")),
        ({"RCPT": "451 4.7.1 Greylisted, try again"}, ("Retry", "recipients_refused")),
        ({"RCPT": "550 5.1.1 Nobody here"}, ("Failed", "recipients_refused")),
        ({"DATA": "554 5.7.1 Spam"}, ("Failed", "mail_refused")),
        ({"DATA": "452 4.3.1 Disk full"}, ("Retry", "mail_refused")),
    ],
)
async def test_what_a_server_says_for_now_is_tried_again(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], says: dict[str, str], what: tuple[str, str]
) -> None:
    async with mail_server(MailServer(password="s3cret-s3cret", says=says), starttls=tls[0]) as server:
        outcome = await send(server, tls[1], word="s3cret-s3cret", **LOGIN)
    assert code_of(outcome) == what
    assert isinstance(outcome, Failed | Retry)
    assert next(iter(says.values()))[:3] in outcome.failure.message
    assert server.took == []


@pytest.mark.rule("WF-101")
async def test_a_wrong_password_is_refused(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with mail_server(MailServer(password="s3cret-s3cret"), starttls=tls[0]) as server:
        outcome = await send(server, tls[1], word="another-s3cret", **LOGIN)
    assert code_of(outcome) == ("Failed", "login_refused")


@pytest.mark.rule("WF-101")
async def test_recipients_that_were_refused_are_named(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    says = {"RCPT bob@acme.test": "550 5.1.1 Nobody here"}
    to = ["ann@acme.test", "bob@acme.test"]
    async with mail_server(MailServer(says=says)) as server:
        outcome = await send(server, tls[1], security="none", to=to)
    assert outcome == Done({"outcome": "sent", "channel": "ops", "refused": ["bob@acme.test"]})
    assert server.took[0].rcpt_tos == ["ann@acme.test"]


@pytest.mark.rule("WF-101")
async def test_a_mail_that_was_taken_is_sent_whatever_comes_after(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with mail_server(MailServer(says={"QUIT": "reset"})) as server:
        assert await send(server, tls[1], security="none") == SENT
    assert len(server.took) == 1


async def test_a_server_that_is_not_there_is_tried_again(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    assert code_of(await send(MailServer(port=1), tls[1])) == ("Retry", "network")


@pytest.mark.rule("WF-91")
@pytest.mark.parametrize("host", ["intranet.test", "localhost", "127.0.0.1", "10.0.0.1"])
async def test_mail_servers_are_judged_like_other_addresses(
    tls: tuple[ssl.SSLContext, ssl.SSLContext], host: str
) -> None:
    async with mail_server(MailServer()) as server:
        outcome = await send(server, tls[1], destinations=here("mail.example"), host=host, security="none")
    assert code_of(outcome) == ("Failed", "address_refused")


@pytest.mark.rule("WF-102")
async def test_a_message_names_recipients_in_allowed_domains_only(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    def to(*addresses: str) -> Message:
        return Message(UUID(int=5), "acme", "ops", "Lift 3 stands.", to=addresses)

    async with mail_server(MailServer()) as server:
        allowed: dict[str, Any] = {"security": "none", "allowed_domains": ["acme.test"]}
        assert await send(server, tls[1], to("bob@acme.test", "eve@acme.test"), **allowed) == SENT
        for addresses in (["eve@evil.test"], ["bob@acme.test", "eve@sub.acme.test"], ["eve@notacme.test"]):
            outcome = await send(server, tls[1], to(*addresses), **allowed)
            assert code_of(outcome) == ("Failed", "address_not_allowed")
        assert code_of(await send(server, tls[1], to("bob@acme.test"), security="none"))[1] == "address_not_allowed"
        outcome = await send(server, tls[1], to(), **{**allowed, "to": []})
        assert code_of(outcome) == ("Failed", "input_invalid")
    assert [one.rcpt_tos for one in server.took] == [["bob@acme.test", "eve@acme.test"]]


async def test_a_password_that_cannot_be_said_is_no_bug(tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    async with mail_server(MailServer(password="s3cret-s3cret"), starttls=tls[0]) as server:
        for word in ("tängerine-tängerine", "s3cret\r\ns3cret", "秘密秘密秘密秘密"):
            outcome = await send(server, tls[1], word=word, **LOGIN)
            assert code_of(outcome)[1] in ("input_invalid", "login_refused"), outcome
