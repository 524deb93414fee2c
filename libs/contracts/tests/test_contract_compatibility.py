"""The check that stops a change which old readers, or old writers, could not live with."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fettle_contracts.compatibility import breaks
from fettle_contracts.generate import MEMBER, REPOSITORY, broken_readers, edited_examples, main, read_schemas
from fettle_contracts.schemas import all_schemas

Change = Callable[[dict[str, Any]], object]

OLD: dict[str, Any] = {
    "$defs": {
        "State": {"enum": ["open", "resolved"], "type": "string"},
        "Subject": {
            "type": "object",
            "properties": {"id": {"type": "string", "maxLength": 200}, "name": {"type": "string"}},
            "required": ["id"],
        },
    },
    "type": "object",
    "properties": {
        "org": {"type": "string"},
        "state": {"$ref": "#/$defs/State"},
        "subject": {"$ref": "#/$defs/Subject"},
        "space": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "count": {"type": "integer", "minimum": 0, "default": 0},
        "labels": {"type": "array", "items": {"$ref": "#/$defs/Subject"}, "maxItems": 10},
        "evidence": {"type": "object", "additionalProperties": True},
    },
    "required": ["org", "state", "subject"],
}


def _renamed(schema: dict[str, Any]) -> None:
    schema["properties"]["area"] = schema["properties"].pop("space")


def _new_required(schema: dict[str, Any]) -> None:
    schema["properties"]["region"] = {"type": "string"}
    schema["required"].append("region")


def _null_allowed(schema: dict[str, Any]) -> None:
    schema["properties"]["org"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}


def _subject_id(schema: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schema["$defs"]["Subject"]["properties"]["id"]
    return found


BREAKING: list[tuple[str, Change, str, str]] = [
    ("removed", lambda s: s["properties"].pop("count"), "count", "gone"),
    ("removed inside", lambda s: s["$defs"]["Subject"]["properties"].pop("name"), "subject.name", "gone"),
    ("renamed", _renamed, "space", "gone"),
    ("newly required", lambda s: s["required"].append("count"), "count", "new readers need this field"),
    ("new and required", _new_required, "region", "new readers need this field"),
    ("no longer always there", lambda s: s["required"].remove("org"), "org", "old readers need this field"),
    ("enum narrowed", lambda s: s["$defs"]["State"]["enum"].remove("open"), "state", "new readers do not take"),
    ("enum widened", lambda s: s["$defs"]["State"]["enum"].append("merged"), "state", "old readers do not take"),
    ("enum instead of text", lambda s: s["properties"]["org"].update(enum=["acme"]), "org", "take only acme"),
    ("type changed", lambda s: s["properties"].update(org={"type": "integer"}), "org", "do not take"),
    ("type narrowed", lambda s: s["properties"].update(space={"type": "string"}), "space", "do not take null"),
    ("any instead of a type", lambda s: s["properties"].update(org={}), "org", "old readers do not take any value"),
    ("null allowed", _null_allowed, "org", "null"),
    ("limit lowered", lambda s: _subject_id(s).update(maxLength=20), "subject.id", "maxLength 20"),
    ("limit raised", lambda s: _subject_id(s).update(maxLength=900), "subject.id", "maxLength 200"),
    ("minimum raised", lambda s: s["properties"]["count"].update(minimum=1), "count", "minimum 1"),
    ("list shortened", lambda s: s["properties"]["labels"].update(maxItems=5), "labels", "maxItems 5"),
    ("items changed", lambda s: s["properties"]["labels"].update(items={"type": "string"}), "labels[]", "do not take"),
    ("pattern added", lambda s: s["properties"]["org"].update(pattern="^a"), "org", "pattern ^a"),
    ("default changed", lambda s: s["properties"]["count"].update(default=1), "count", "absent meant 0"),
    ("open object closed", lambda s: s["properties"].update(evidence={"type": "array"}), "evidence", "do not take"),
]  # fmt: skip

SAFE: list[tuple[str, Change]] = [
    ("nothing", lambda s: None),
    ("a new optional field", lambda s: s["properties"].update(region={"type": "string"})),
    ("a new optional field inside", lambda s: s["$defs"]["Subject"]["properties"].update(model={"type": "string"})),
    ("a definition renamed", lambda s: _rename_definition(s)),
    ("other words", lambda s: s.update(description="Other words.")),
]


def _rename_definition(schema: dict[str, Any]) -> None:
    schema["$defs"]["Status"] = schema["$defs"].pop("State")
    schema["properties"]["state"] = {"$ref": "#/$defs/Status"}


def _changed(change: Change) -> dict[str, Any]:
    new = copy.deepcopy(OLD)
    change(new)
    return new


@pytest.mark.rule("KF-7")
@pytest.mark.parametrize(("change", "path", "message"), [row[1:] for row in BREAKING], ids=[row[0] for row in BREAKING])
def test_a_breaking_change_is_found_where_it_is(change: Change, path: str, message: str) -> None:
    found = breaks(OLD, _changed(change))
    assert any(one.path == path and message in one.message for one in found), found


@pytest.mark.rule("KF-7")
@pytest.mark.parametrize("change", [row[1] for row in SAFE], ids=[row[0] for row in SAFE])
def test_an_additive_change_passes(change: Change) -> None:
    assert breaks(OLD, _changed(change)) == ()


@pytest.mark.rule("KF-7")
def test_the_present_messages_can_live_with_the_baseline() -> None:
    baseline = read_schemas(MEMBER / "baseline")
    assert baseline.keys() == all_schemas().keys()
    assert list(broken_readers(baseline, all_schemas())) == []


@pytest.mark.rule("KF-7")
def test_a_message_that_is_gone_is_a_break() -> None:
    present = all_schemas()
    assert "fettle.org.v1 is gone" in next(
        broken_readers({"fettle.org.v1": present["fettle.org.v1"]}, {}), "nothing found"
    )


@pytest.fixture
def member(tmp_path: Path) -> Path:
    """A copy of the package's recorded files in a checkout of its own."""
    copied = tmp_path / "libs" / "contracts"
    for folder in ("schemas", "baseline", "examples"):
        for path in (MEMBER / folder).rglob("*"):
            if path.is_file():
                target = copied / path.relative_to(MEMBER)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    return copied


