"""After runs whose every partner repeats what it was sent, no secret stands in a row, a log line or an answer."""

import asyncio
import base64
import io
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus
from uuid import UUID

import httpcore2
import pytest
import structlog
from engine_api import Api, engine_api
from engine_world import APPLIED, World, event, world_of
from made_calls import calling
from mail_server import MailServer, contexts, mail_server
from sqlalchemy import text
from web_server import Asked, answer, web_server

from fettle_chassis.logs import configure_logging
from fettle_chassis.tokens import Role
from fettle_workflow_engine.domain.run import Result
from fettle_workflow_engine.domain.secrets import HIDDEN
from fettle_workflow_engine.outlets import Outlets, build_outlets

TOKEN = 'tan/ger+ine&"<q>\\ 77%~'
PATH = "quartz-0123456789"
HOOK = "services/onyx-0123456789abcdef"
PASSWORD = "opal-0123456789"
KEY = "whsec_" + base64.b64encode(b"garnet-0123456789abcdefg").decode()

FLOW = """
workflow: leaky
enabled: true
nodes:
  opened: {{trigger: ticket.opened}}
  asked:
    after: [opened]
    action: http.request
    with:
      method: POST
      url: {{template: "http://127.0.0.1:{port}/{{{{ event.ticket.kind }}}}/{{{{ secrets.path }}}}"}}
      query: {{k: {{template: "{{{{ secrets.token }}}}"}}}}
      headers: {{authorization: {{template: "Bearer {{{{ secrets.token }}}}"}}, x-key: {{ref: secrets.token}}}}
      body: {{deep: [{{template: "a {{{{ secrets.token }}}} b"}}], echo: {{ref: event.ticket.title}}}}
  noted: {{after: [asked], action: ticket.comment, with: {{ticket: 1, text: {{template: "{{{{ asked.body }}}}"}}}}}}
  wrong: {{after: [asked.error], action: ticket.comment,
          with: {{ticket: 1, text: {{template: "{{{{ asked.error.message }}}}"}}}}}}
  chat: {{after: [opened], action: notify, with: {{channel: chat, text: hello}}}}
  mail: {{after: [chat.error], action: notify, with: {{channel: mail, text: hello}}}}
  desk: {{after: [opened], action: notify, with: {{channel: desk, text: hello}}}}
  odd: {{after: [asked], action: ticket.comment,
        with: {{ticket: 1, text: {{template: "{{{{ asked.body.told[0].nothing.more }}}}"}}}}}}
  odder: {{after: [odd.error], action: ticket.comment,
          with: {{ticket: 1, text: {{template: "{{{{ odd.error.message }}}} {{{{ asked.body.told | json }}}}"}}}}}}
  end: {{after: [mail.error], action: ticket.comment,
        with: {{ticket: 1, text: {{template: "{{{{ mail.error.message }}}} {{{{ chat.error.message }}}}"}}}}}}
"""
RUNG = """
workflow: rung
enabled: true
nodes:
  rings: {trigger: signal, type: hook, source: hook}
  noted: {after: [rings], action: ticket.comment, with: {ticket: 1, text: {ref: event.data.text}}}
"""


def spelled(secret: str) -> list[str]:
    data = secret.encode()
    return [
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], data.hex(),
        json.dumps(json.dumps(secret)[1:-1])[1:-1], base64.b64encode(data).decode().rstrip("="),
        base64.b64encode(b"\x00" + secret.encode() + b"\x00\x00").decode()[2:-4],
    ]  # fmt: skip


def repeating(asked: Asked) -> bytes:
    """Everything that came, and each secret in it in every spelling; the status is the path's first part."""
    told = [asked.target, *asked.headers.values(), asked.body.decode()]
    for secret in (TOKEN, PATH, HOOK):
        told += spelled(secret) if any(secret in one for one in told[:20]) else []
    status = int(asked.target.split("/")[1]) if asked.target.split("/")[1].isdecimal() else 400
    return answer(status, {"told": told, told[-1]: 1}, etag=told[-1], x_request_id=told[0])


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("workflow-engine", level="DEBUG", stream=stream)
    servers = logging.getLogger("mail.log")  # the mail server's own, which is not ours
    servers.propagate = False
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    servers.propagate = True
    structlog.reset_defaults()


