"""The OpenAPI document says all of every operation, and whatever is asked, answers are as it says."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ticket_api import REPORT
from ticket_both_doors import BothDoors, both_doors

from fettle_chassis.tokens import Caller, Role, issue
from fettle_contracts.codes import RejectionCode
from fettle_contracts.problems import PROBLEM_TYPE, ProblemCode
from fettle_ticket_service.settings import TicketSettings

PREFIX = "/api/v1/orgs/{org}"
CODES = {str(code) for code in (*ProblemCode, *RejectionCode)}


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def doors(settings: TicketSettings, runner: asyncio.Runner) -> Iterator[BothDoors]:
    opened = both_doors(settings)
    doors = runner.run(opened.__aenter__())
    runner.run(doors.door.add_orgs("acme"))
    yield doors
    runner.run(opened.__aexit__(None, None, None))


@pytest.fixture
def document(doors: BothDoors, runner: asyncio.Runner) -> Any:
    return runner.run(doors.client.get("/openapi.json")).json()


def operations(document: Any) -> list[tuple[str, str, Any]]:
    paths = document["paths"].items()
    return [(method, path, operation) for path, methods in paths for method, operation in methods.items()]


def fits(document: Any, schema: Any, value: Any) -> list[str]:
    """What of the value does not fit the schema."""
    whole = {**schema, "components": document["components"]}
    return [error.message[:200] for error in Draft202012Validator(whole).iter_errors(value)]


@pytest.mark.rule("TS-82")
def test_every_operation_is_documented(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    faults = []
    for method, path, operation in operations(document):
        name = f"{method} {path.removeprefix(PREFIX)}"
        said = [operation.get("summary"), operation.get("description")]
        faults += [f"{name} has no words"] if not all(said) or said[0] == said[0].title() else []
        unsaid = [one["name"] for one in operation["parameters"] if not one.get("description") or "schema" not in one]
        faults += [f"{name}: {unsaid} have no meaning"] if unsaid else []
        contents = [("body", operation["requestBody"]["content"])] if "requestBody" in operation else []
        contents += [(status, answer.get("content", {})) for status, answer in operation["responses"].items()]
        for of, content in contents:
            faults += [] if content else [f"{name}: {of} shows nothing"]
            for media, about in content.items():
                wrong = fits(document, about["schema"], about["example"]) if about.get("schema") else ["no schema"]
                faults += [f"{name}: the example of {of} as {media}: {wrong}"] if wrong else []
        refused = {status for status in operation["responses"] if status >= "4"}
        faults += [f"{name}: no refusals"] if not {"401", "403", "404"} <= refused else []
        for status in refused:
            answer = operation["responses"][status]
            codes = set(answer["description"].split("`")[1::2]) - {"Retry-After"}
            faults += [] if codes and codes <= CODES else [f"{name}: {status} has no codes: {codes}"]
    assert not faults, "\n".join(faults)


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-1, 2**64), st.text(max_size=20), st.lists(st.integers(), max_size=2)
)
TEXTS = st.one_of(
    st.text(max_size=30), st.sampled_from(["*", '"1"', "device/t17", "oslo/hq", "WzFd", "e30", "all", "csv", "1"])
)


def values(schema: Any, document: Any) -> st.SearchStrategy[Any]:
    """Mostly what the schema allows, and sometimes what it does not."""
    return st.integers(0, 11).flatmap(lambda chance: ODD if chance == 0 else _allowed(schema, document))


def _allowed(schema: Any, document: Any) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return values(document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]], document)
    if "anyOf" in schema:
        return st.one_of(*(values(each, document) for each in schema["anyOf"]))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "integer":
            return st.one_of(st.integers(-1, 5), st.integers())
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            return st.lists(values(schema["items"], document), max_size=3)
        case "object":
            named = schema.get("properties", {})
            must = {name: values(named[name], document) for name in schema.get("required", ())}
            may = {name: values(named[name], document) for name in named if name not in must}
            return st.fixed_dictionaries(must, optional=may)
    return TEXTS


@st.composite
def requests(draw: st.DrawFn, document: Any) -> tuple[Any, httpx2.Request]:
    """An operation and a request for it, by somebody with one of the roles."""
    method, path, operation = draw(st.sampled_from(operations(document)))
    query: dict[str, str] = {}
    headers = {"x-role": draw(st.sampled_from(["admin", "admin", "operator", "viewer"]))}
    for one in operation["parameters"]:
        if one["in"] == "path":
            value = "acme" if one["name"] == "org" else quote(str(draw(values(one["schema"], document))), safe="")
            path = path.replace(f"{{{one['name']}}}", value or "0")
        elif draw(st.booleans()):
            said = draw(values(one["schema"], document))
            (query if one["in"] == "query" else headers)[one["name"]] = "" if said is None else str(said)
    headers = {name: re.sub(r"[^ -~]", "?", value).strip() for name, value in headers.items()}
    body = None
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]
        body = draw(st.one_of(st.just(schema["example"]), values(schema["schema"], document)))
    return operation, httpx2.Request(
        method.upper(), f"http://tickets.test{path}", params=query, headers=headers, json=body
    )


async def answer_fits(doors: BothDoors, document: Any, operation: Any, request: httpx2.Request) -> None:
    role = Role(request.headers.pop("x-role"))
    token = issue(doors.settings.signing_keys, Caller("acme", role, "ann@acme.test", "Ann"), datetime.now(UTC))
    request.headers["authorization"] = f"Bearer {token}"
    answer = await doors.client.send(request)
    about = operation["responses"].get(str(answer.status_code))
    assert about is not None, (request, answer.status_code, answer.text[:300])
    media = answer.headers["content-type"].partition(";")[0]
    assert media in about["content"], (request, media)
    if media in ("application/json", PROBLEM_TYPE):
        wrong = fits(document, about["content"][media]["schema"], answer.json())
        assert not wrong, (request, wrong, answer.text[:500])
    if media == PROBLEM_TYPE:
        assert f"`{answer.json()['code']}`" in about["description"], (request, answer.text)


def ask_anything(doors: BothDoors, runner: asyncio.Runner, document: Any, **more: Any) -> None:
    async def three() -> None:
        token = issue(doors.settings.signing_keys, Caller("acme", Role.OPERATOR, "ann@acme.test"), datetime.now(UTC))
        for _ in range(3):
            headers = {"authorization": f"Bearer {token}"}
            answer = await doors.client.post("/api/v1/orgs/acme/tickets", json=REPORT, headers=headers)
            assert answer.status_code == 201

    runner.run(three())

    @settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, **more)
    @given(asked=requests(document))
    def anything(asked: tuple[Any, httpx2.Request]) -> None:
        runner.run(answer_fits(doors, document, *asked))

    anything()


@pytest.mark.rule("TS-82")
def test_answers_are_as_the_document_says(doors: BothDoors, runner: asyncio.Runner, document: Any) -> None:
    ask_anything(doors, runner, document, max_examples=600, phases=(Phase.explicit, Phase.reuse, Phase.generate))


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("TS-82")
def test_answers_are_as_the_document_says_for_long(doors: BothDoors, runner: asyncio.Runner, document: Any) -> None:
    ask_anything(doors, runner, document, max_examples=50_000)


@pytest.mark.rule("TS-82")
def test_examples_of_bodies_are_taken(doors: BothDoors, runner: asyncio.Runner, document: Any) -> None:
    async def take() -> None:
        token = issue(doors.settings.signing_keys, Caller("acme", Role.ADMIN, "ann@acme.test"), datetime.now(UTC))
        headers = {"authorization": f"Bearer {token}", "if-match": "*"}
        bodies = [each for each in operations(document) if "requestBody" in each[2]]
        for method, path, operation in sorted(bodies, key=lambda each: each[1]):
            example = operation["requestBody"]["content"]["application/json"]["example"]
            url = path.replace("{org}", "acme").replace("{number}", "1")
            answer = await doors.client.request(method, url, json=example, headers=headers)
            assert answer.status_code in (200, 201, 409), (method, path, answer.text, json.dumps(example))

    runner.run(take())
