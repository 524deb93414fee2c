"""Two orgs with the same ids everywhere, and every operation of the merged OpenAPI document asked from the other one.

`acme` lives through every operation; then `globex` does the same under the same keys and hears nothing of acme, names
acme's things and is answered as for what nobody has, and asks for acme's paths as for those of an org that is not
there. At the end acme stands as it stood.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from fettle_devstack.isolation import discard, isolated
from fettle_devstack.servers import Servers
from tests.conftest import running
from tests.end_to_end.isolation_words import (
    CONTENT_TYPES,
    HARMLESS,
    NOBODYS,
    OWN,
    PREFIX,
    SECRET,
    SHARED,
    WITHOUT_TOKEN,
    WRITES,
    Known,
    Operation,
    bodies,
    channel,
    flow,
    operations,
)
from tests.end_to_end.page_probes import Looking, forgeries, hear_both, page_probes, stories, unlike_a_page
from tests.end_to_end.role_table import COLUMNS, INSTALLATION, ORG, Trying, every, page_of
from tests.installation import Installation, OrgApi, eventually
from tests.outside import dead_letter
from tests.verdict_books import check

ROLES = Path(__file__).parents[2] / "docs" / "roles.md"
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)")
ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\w+:[\w-]{43}|ftl_[\w-]+")
STREAMS = {"get /events"}
"""Asked apart: they do not end."""


@pytest.fixture(scope="module")
def shared(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all of them; every test has orgs of its own."""
    environment = isolated(servers)
    unlimited = {"FETTLE_REQUESTS_PER_S": "100000", "FETTLE_REQUESTS_BURST": "100000"}
    with running({**environment, **unlimited}, tmp_path_factory.mktemp("installation")) as started:
        yield started
    check(environment)
    discard(servers, environment)


class Asking:
    """An org that asks every operation. `known` is what it names where a parameter names something."""

    def __init__(self, api: OrgApi, word: str) -> None:
        self.api, self.word = api, word

    def ask(self, operation: Operation, known: Known, org: str | None = None, key: str = "", **one: Any) -> Answer:
        """One request; `one` has parameters beside the path to send."""
        path = operation.path
        for name in operation.in_path:
            path = path.replace(f"{{{name}}}", quote(str(known.of(operation, name))))
        query: dict[str, str] = {}
        headers: dict[str, str] = {}
        for name, place, _ in operation.parameters:
            value = one.get(name.replace("-", "_"), HARMLESS.get(name))
            if place != "path" and value is not None:
                (query if place == "query" else headers)[name] = str(value).lower() if value is True else str(value)
        if operation.method in WRITES:
            headers["idempotency-key"] = f"{operation} {key}".strip()
        body = None
        if operation.has_body:
            said = bodies(self.word, {**NOBODYS.names, **known.names})
            assert str(operation) in said, f"what does one write with {operation}? Say so in isolation_words.py"
            told = said[str(operation)]
            body = told if isinstance(told, str) else json.dumps(told)
            headers["content-type"] = CONTENT_TYPES.get(str(operation), "application/json")
        headers["authorization"] = f"Bearer {self.api.token}"
        answer = self.api.http.request(
            operation.method.upper(),
            f"{PREFIX.format(org=org or self.api.org)}{path}",
            params=query,
            headers=headers,
            content=body,
        )
        sent = [str(value) for name, value in (*known.names.items(), *one.items()) if name != "source"]
        return Answer(answer, sorted(sent, key=len, reverse=True))

    def all(self, asked: list[Operation], known: Known, key: str = "") -> dict[str, Answer]:
        return {str(operation): self.ask(operation, known, key=key) for operation in asked}


class Answer:
    def __init__(self, answer: httpx2.Response, sent: list[str]) -> None:
        self.status, self.text = answer.status_code, answer.text
        self.headers = {name: answer.headers.get(name) for name in ("content-type", "www-authenticate", "etag")}
        self._sent = sent

    def plain(self, *words: str) -> str:
        """The text without times, drawn ids, and what the request itself named."""
        text = self.text
        for word in (*words, *self._sent):
            if not word.isdigit() and len(word) > 3:
                text = text.replace(word, "~").replace(quote(word), "~")
        return ID.sub("~", TIME.sub("~", text))

    @property
    def size(self) -> tuple[int, int]:
        """Status and number of items, of what goes on by itself meanwhile."""
        listed = self.status == 200 and self.headers["content-type"] == "application/json"
        return self.status, len(json.loads(self.text).get("items", ())) if listed else 0

    def rule(self, *words: str) -> tuple[Any, ...]:
        """A write's answer without the numbers that go up with every write, and without what the monitor has said of a
        subject by then."""
        text = re.sub(r'"(state|since|policy_version)":("[a-z~]+"|\d+|null)', r'"\1":"~"', self.plain(*words))
        return self.status, self.headers, re.sub(r"\d+", "N", text)