@pytest.mark.rule("KF-7")
def test_generating_refuses_what_the_baseline_cannot_live_with(
    member: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = member / "baseline" / "fettle.org.v1.json"
    schema = json.loads(path.read_text())
    schema["properties"]["plan"] = {"type": "string"}
    path.write_text(json.dumps(schema))
    before = (member / "schemas" / "fettle.org.v1.json").read_bytes()
    assert main([], member, tmp_path) == 1
    assert "fettle.org.v1: plan: the field is gone" in capsys.readouterr().err
    assert (member / "schemas" / "fettle.org.v1.json").read_bytes() == before


@pytest.mark.rule("KF-7")
def test_check_says_what_is_out_of_date_and_generating_puts_it_right(
    member: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (member / "schemas" / "fettle.org.v1.json").write_text("{}")
    (member / "schemas" / "fettle.gone.v1.json").write_text("{}")
    assert main(["--check"], member, tmp_path) == 1
    said = capsys.readouterr().err
    for name in ("fettle.org.v1.json", "fettle.gone.v1.json", "asyncapi.json", "codes.md"):
        assert name in said
    assert main([], member, tmp_path) == 0
    assert main(["--check"], member, tmp_path) == 0
    assert (tmp_path / "docs" / "asyncapi.json").read_bytes() == (REPOSITORY / "docs" / "asyncapi.json").read_bytes()


@pytest.mark.rule("KF-6")
def test_an_edited_or_deleted_golden_example_is_found(member: Path) -> None:
    examples = member / "examples"
    edited = examples / "fettle.org.v1" / "created.json"
    edited.write_text(edited.read_text().replace("Acme", "Acme & Sons"))
    (examples / "fettle.org.v1" / "deleted.json").unlink()
    assert list(edited_examples(examples)) == [
        "fettle.org.v1/created.json was edited; golden examples are added, never changed",
        "fettle.org.v1/deleted.json is gone; golden examples stay as long as their version lives",
    ]
