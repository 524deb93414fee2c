"""The AsyncAPI document: every public topic, every reference resolved, examples that fit its schemas."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fettle_contracts.asyncapi import document
from fettle_contracts.generate import MEMBER
from fettle_contracts.registry import MESSAGES
from fettle_contracts.topics import TOPICS

DOCUMENT = document()


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _resolve(reference: str) -> Any:
    target: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        target = target[name]
    return target


@pytest.mark.rule("KF-11")
def test_every_public_topic_is_a_channel_and_no_internal_one() -> None:
    public = {topic.name for topic in TOPICS.values() if not topic.internal}
    assert set(DOCUMENT["channels"]) == public
    assert {operation["channel"]["$ref"] for operation in DOCUMENT["operations"].values()} == {
        f"#/channels/{name}" for name in public
    }


@pytest.mark.rule("KF-11")
def test_every_reference_leads_somewhere() -> None:
    references = list(_references(DOCUMENT))
    assert len(references) > 50
    for reference in references:
        assert _resolve(reference)


@pytest.mark.rule("KF-11")
@pytest.mark.parametrize("name", ["ticket.events", "ticket.opened", "health.transitions"])
def test_fettle_sends_what_it_writes(name: str) -> None:
    assert DOCUMENT["operations"][f"send.{name}"]["action"] == "send"


@pytest.mark.rule("KF-11")
@pytest.mark.parametrize("name", ["device.heartbeats", "ticket.commands", "signals"])
def test_fettle_receives_what_others_may_write(name: str) -> None:
    assert DOCUMENT["operations"][f"receive.{name}"]["action"] == "receive"


@pytest.mark.rule("KF-11")
def test_golden_examples_fit_the_payloads() -> None:
    held = set()
    for name, message in DOCUMENT["components"]["messages"].items():
        if name not in MESSAGES:
            continue
        schema = {**message["payload"], "components": DOCUMENT["components"]}
        for path in (MEMBER / "examples" / name).glob("*.json"):
            Draft202012Validator(schema).validate(json.loads(path.read_text()))
            held.add(name)
    assert held == MESSAGES.keys() & DOCUMENT["components"]["messages"].keys()
    assert len(held) > 10


@pytest.mark.rule("KF-11")
def test_event_headers_name_their_type() -> None:
    headers = DOCUMENT["components"]["messages"]["fettle.ticket.opened.v1"]["headers"]
    assert headers["properties"]["ce_type"]["const"] == "fettle.ticket.opened.v1"
    assert "ce_id" in headers["required"]