@pytest.mark.rule("TS-24", "AC-1")
def test_no_operation_of_the_document_tells_of_another_org(shared: Installation) -> None:
    document = shared.http.get("/api/openapi.json").json()
    every = [operation for operation in operations(document) if str(operation) not in STREAMS]
    kept = [operation for operation in every if operation.method != "delete"]
    reading = [operation for operation in every if operation.method == "get"]
    policy = {"enabled": True, "timeout_s": 86_400}
    acme = Asking(shared.create_org("acme", policy), SECRET)
    globex = Asking(shared.create_org("globex", policy), OWN)
    own = Known({**NOBODYS.names, **SHARED})

    lived = acme.all(kept, own)
    assert {str(each.status) for each in lived.values() if each.status >= 500} == set()
    theirs = private_things(acme, reading)
    assert len(theirs.cursors) >= 6, theirs.cursors
    theirs.names |= dead_letter(shared, "acme", SECRET)
    before = acme.all(reading, theirs)
    assert sum(SECRET in each.text for each in before.values()) >= 12, "acme has little to hide"

    faults = []
    for name, answer in globex.all(kept, own).items():
        if SECRET in answer.text:
            faults.append(f"{name} tells globex of acme: {answer.text[:300]}")
        if "/tickets" in name and answer.plain(OWN, "globex") != lived[name].plain(SECRET, "acme"):
            faults.append(f"{name} differs for the second org: {answer.text[:300]} {lived[name].text[:300]}")
    for operation in every:
        faults += probes(globex, operation, theirs)
    assert not faults, "\n".join(faults)
    after = acme.all(reading, theirs)
    changed = [
        (name, before[name].text[:400], after[name].text[:400])
        for name in before
        if stands(name, before[name]) != stands(name, after[name])
    ]
    assert changed == []
    follow_both(acme.api, globex.api)


def stands(name: str, answer: Answer) -> object:
    """What nobody but acme changes. The monitor's answers also say how far it is in the log that all orgs share, and
    whether another verification is under way."""
    if name == "get /verify":
        return None
    return answer.plain() if "/tickets" in name or "/workflows" in name else answer.size


def follow_both(acme: OrgApi, globex: OrgApi) -> None:
    """Whoever follows globex's events, also from where somebody followed acme's, hears of globex alone."""
    id, heard = happens(acme, {}, acme)
    assert heard["org"] == "acme"
    for headers in ({}, {"last-event-id": id}, {"last-event-id": id[:-1]}):
        _, heard = happens(globex, headers, acme, globex)
        assert heard["org"] == "globex"
    with globex.http.stream("GET", "/api/v1/orgs/acme/events", headers=bearer(globex)) as answer:
        assert answer.status_code == 404


def happens(follower: OrgApi, headers: dict[str, str], *orgs: OrgApi) -> tuple[str, Any]:
    """Id and data of the first event that the follower hears when a ticket is opened in each of the orgs in turn."""
    url = f"/api/v1/orgs/{follower.org}/events"
    with follower.http.stream("GET", url, headers={**bearer(follower), **headers}) as answer:
        lines = answer.iter_lines()
        next(lines)
        for api in orgs:
            assert api.post("/tickets", {"title": SECRET, "subject": {"type": "other", "id": "x"}}).status_code == 201
        id = ""
        for line in lines:
            name, _, value = line.partition(": ")
            id = value if name == "id" else id
            if name == "data" and value != "{}":
                return id, json.loads(value)
    raise AssertionError("the stream ended")


def bearer(api: OrgApi) -> dict[str, str]:
    return {"authorization": f"Bearer {api.token}"}


def private_things(acme: Asking, reading: list[Operation]) -> Known:
    """Makes what only acme has, and its cursors."""
    api = acme.api
    subject = {"type": "device", "id": "theirs-17", "name": SECRET}
    assert api._call("POST", "/workflows", content=flow("theirs-flow", SECRET, enabled=True)).status_code < 300
    opened = {
        "title": SECRET,
        "kind": "theirs_kind",
        "subject": subject,
        "space": "theirs/hq",
        "dedup_key": "theirs-key",
    }
    for _ in range(3):
        ticket = api.post("/tickets", opened).json()
        api.post(f"/tickets/{ticket['number']}/comments", {"comment": SECRET})
        opened.pop("dedup_key", None)
    registered = {"name": SECRET, "integration": "theirs-1", "space": "theirs/hq"}
    assert api.put("/subjects/device/theirs-17", registered).status_code < 300
    assert api.put("/subjects/device/theirs-18", registered).status_code < 300
    assert api.put("/secrets/theirs_secret", {"value": f"{SECRET} and more"}).status_code < 300
    assert api.put("/channels/theirs-channel", channel(SECRET)).status_code < 300
    held = api.post("/silences", {"filter": {"space": "theirs/hq"}, "length_s": 3600, "reason": SECRET})
    silence = api.get("/silences", subject="device/theirs-17")["items"][0]
    token = api.post("/tokens", {"role": "viewer", "name": SECRET}).json()["id"]
    assert held.status_code < 300, held.text
    secret = api.post("/workflows/theirs-flow/hook/secrets", {}).json()["id"]
    runs = eventually(lambda: ended(api), "workflows have run")
    own = api.get("/tokens")["items"][0]["id"]
    first = api.get(f"/tickets/{ticket['number']}/timeline")["items"][0]
    known = Known(
        {
            "number": ticket["number"],
            "type": "device",
            "subjects/id": "theirs-17",
            "silences/id": silence["id"],
            "secrets/name": "theirs_secret",
            "channels/name": "theirs-channel",
            "tokens/id": token,
            "run_id": runs[0]["id"],
            "run": runs[0]["id"],
            "workflow": "theirs-flow",
            "secret_id": secret,
            "selection": silence.get("selection") or silence["id"],
            "name": "theirs-flow",
            "version": 1,
            "kind": "theirs_kind",
            "subject": "device/theirs-17",
            "integration": "theirs-1",
            "space": "theirs/hq",
            "q": SECRET[:7],
            "source": "workflow",
            "key": "theirs-key",
            "ticket": ticket["id"],
            "hash": first["hash"],
            "event": first["id"],
            "actor": f"token/{own}",
            "thing": f"tickets/{ticket['number']}",
        }
    )
    for operation in reading:
        if any(name == "cursor" for name, _, _ in operation.parameters):
            page = json.loads(acme.ask(operation, known, limit=1).text)
            if page.get("next_cursor"):
                known.cursors[str(operation)] = page["next_cursor"]
    return known


