"""The published schema: it refuses what has the wrong form, and takes what a save takes.

That it takes every document that any test of the engine loads is held by conftest.py.
"""

import json
import re
from pathlib import Path

import pytest
from document_schema import SCHEMA, refused_by_schema
from engine_api import api_of
from jsonschema import Draft202012Validator
from test_workflow_faulty_documents import CORPUS

from fettle_chassis.tokens import Role
from fettle_workflow_engine.domain.catalogue import ACTIONS, TRIGGERS, Wants
from fettle_workflow_engine.domain.operations import OPERATIONS, Operand
from fettle_workflow_engine.domain.schema import WANTED
from fettle_workflow_engine.generate import FILE, main

MEANING = re.compile(
    r"unknown (node|name|function|filter|test) |'[^']*' (has|is an?) |nodes wait|not a CEL|the pattern|the flag|`map`"
    r"|a loop in|an expression|not a template|.* (is|are) not part of templates|a workflow needs a trigger"
    r"|keys that begin|a reference is names|not a regular|nothing is in this|no time of the day|there is no time zone"
    r"|anchors|tags|the key|a key must be text"
    r"|`\w+` must be a time such as|.*; (event|known)\S* is |.*: `\w+` cannot be |a set in a set"
    r"|an interval is from|not a cron expression|secrets are for|a secret stands alone"
    r"|`\w+` must be (a length of time such as|from 1 s)|.* is for .*|`\w+` (is|must be) .*; a template gives text"
)
"""What only somebody can find who knows what names mean, or reads YAML."""


def test_the_schema_is_a_schema_and_knows_the_catalogue() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    told = json.dumps(SCHEMA)
    for name in (*ACTIONS, *TRIGGERS, *OPERATIONS):
        assert f'"{name}"' in told
    assert WANTED.keys() == set(Wants), "say in domain/schema.py what a field of the new kind may hold"
    assert all(operand.value in told or json.dumps(operand.value)[1:-1] in told for operand in Operand)


@pytest.mark.rule("AC-143")
def test_the_schema_says_what_references_can_name() -> None:
    gives = {kind["properties"]["trigger"]["const"]: kind["x-gives"] for kind in SCHEMA["$defs"]["trigger"]["oneOf"]}
    assert {"ticket", "ticket.subject.id", "entry.actor"} <= set(gives["ticket.opened"])
    assert gives["manual"][:2] == ["at", "actor"]
    assert "data" in gives["manual"]
    gives = {kind["properties"]["action"]["const"]: kind["x-gives"] for kind in SCHEMA["$defs"]["action"]["oneOf"]}
    assert (gives["notify"], gives["fail"]) == (["outcome", "channel", "refused"], [])


@pytest.mark.rule("WF-40")
@pytest.mark.parametrize(("document", "said"), CORPUS, ids=range(len(CORPUS)))
def test_what_has_the_wrong_form_is_refused_by_the_schema(document: str, said: tuple[str, ...]) -> None:
    form = [fault for fault in said if not MEANING.match(fault.partition(" ")[2])]
    if form:
        assert refused_by_schema(document) is not False, form


def test_most_of_the_corpus_is_of_the_wrong_form() -> None:
    of_form = [said for _, said in CORPUS if not all(MEANING.match(fault.partition(" ")[2]) for fault in said)]
    assert len(of_form) > 120


@pytest.mark.rule("WF-40")
def test_the_published_file_is_what_the_catalogue_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0
    assert json.loads(FILE.read_text()) == SCHEMA
    other = tmp_path / "workflow.schema.json"
    assert main(["--check"], other) == 1
    assert main([], other) == 0
    assert other.read_text() == FILE.read_text()


@pytest.mark.rule("WF-40")
async def test_the_engine_serves_it(environment: dict[str, str]) -> None:
    async with api_of(environment) as api:
        answer = await api.call("GET", "/../../../../workflow.schema.json", role=Role.VIEWER)
    assert (answer.status_code, answer.json()) == (200, SCHEMA)
