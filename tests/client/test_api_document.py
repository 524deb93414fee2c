"""The merged OpenAPI document says all of every operation: words, meanings, examples that fit, refusals with codes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fettle_console.domain.routing import Owner, owner_of
from fettle_contracts.codes import DeadLetterCode, RejectionCode
from fettle_contracts.problems import ProblemCode
from tests.client.api_document import ORG, Schema, document

CODES = {str(code) for code in (*ProblemCode, *RejectionCode, *DeadLetterCode)}


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return document()


def every(api: Schema) -> Iterator[tuple[str, str, Any]]:
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path.removeprefix('/api/v1')}", path, operation


def misfits(api: Schema, schema: Schema, value: Any) -> list[str]:
    """What of the value does not fit the schema."""
    whole = {**schema, "components": api["components"]}
    return [error.message[:200] for error in Draft202012Validator(whole).iter_errors(value)]


@pytest.mark.rule("AC-41")
def test_every_operation_names_its_refusals_and_parameters(api: Schema) -> None:
    faults = []
    for name, path, operation in every(api):
        refused = {status: answer for status, answer in operation["responses"].items() if status >= "4"}
        if not {"401", "403", "404", "429", "503"} <= set(refused):
            faults.append(f"{name}: names only {sorted(refused)}")
        for status, answer in refused.items():
            codes = set(answer["description"].split("`")[1::2]) - {"Retry-After"}
            if not codes or not codes <= CODES:
                faults.append(f"{name}: {status} has the codes {codes}")
            shown = answer["content"]["application/problem+json"]
            if wrong := misfits(api, shown["schema"], shown["example"]):
                faults.append(f"{name}: the example of {status}: {wrong}")
        placed = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        if placed != {part[1:-1] for part in path.split("/") if part.startswith("{")}:
            faults.append(f"{name}: has the parameters {placed} in its path")
    assert not faults, "\n".join(faults)


@pytest.mark.rule("AC-41", "TS-82")
def test_every_operation_has_words_and_examples_that_fit(api: Schema) -> None:
    faults, said = [], 0
    for name, _, operation in every(api):
        said += 1
        words = [operation.get("summary"), operation.get("description")]
        if not all(words) or words[0] == words[0].title():
            faults.append(f"{name} has no words")
        faults += [f"{name}: what is {one['name']}?" for one in operation["parameters"] if not one.get("description")]
        contents = [("body", operation["requestBody"]["content"])] if "requestBody" in operation else []
        for status, answer in operation["responses"].items():
            if answer["description"] in ("Successful Response", ""):
                faults.append(f"{name}: what does {status} tell?")
            contents.append((status, answer.get("content", {})))
            if not answer.get("content") and status not in ("202", "204"):
                faults.append(f"{name}: {status} shows nothing")
        for of, content in contents:
            for media, about in content.items():
                examples = [one["value"] for one in about.get("examples", {}).values()] or [about.get("example")]
                wrong = [each for example in examples for each in misfits(api, about.get("schema", False), example)]
                faults += [f"{name}: the example of {of} as {media}: {wrong}"] if wrong else []
    assert not faults, "\n".join(faults)
    assert said >= 70


@pytest.mark.rule("HM-79")
def test_every_answer_about_health_says_up_to_when_it_has_been_judged(api: Schema) -> None:
    """Where it says anything: those to removals do not."""
    silent, said = [], 0
    for name, path, operation in every(api):
        if owner_of(path.removeprefix(f"{ORG}/")) is not Owner.HEALTH:
            continue
        for status, answer in operation["responses"].items():
            if status < "3" and not answer.get("content") and not name.startswith("delete "):
                silent.append(f"{name}: {status}")
            for media, about in answer.get("content", {}).items() if status < "3" else ():
                for example in [one["value"] for one in about.get("examples", {}).values()] or [about["example"]]:
                    said += 1
                    last = next(iter(json.loads(example.splitlines()[-1]).values())) if "ndjson" in media else example
                    silent += [] if "as_of" in last else [f"{name}: {status}"]
    assert not silent, "\n".join(silent)
    assert said >= 14


@pytest.mark.rule("AC-41")
def test_every_shape_has_words(api: Schema) -> None:
    assert [name for name, shape in api["components"]["schemas"].items() if not shape.get("description")] == []