def ended(api: OrgApi) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = api.get("/runs")["items"]
    return runs if len(runs) == 3 and all(run["state"] in ("done", "failed") for run in runs) else []


def probes(globex: Asking, operation: Operation, theirs: Known) -> Iterator[str]:
    """What globex learns of acme by one operation."""
    hidden, nowhere = (globex.ask(operation, theirs, org, key="probe") for org in ("acme", "nowhere"))
    if hidden.status != WITHOUT_TOKEN.get(str(operation), 404) or hidden.rule("acme") != nowhere.rule("nowhere"):
        yield f"{operation}: acme's path is not as one of no org: {hidden.text[:200]} {nowhere.text[:200]}"
    if operation.in_path or operation.has_body:
        found, nothing = globex.ask(operation, theirs, key="a"), globex.ask(operation, NOBODYS, key="b")
        if SECRET in found.text or found.rule() != nothing.rule():
            yield f"{operation}: acme's thing is not as nobody's: {found.rule()} {nothing.rule()}"
    for name in operation.naming:
        if name not in theirs.names:
            yield f"{operation}: what is {name!r}? Say so in isolation_words.py"
            continue
        own = Known({**NOBODYS.names, **SHARED})
        said = name.replace("-", "_")
        found = globex.ask(operation, own, key=f"c {name}", **{said: theirs.names[name]})
        nothing = globex.ask(operation, own, key=f"d {name}", **{said: NOBODYS.names[name]})
        same = found.plain() == nothing.plain() if "/tickets" in operation.path else found.size == nothing.size
        if SECRET in found.text or not same:
            yield f"{operation}: acme's {name} is not as nobody's: {found.text[:300]} {nothing.text[:300]}"
    if str(operation) in theirs.cursors:
        paged = globex.ask(operation, Known({**NOBODYS.names, **SHARED}), cursor=theirs.cursors[str(operation)])
        if SECRET in paged.text or paged.status >= 500:
            yield f"{operation}: acme's cursor tells globex of acme: {paged.text[:300]}"


@pytest.mark.rule("AC-120", "AC-3")
def test_each_role_may_what_the_page_of_roles_says(shared: Installation) -> None:
    api = shared.create_org(ORG, {"enabled": True, "timeout_s": 86_400})
    tokens = {name: api.new_token(name, name) for name in COLUMNS if name != INSTALLATION}
    tokens[INSTALLATION] = shared.environment["FETTLE_BOOTSTRAP_TOKEN"]
    asked = every(shared.http.get("/api/openapi.json").json())
    trying = Trying(shared, tokens)
    table = trying.table(asked)
    assert list(trying.faults(asked, table)) == []
    if "FETTLE_ROLES" in os.environ:
        Path(os.environ["FETTLE_ROLES"]).write_text(page_of(table))
    assert page_of(table) == ROLES.read_text(), "who may what has changed; look at it, then write docs/roles.md anew"


@pytest.mark.rule("AC-121", "AC-2", "AC-22", "AC-23")
def test_no_page_of_the_console_tells_of_another_org(shared: Installation) -> None:
    policy = {"enabled": True, "timeout_s": 86_400}
    acme = Asking(shared.create_org("initech", policy), SECRET)
    api = shared.create_org("hooli", policy)
    theirs = private_things(acme, [])
    theirs.names |= dead_letter(shared, "initech", SECRET)
    own = Known({**NOBODYS.names, "name": api.get("/workflows")["items"][0]["workflow"]})
    with Looking(acme.api, shared.url) as ann, Looking(api, shared.url) as eve:
        before = stories(acme.api)
        faults = [*unlike_a_page(ann, theirs), *page_probes(eve, theirs, own), *forgeries(ann, theirs)]
        assert not faults, "\n".join(faults)
        assert stories(acme.api) == before
        hear_both(ann, eve, acme.api, api)