@pytest.fixture
async def api(environment: dict[str, str]) -> AsyncIterator[Api]:
    allowing = {**environment, "FETTLE_WORKFLOW_ALLOW_HOSTS": "127.0.0.1"}
    async with world_of(allowing) as world, engine_api(world) as api:
        yield api


def outlets_of(world: World) -> Outlets:
    return build_outlets(world.settings, world.database, lambda: world.now)


async def rows(world: World) -> dict[str, str]:
    """Every row of every table, as text."""
    async with world.database.reading() as connection:
        tables = await connection.scalars(text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        found = {}
        for table in list(tables):
            everything = await connection.scalars(text(f'SELECT row_to_json(one)::text FROM "{table}" AS one'))
            found[table] = "\n".join(everything)
        return found


def leaks(places: Mapping[str, str], *more: str) -> list[tuple[str, str]]:
    wanted = [one for secret in (TOKEN, PATH, HOOK, PASSWORD, KEY, *more) for one in spelled(secret)]
    return [(place, one) for place, held in places.items() for one in wanted if one in held]


async def put(api: Api, path: str, body: Any) -> None:
    made = await api.call("PUT", path, body)
    assert made.status_code == 201, made.text


@pytest.mark.rule("WF-96", "WF-97")
async def test_no_secret_is_kept_logged_or_shown(
    api: Api, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world, kinds = api.world, ("200", "404", "500", "xx")
    tls, trusting = contexts(tmp_path)
    monkeypatch.setattr(httpcore2, "default_ssl_context", lambda: trusting)
    said = f"535 5.7.8 No such password as {PASSWORD} ({base64.b64encode(PASSWORD.encode()).decode()})"
    mails = MailServer(password=PASSWORD, says={"AUTH": said})
    async with web_server(repeating) as server, mail_server(mails, starttls=tls) as mail:
        hook = server.url(f"/{HOOK}", "127.0.0.1")
        for name, value in (
            ("token", TOKEN),
            ("path", PATH),
            ("password", PASSWORD),
            ("hook", hook),
            ("key", KEY),
        ):
            await put(api, f"/secrets/{name}", {"value": value})
        await put(api, "/channels/chat", {"kind": "slack", "settings": {"url": {"secret": "hook"}}})
        signed = {"url": {"secret": "hook"}, "key": {"secret": "key"}}
        await put(api, "/channels/desk", {"kind": "webhook", "settings": signed})
        login = {"username": "ops", "password": {"secret": "password"}}
        settings = {"host": "127.0.0.1", "port": mail.port, "from": "a@acme.test", "to": ["b@acme.test"], **login}
        await put(api, "/channels/mail", {"kind": "email", "settings": settings})
        await world.save(FLOW.format(port=server.port))
        async with calling(world, outlets_of(world).callers):
            for number, kind in enumerate(kinds, 1):
                await world.happen(event(number=number, kind=kind, title="t"))
            commands = await settle(world, len(kinds))
        knocked, secrets = await knock(api)
        tried = [(await api.call("POST", f"/channels/{name}/test")).text for name in ("chat", "desk", "mail")]
        tested = await api.call("POST", "/workflows/leaky/test-runs", {"trigger": "ticket.opened"})
        assert tested.status_code == 200, tested.text
        tried.append(tested.text)
    assert any(TOKEN in one.headers.get("authorization", "") for one in server.asked), "nothing could leak"
    assert any(HOOK in one.target for one in server.asked)
    assert "login_refused" in json.dumps(await world.runs())
    shown = {path: json.dumps(await api.get(path, role=Role.ADMIN), ensure_ascii=False) for path in await paths(api)}
    places = {**await rows(world), **shown, "commands": "\n".join(commands), "log": logged.getvalue()}
    places |= {"knocked": "\n".join(knocked), "tried": "\n".join(tried)}
    assert leaks(places, *secrets) == []
    assert "rung" in places["run"]
    assert "odd.error" not in places["commands"]
    assert places["tried"].count("status_unexpected") == 2
    assert HIDDEN in places["commands"]
    assert "{{ secrets.token }}" in "".join(shown.values())
    assert "workflow.saved" in places["log"]


async def knock(api: Api) -> tuple[list[str], list[str]]:
    """What a hook answers to whoever has a secret of it, or had, or has none; and these secrets."""
    await api.world.save(RUNG)
    made = [(await api.call("POST", "/workflows/rung/hook/secrets", {"old_holds_s": 0})).json() for _ in range(2)]
    secrets, path = [one["secret"] for one in made], "/acme/workflows/rung/hook"
    answers = [
        await api.knock("POST", path, body, **{header: secret})
        for secret in secrets
        for header in ("fettle-hook-secret", "webhook-signature", "authorization")
        for body in ({"text": "Rung."}, "no JSON", [secret])
    ]
    answers.append(await api.call("GET", "/workflows/rung/hook/secrets"))
    return [f"{answer.text} {answer.headers}" for answer in answers], secrets


async def settle(world: World, runs: int) -> list[str]:
    """Answers commands until every run has ended or waits for another attempt; returns what was commanded."""
    commanded: list[str] = []
    async with asyncio.timeout(90):
        while True:
            commands = await world.commands()
            commanded += [command.data.decode() for command in commands]
            await world.answer(*(Result(UUID(command.id), APPLIED) for command in commands))
            found = await world.runs()
            if len(found) == runs and all(run["state"] != "running" or _retrying(run) for run in found):
                return commanded
            await asyncio.sleep(0.05)


def _retrying(run: Mapping[str, Any]) -> bool:
    return any(node["state"] == "waiting" and node["error"] for node in run["nodes"])


async def paths(api: Api) -> list[str]:
    runs = (await api.get("/runs"))["items"]
    channels = [f"/channels/{one['name']}" for one in (await api.get("/channels"))["items"]]
    return ["/runs", *(f"/runs/{run['id']}" for run in runs), "/secrets", "/channels", *channels, "/workflows"]


LONG = "jade-" + "".join(f"{number:x}.{number * 7919 % 9973}" for number in range(80))
"""Longer than an error or a header of an answer is kept."""
CUT_FLOW = """
workflow: cut
enabled: true
nodes:
  opened: {{trigger: ticket.opened}}
  asked:
    after: [opened]
    action: http.request
    with: {{url: "http://127.0.0.1:{port}/", query: {{as: {{ref: event.ticket.kind}}}}, headers: {{x-key: {{ref: secrets.long}}}}}}
  mail: {{after: [asked, asked.error], action: notify, with: {{channel: mail, text: hello}}}}
"""  # noqa: E501


def repeating_at_the_cut(asked: Asked) -> bytes:
    """The secret where an error, a header and a body end, sooner or later."""
    way, said = asked.target.partition("=")[2], asked.headers["x-key"]
    if way == "header":
        return answer(200, b"ok", etag=f"{'e' * 480} {said}")
    if way == "body":
        return answer(200, f"{'b' * (48 * 1024 - 30)} {said}".encode())
    return answer(404, {"key": said} if way == "json" else f"{'t' * 150} {said}".encode())


@pytest.mark.rule("WF-158")
async def test_of_a_secret_that_was_cut_the_beginning_is_not_kept(
    api: Api, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world, ways = api.world, ("header", "body", "json", "text")
    tls, trusting = contexts(tmp_path)
    monkeypatch.setattr(httpcore2, "default_ssl_context", lambda: trusting)
    mails = MailServer(password=LONG, says={"AUTH": f"535 5.7.8 No such password as {LONG[:450]}"})
    async with web_server(repeating_at_the_cut) as server, mail_server(mails, starttls=tls) as mail:
        await put(api, "/secrets/long", {"value": LONG})
        login = {"username": "ops", "password": {"secret": "long"}}
        settings = {"host": "127.0.0.1", "port": mail.port, "from": "a@acme.test", "to": ["b@acme.test"], **login}
        await put(api, "/channels/mail", {"kind": "email", "settings": settings})
        await world.save(CUT_FLOW.format(port=server.port))
        async with calling(world, outlets_of(world).callers):
            for number, way in enumerate(ways, 1):
                await world.happen(event(number=number, kind=way))
            await settle(world, len(ways))
    shown = {path: json.dumps(await api.get(path, role=Role.ADMIN)) for path in await paths(api)}
    places = {**await rows(world), **shown, "log": logged.getvalue()}
    assert {place for place, held in places.items() if LONG[:5] in held} == set()
    steps = [node for run in await world.runs() for node in run["nodes"] if node["node"] != "opened"]
    assert len(steps) == 8
    assert all(HIDDEN in json.dumps([node["output"], node["error"]]) for node in steps), steps
