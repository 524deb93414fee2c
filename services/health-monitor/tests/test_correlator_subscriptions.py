"""Records as the correlator reads them."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from correlator_facts import T0, change
from correlator_world import own_event

from fettle_chassis.failures import BadRecord
from fettle_chassis.records import Record
from fettle_chassis.signing import Signer, SigningKey, Verifier
from fettle_chassis.told_orgs import OrgDecoder
from fettle_contracts.cloudevents import CloudEvent, to_binary
from fettle_contracts.message import Unreadable
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.people import ActorType
from fettle_contracts.results import COMMAND_RESULT, CommandResult, Outcome
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_health_monitor.domain import judgements
from fettle_health_monitor.entrypoints.correlator.subscriptions import (
    read_judgement,
    read_result,
    read_ticket_event,
)

KEYS = [SigningKey("k1", b"x" * 32)]
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def record(event: CloudEvent) -> Record:
    headers, value = to_binary(event)
    return Record("any", 4, 7, T0, (event.key or "").encode(), value, tuple(headers))


def bare(value: bytes | None) -> Record:
    return Record("health.judgements", 4, 7, T0, None, value, ())


def ticket_event() -> TicketEvent:
    return own_event(EntryType.RESOLVED, 5, "resolved", ActorType.USER, T0, None, 3, "device/a:b").event


def enveloped(
    event: TicketEvent, key: str, *, type: str = EntryType.RESOLVED.ce_type, causation_id: str | None = None
) -> CloudEvent:
    return CloudEvent(
        id="e1",
        source="fettle/ticket-service",
        type=type,
        time=LONG_AGO,
        data=event.to_json(),
        key=key,
        causation_id=causation_id,
    )


def test_a_judgement_is_read_with_the_partition_it_came_by() -> None:
    said = change()
    heard = read_judgement(bare(judgements.encode(said)))
    assert (heard.partition, heard.judgement) == (4, said)


@pytest.mark.rule("HM-87")
@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"kind":"change"}', b"\xff"])
def test_what_no_judge_writes_is_bad(value: bytes | None) -> None:
    with pytest.raises(BadRecord, match="unreadable"):
        read_judgement(bare(value))


def test_an_event_of_an_own_ticket_names_subject_condition_and_command() -> None:
    event = ticket_event()
    command = UUID(int=9)
    read = read_ticket_event(record(enveloped(event, f"acme/{event.ticket.id}", causation_id=str(command))))
    assert read is not None
    assert (read.subject, read.condition, read.answering) == ("device/a:b", "device_offline", command)
    assert (read.source, read.id) == ("fettle/ticket-service", "e1")


@pytest.mark.parametrize(
    "change", [{"source": "user"}, {"dedup_key": None}, {"dedup_key": "integration/hue-1:user_report"}]
)
def test_events_of_other_tickets_are_passed_over(change: dict[str, str | None]) -> None:
    event = ticket_event()
    other = TicketEvent.model_validate({**event.to_dict(), "ticket": {**event.ticket.to_dict(), **change}})
    assert read_ticket_event(record(enveloped(other, f"acme/{event.ticket.id}"))) is None


def test_kinds_of_event_that_came_later_are_passed_over() -> None:
    event = ticket_event()
    later = enveloped(event, f"acme/{event.ticket.id}", type="fettle.ticket.praised.v1")
    assert read_ticket_event(record(later)) is None


@pytest.mark.rule("HM-87")
def test_an_event_under_another_orgs_key_is_bad() -> None:
    event = ticket_event()
    with pytest.raises(BadRecord, match="key_invalid"):
        read_ticket_event(record(enveloped(event, f"other/{event.ticket.id}")))


@pytest.mark.rule("HM-87")
def test_a_result_is_read_if_it_can_answer_the_monitor() -> None:
    def result(command: str, source: str | None = "fettle/health-monitor") -> Record:
        data = CommandResult(
            org="acme", command_id=command, command_source=source, verb="open", outcome=Outcome.UNCHANGED
        ).to_json()
        return record(CloudEvent(id="r", source="s", type=COMMAND_RESULT, time=LONG_AGO, data=data, key="acme"))

    read = read_result(result(str(UUID(int=3))))
    assert read is not None
    assert read.outcome is Outcome.UNCHANGED
    assert read_result(result(str(UUID(int=3)), source=None)) is not None
    assert read_result(result(str(UUID(int=3)), source="desk")) is None
    assert read_result(result("a key of some device")) is None
    with pytest.raises(Unreadable):
        read_result(bare(b"{}"))


def test_kinds_of_answer_that_came_later_are_passed_over() -> None:
    data = CommandResult(org="acme", command_id=str(UUID(int=3)), verb="open", outcome=Outcome.UNCHANGED).to_json()
    later = CloudEvent(
        id="r", source="s", type="fettle.ticket.command.promised.v1", time=LONG_AGO, data=data, key="acme"
    )
    assert read_result(record(later)) is None


@pytest.mark.rule("HM-75")
def test_an_org_counts_however_old_its_word_is_but_only_signed() -> None:
    data = Org(org="acme", name="Acme", created_at=LONG_AGO).to_json()
    event = CloudEvent(id="o", source="fettle/console", type=ORG, time=LONG_AGO, data=data, key="acme")
    signed = Signer(KEYS).sign_event(event)
    told = OrgDecoder(Verifier(KEYS))(record(signed))
    assert told is not None
    assert (told.org.org, told.at) == ("acme", LONG_AGO)
    for bad in (event, Signer([SigningKey("k1", b"y" * 32)]).sign_event(event)):
        with pytest.raises(BadRecord):
            OrgDecoder(Verifier(KEYS))(record(bad))
