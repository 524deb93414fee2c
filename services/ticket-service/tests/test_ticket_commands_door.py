"""Who may say what on `ticket.commands`: dead letters, refusals, and what passes."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ticket_api import Api
from ticket_desk import NOON
from ticket_door import Door

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_chassis.signing import Signer, SigningKey, Verifier
from fettle_contracts.cloudevents import CloudEvent, to_binary, to_structured
from fettle_contracts.commands import Verb
from fettle_contracts.identity import SubjectType
from fettle_contracts.message import Unreadable
from fettle_contracts.times import to_ms
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain.commands import Open, Reopen, Resolve, Start, UpdateChecklist
from fettle_ticket_service.domain.values import Subject, TicketRef
from fettle_ticket_service.entrypoints.kafka_commands import CommandDecoder

KEY = SigningKey("k1", b"a" * 32)
DECODE = CommandDecoder(Verifier([KEY]), lambda: NOON)
USER = {"type": "user", "id": "ann@acme.test", "name": "Ann"}
MONITOR = {"type": "health_monitor"}
SUBJECT = {"type": "other", "id": "lift-3"}
ON_42 = {"ticket": {"number": 42}}


def command(verb: Verb = Verb.OPEN, **data: Any) -> CloudEvent:
    body: dict[str, Any] = {"org": "acme", "actor": USER, **data}
    if verb is Verb.OPEN:
        body = {"title": "Noise", "subject": SUBJECT, **body}
    text = json.dumps(body).encode()
    return CloudEvent(id="c-1", source="tests", type=verb.ce_type, time=NOON, data=text, key="acme")


def but(event: CloudEvent, **changes: Any) -> CloudEvent:
    return CloudEvent(**{**{name: getattr(event, name) for name in CloudEvent.__slots__}, **changes})


def signed(event: CloudEvent) -> CloudEvent:
    return Signer([KEY]).sign_event(event)


def record(event: CloudEvent, write: Callable[[CloudEvent], tuple[Any, bytes]] = to_binary) -> Record:
    headers, value = write(event)
    key = None if event.key is None else event.key.encode()
    return Record("ticket.commands", 0, 7, to_ms(NOON), key, value, tuple(headers))


def read(event: CloudEvent) -> Asked:
    return DECODE(record(event))


def dead_letter(event: CloudEvent) -> str:
    try:
        read(event)
    except (BadRecord, Unreadable) as error:
        return error.code
    raise AssertionError("the command was read")


@pytest.mark.rule("TS-32")
def test_a_persons_command_needs_no_signature() -> None:
    asked = read(but(command(Verb.START, **ON_42, comment="On it."), causation_depth=3))
    assert asked.identity == ("acme", "tests", "c-1")
    assert isinstance(asked.command, Start)
    assert (asked.command.comment, asked.ticket) == ("On it.", TicketRef(number=42))
    assert (asked.refused, asked.depth, asked.keep_answer, asked.from_outside) == (None, 3, False, True)


@pytest.mark.rule("TS-32")
def test_structured_events_are_understood_too() -> None:
    event = command(Verb.COMMENT, **ON_42, comment="Hello")
    assert DECODE(record(event, to_structured)).command == read(event).command


@pytest.mark.rule("TS-33")
@pytest.mark.parametrize("actor", [MONITOR, {"type": "workflow", "id": "alert"}])
@pytest.mark.parametrize("source", ["fettle/health-monitor", "stranger"])
def test_the_monitors_and_workflows_commands_need_a_signature(actor: dict[str, str], source: str) -> None:
    event = but(command(actor=actor), source=source)
    assert dead_letter(event) == "unsigned"
    assert read(signed(event)).refused is None


@pytest.mark.rule("TS-33")
def test_a_signature_counts_only_for_what_was_signed_lately_with_our_key() -> None:
    event = command(actor=MONITOR)
    assert dead_letter(but(signed(event), id="c-2")) == "bad_signature"
    assert dead_letter(but(signed(event), data=event.data + b" ")) == "bad_signature"
    assert dead_letter(Signer([SigningKey("k2", b"b" * 32)]).sign_event(event)) == "unknown_key"
    assert dead_letter(signed(but(event, time=NOON - timedelta(days=7, seconds=1)))) == "stale"
    assert dead_letter(but(command(), signature="k1:nonsense")) == "bad_signature"


@pytest.mark.rule("TS-31")
def test_a_source_of_fettles_own_is_refused_without_a_signature() -> None:
    event = but(command(), source="fettle/api")
    refused = read(event).refused
    assert refused is not None
    assert refused.code == "source_reserved"
    assert read(signed(event)).refused is None


@pytest.mark.rule("TS-31")
def test_a_source_that_is_only_claimed_is_refused_before_anything_else() -> None:
    """Whoever waits for results of that source can tell by this code that the command was not its own."""
    refused = read(but(command(), source="fettle/workflow-engine/x", key="globex")).refused
    assert refused is not None
    assert refused.code == "source_reserved"


@pytest.mark.rule("TS-31")
@pytest.mark.parametrize("key", ["globex", None, "acme/1"])
def test_a_key_that_is_not_the_org_is_refused_also_when_signed(key: str | None) -> None:
    for event in (but(command(), key=key), signed(but(command(), key=key))):
        refused = read(event).refused
        assert refused is not None
        assert refused.code == "org_mismatch"


@pytest.mark.rule("TS-34")
@pytest.mark.parametrize(
    ("verb", "field"),
    [
        (Verb.OPEN, {"integration": "hue-1"}),
        (Verb.OPEN, {"flap_count": 3}),
        (Verb.OPEN, {"parent": {"number": 1}}),
        (Verb.OPEN, {"at": "2026-11-23T12:00:00Z"}),
        (Verb.OPEN, {"evidence": {"last_heard": "…"}}),
        (Verb.RESOLVE, {**ON_42, "resolution": "merged"}),
        (Verb.RESOLVE, {**ON_42, "parent": {"number": 1}}),
        (Verb.REOPEN, {**ON_42, "flap_count": 1}),
    ],
)
def test_fields_of_signed_commands_are_refused_in_others(verb: Verb, field: dict[str, Any]) -> None:
    refused = read(command(verb, **field)).refused
    assert refused is not None
    assert refused.code == "field_reserved"
    assert read(signed(command(verb, **field))).refused is None


@pytest.mark.rule("TS-34")
def test_a_person_may_name_a_key() -> None:
    asked = read(command(dedup_key="lift-3"))
    assert asked.refused is None
    assert isinstance(asked.command, Open)
    assert asked.command.dedup_key == "lift-3"


@pytest.mark.rule("TS-34")
def test_the_monitors_counts_and_resolutions_arrive() -> None:
    resolve = read(signed(command(Verb.RESOLVE, actor=MONITOR, **ON_42, resolution="merged"))).command
    reopen = read(signed(command(Verb.REOPEN, actor=MONITOR, **ON_42, flap_count=4))).command
    by_person = read(command(Verb.REOPEN, **ON_42)).command
    assert isinstance(resolve, Resolve)
    assert resolve.resolution == "merged"
    assert isinstance(reopen, Reopen)
    assert reopen.flap_count == 4
    assert isinstance(by_person, Reopen)
    assert by_person.flap_count is None


@pytest.mark.rule("TS-54")
def test_a_checklist_is_updated_by_whoever_has_our_key() -> None:
    add = [{"type": "device", "id": "t18", "name": "n" * 300}]
    members = {"add": add, "recovered": [{"type": "device", "id": "t1"}]}
    for actor in (USER, MONITOR):
        assert dead_letter(command(Verb.UPDATE_CHECKLIST, actor=actor, **ON_42, **members)) == "unsigned"
    event = signed(command(Verb.UPDATE_CHECKLIST, actor=MONITOR, **ON_42, **members))
    asked = read(event)
    assert asked.refused is None
    assert isinstance(asked.command, UpdateChecklist)
    assert asked.ticket == TicketRef(number=42)
    assert asked.command.add == (Subject(SubjectType.DEVICE, "t18", "n" * 199 + "…"),)
    assert asked.command.recovered == (Subject(SubjectType.DEVICE, "t1"),)
    assert dead_letter(but(event, data=event.data.replace(b"t18", b"t19"))) == "bad_signature"


@pytest.mark.rule("TS-54")
def test_more_than_five_hundred_members_are_too_many_at_once() -> None:
    some = [{"type": "device", "id": f"t{number}"} for number in range(501)]
    for field in ("add", "recovered"):
        assert dead_letter(signed(command(Verb.UPDATE_CHECKLIST, **ON_42, **{field: some}))) == "unreadable"
        assert read(signed(command(Verb.UPDATE_CHECKLIST, **ON_42, **{field: some[:500]}))).refused is None


@pytest.mark.rule("TS-34")
def test_the_parent_that_a_signed_command_names_arrives() -> None:
    parent = {"dedup_key": "integration/hue-1:multiple_devices_offline"}
    resolve = read(signed(command(Verb.RESOLVE, actor=MONITOR, **ON_42, resolution="merged", parent=parent))).command
    opened = read(signed(command(actor=MONITOR, parent=parent))).command
    assert isinstance(resolve, Resolve)
    assert isinstance(opened, Open)
    assert resolve.parent == opened.parent == TicketRef(key=parent["dedup_key"])


@pytest.mark.rule("TS-33")
@pytest.mark.parametrize(
    ("event", "code"),
    [
        (but(command(), data=b"not json"), "unreadable"),
        (but(command(), data=b"[]"), "unreadable"),
        (but(command(), data=b""), "unreadable"),
        (command(actor={"type": "wizard"}), "unreadable"),
        (command(subject={"type": "other", "id": ""}), "unreadable"),
        (command(Verb.START), "unreadable"),
        (command(Verb.START, ticket={}), "unreadable"),
        (command(Verb.START, ticket={"number": 1, "dedup_key": "k"}), "unreadable"),
        (command(Verb.COMMENT, **ON_42), "unreadable"),
        (but(command(), type="fettle.ticket.command.explode.v1"), "verb_unknown"),
        (but(command(), type="something.else"), "verb_unknown"),
        (command(Verb.UPDATE_CHECKLIST, **ON_42), "unsigned"),
        (but(signed(command(Verb.UPDATE_CHECKLIST, **ON_42)), data=b'{"org": "acme"}'), "unreadable"),
        (but(command(), id="x" * 257), "field_invalid"),
        (but(command(), id="nul\x00"), "field_invalid"),
        (but(command(), source="x" * 257), "field_invalid"),
        (but(command(org="o" * 257), key="o" * 257), "field_invalid"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter(event: CloudEvent, code: str) -> None:
    assert dead_letter(event) == code


@pytest.mark.rule("TS-20")
def test_names_that_are_only_shown_are_cut_to_fit() -> None:
    long, actor = "n" * 300, {"type": "user", "id": "ann", "name": "two\nlines"}
    asked = read(command(actor=actor, subject={**SUBJECT, "name": long}, space=long * 2))
    assert isinstance(asked.command, Open)
    assert asked.command.subject.name == "n" * 199 + "…"
    assert asked.command.actor.name == "two\N{REPLACEMENT CHARACTER}lines"
    assert asked.command.space == "n" * 499 + "…"


@pytest.mark.rule("TS-20")
def test_an_incident_is_not_missed_for_a_long_name() -> None:
    title = "Device offline: " + "n" * 300
    monitors = read(signed(command(actor=MONITOR, title=title))).command
    persons = read(command(title=title)).command
    assert isinstance(monitors, Open)
    assert isinstance(persons, Open)
    assert (len(monitors.title), monitors.title[-1]) == (200, "…")
    assert persons.title == title


@pytest.mark.rule("TS-1")
def test_a_fingerprint_tells_commands_apart_by_what_they_ask() -> None:
    first, again = read(command()), read(command())
    assert first.fingerprint == again.fingerprint
    assert first.fingerprint != read(command(title="Other")).fingerprint
    assert read(command(Verb.START, **ON_42)).fingerprint != read(command(Verb.RESOLVE, **ON_42)).fingerprint


@pytest.mark.rule("TS-69")
def test_only_what_is_signed_is_our_own_word() -> None:
    assert read(command()).from_outside
    assert not read(signed(command())).from_outside
    assert not read(signed(command(actor=MONITOR))).from_outside


@pytest.mark.rule("TS-32")
def test_a_trace_is_handed_on_if_it_is_one() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    assert read(but(command(), traceparent=trace)).traceparent == trace
    assert read(but(command(), traceparent="x" * 100_000)).traceparent is None


@pytest.mark.rule("TS-14")
def test_the_senders_time_arrives() -> None:
    asked = read(signed(command(actor=MONITOR, at="2026-11-23T11:00:00.5Z")))
    assert asked.command.at == datetime(2026, 11, 23, 11, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.rule("TS-114")
@pytest.mark.parametrize("flaps", [2**31 - 1, 2**31, 2**63, 10**30])
async def test_a_flap_count_of_any_size_holds_up_no_incident(door: Door, flaps: int) -> None:
    incident: dict[str, Any] = {"actor": MONITOR, "dedup_key": "device/t17:device_offline", "flap_count": flaps}
    assert (await door.ask_one(read(signed(command(**incident))))).outcome == "applied"
    for verb, more in ((Verb.RESOLVE, {}), (Verb.REOPEN, {"flap_count": flaps})):
        event = but(command(verb, actor=MONITOR, ticket={"number": 1}, **more), id=verb)
        assert (await door.ask_one(read(signed(event)))).outcome == "applied"
    [row] = await door.rows("SELECT flap_count FROM ticket")
    assert row.flap_count == 2**31 - 1


@pytest.mark.rule("TS-9")
async def test_a_source_that_a_command_or_request_names_counts_for_nothing(door: Door, api: Api) -> None:
    named = command(source="platform_outage", resolution="removed")
    assert read(named).command == read(command()).command
    assert (await door.ask_one(read(named))).outcome == "applied"
    body = {"title": "Noise", "subject": SUBJECT, "source": "health_monitor", "state": "resolved", "number": 7}
    assert (await api.post("/tickets", body)).status_code == 201
    items = (await api.get("/tickets", state="all"))["items"]
    assert [(item["number"], item["source"], item["state"]) for item in items] == [
        (2, "user", "open"),
        (1, "user", "open"),
    ]
