"""Golden examples, the schemas that are committed, and what tolerant readers take and refuse."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from fettle_contracts.commands import COMMANDS, Verb, verb_of
from fettle_contracts.generate import MEMBER, edited_examples, main, recorded_digests
from fettle_contracts.heartbeat import STATUSES, Heartbeat, HeartbeatRefused, check_heartbeat
from fettle_contracts.identity import SubjectType
from fettle_contracts.message import Unreadable
from fettle_contracts.orgs import Org
from fettle_contracts.registry import MESSAGES
from fettle_contracts.ticket_events import TRIGGERS, EntryType
from fettle_contracts.topics import COMMANDS as COMMANDS_TOPIC
from fettle_contracts.topics import EVENTS, HEARTBEATS, ORGS, TOPICS

EXAMPLES = sorted((MEMBER / "examples").glob("*/*.json"))


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


@pytest.mark.rule("KF-6")
def test_every_message_type_has_a_golden_example() -> None:
    assert {path.parent.name for path in EXAMPLES} == set(MESSAGES)


@pytest.mark.rule("KF-6")
@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_a_golden_example_parses_and_comes_out_with_nothing_lost(path: Path) -> None:
    model = MESSAGES[path.parent.name]
    read = model.from_json(path.read_bytes())
    assert model.from_json(read.to_json()) == read
    written = json.loads(read.to_json())
    assert written | json.loads(path.read_text()) == written


@pytest.mark.rule("KF-6")
@pytest.mark.parametrize("path", EXAMPLES, ids=_name)
def test_a_golden_example_fits_the_committed_schema_as_read_and_as_rewritten(path: Path) -> None:
    schema = json.loads((MEMBER / "schemas" / f"{path.parent.name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=FormatChecker())
    validator.validate(json.loads(path.read_text()))
    validator.validate(MESSAGES[path.parent.name].from_json(path.read_bytes()).to_dict())


@pytest.mark.rule("KF-6")
def test_every_golden_example_is_on_record_and_unedited() -> None:
    assert set(recorded_digests(MEMBER / "examples")) == {f"{_name(path)}.json" for path in EXAMPLES}
    assert list(edited_examples(MEMBER / "examples")) == []


@pytest.mark.rule("KF-7")
def test_everything_derived_is_what_the_models_say() -> None:
    assert main(["--check"]) == 0


@pytest.mark.rule("KF-8")
def test_readers_ignore_fields_that_they_do_not_know() -> None:
    assert Heartbeat.from_json(b'{"status": "ok", "battery": 0.7}') == Heartbeat()


@pytest.mark.rule("KF-8")
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"{", "is not JSON"),
        (b"[]", "must be an object"),
        (b'{"status": "fine"}', "status: must be 'ok', 'offline', 'unreachable' or 'credentials_invalid'"),
        (b'{"interval_s": 0}', "interval_s: must be at least 1"),
        (b'{"interval_s": 86401}', "interval_s: must be at most 86400"),
        (b'{"interval_s": "30"}', "interval_s: must be a number"),
        (b'{"status": 5}', "status: must be text"),
        (b'{"name": "a\\u0000"}', "name: must have no control characters"),
        (b'{"name": 17}', "name: must be text"),
    ],
)
def test_what_is_wrong_is_said_in_plain_words(value: bytes, reason: str) -> None:
    with pytest.raises(Unreadable) as refused:
        Heartbeat.from_json(value)
    assert reason in refused.value.message


@pytest.mark.rule("KF-8")
@pytest.mark.parametrize("at", [b'"noon"', b"17", b'"2026-11-24T00:00:00"'])
def test_a_time_that_is_none_is_said_in_plain_words(at: bytes) -> None:
    with pytest.raises(Unreadable) as refused:
        Org.from_json(b'{"org": "acme", "name": "Acme", "created_at": ' + at + b"}")
    assert "created_at: " in refused.value.message
    assert "time" in refused.value.message


@pytest.mark.rule("HM-12")
def test_a_senders_notes_are_never_a_fault_of_its_heartbeat() -> None:
    said = {"at": "noon", "seq": 1.5, "reason": ["x"]}
    assert check_heartbeat(SubjectType.DEVICE, said) == Heartbeat()


@pytest.mark.rule("HM-30", "HM-31")
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"name": "n" * 201}, "field_invalid"),
        ({"space": "s" * 501}, "field_invalid"),
        ({"model": "\x00"}, "field_invalid"),
        ({"integration": "å" * 101}, "field_invalid"),
        ({"interval_s": True}, "field_invalid"),
        ({"interval_s": float("nan")}, "field_invalid"),
        ({"interval_s": 86_400.5}, "interval_out_of_range"),
        ({"status": "unreachable"}, "status_invalid"),
        ({"status": "fine", "interval_s": 0, "name": 5}, "field_invalid"),
        ({"status": "fine", "interval_s": 0}, "interval_out_of_range"),
        ({"status": "fine", "integration": "å" * 101}, "status_invalid"),
    ],
)
def test_a_heartbeat_is_refused_with_the_code_of_what_the_judge_comes_upon_first(
    said: dict[str, Any], code: str
) -> None:
    with pytest.raises(HeartbeatRefused) as caught:
        check_heartbeat(SubjectType.DEVICE, said)
    assert caught.value.code == code
    assert caught.value.message.startswith(caught.value.field)


@pytest.mark.rule("HM-30")
def test_a_heartbeat_may_say_nothing_and_may_fill_every_limit() -> None:
    said = {"status": None, "integration": "", "interval_s": 30.5, "name": "n" * 200, "space": "s" * 500}
    assert check_heartbeat(SubjectType.DEVICE, said).interval_s == 30.5


def test_only_devices_and_integrations_have_statuses() -> None:
    assert {kind.value for kind in STATUSES} == {"device", "integration"}


@pytest.mark.rule("KF-9")
@pytest.mark.parametrize("verb", Verb)
def test_the_verb_stands_in_the_type(verb: Verb) -> None:
    assert verb_of(f"fettle.ticket.command.{verb.value}.v1") is verb
    assert verb in COMMANDS


@pytest.mark.rule("KF-9")
@pytest.mark.parametrize(
    "ce_type",
    ["fettle.ticket.command.close.v1", "fettle.ticket.command.open.v2", "open", "", "fettle.ticket.opened.v1"],
)
def test_an_unknown_verb_is_unreadable_and_says_which_there_are(ce_type: str) -> None:
    with pytest.raises(Unreadable, match="move-to-open") as refused:
        verb_of(ce_type)
    assert refused.value.code == "verb_unknown"


@pytest.mark.rule("KF-9")
def test_a_command_names_its_ticket_in_exactly_one_way() -> None:
    for ticket in ('{"number": 42, "dedup_key": "x"}', "{}"):
        command = f'{{"org": "acme", "actor": {{"type": "user"}}, "ticket": {ticket}}}'
        with pytest.raises(Unreadable, match="ticket: names exactly one of id, number, dedup_key"):
            COMMANDS[Verb.START].from_json(command.encode())


@pytest.mark.rule("KF-9")
def test_what_the_ticket_service_refuses_is_readable_here() -> None:
    """A refusal must reach the sender as a result; a dead letter would not."""
    subject = '"subject": {"type": "other", "id": "x"}'
    for title in ("", "x" * 10_000):
        command = f'{{"org": "No Org", "actor": {{"type": "user"}}, "title": "{title}", {subject}}}'
        assert COMMANDS[Verb.OPEN].from_json(command.encode()).org == "No Org"


@pytest.mark.rule("KF-10")
def test_every_event_type_has_its_names_and_the_five_triggers_their_topics() -> None:
    assert set(TOPICS[EVENTS].messages) == {entry.ce_type for entry in EntryType}
    for entry in EntryType:
        assert entry.trigger_topic == (f"ticket.{entry.value}" if entry in TRIGGERS else None)
    for entry in TRIGGERS:
        assert TOPICS[f"ticket.{entry.value}"].messages == (entry.ce_type,)


@pytest.mark.rule("KF-10")
def test_the_table_of_topics() -> None:
    assert TOPICS[HEARTBEATS].timestamp_required
    assert TOPICS[HEARTBEATS].partitions_fixed
    assert TOPICS[HEARTBEATS].config()["message.timestamp.type"] == "LogAppendTime"
    assert TOPICS[COMMANDS_TOPIC].config()["retention.ms"] == str(7 * 86_400_000)
    assert TOPICS[ORGS].config()["cleanup.policy"] == "compact"
    assert "retention.ms" not in TOPICS[ORGS].config()
    for name, topic in TOPICS.items():
        assert topic.name == name
        assert set(topic.messages) <= set(MESSAGES)
        if topic.dlq is not None:
            assert (topic.dlq, TOPICS[topic.dlq].partitions) == (f"{name}.dlq", 1)
            assert TOPICS[topic.dlq].retention_days == 30
