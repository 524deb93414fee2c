"""Which records the correlator reads, and how each becomes a message of its own.

Only `health.judgements` has the fuse of a topic that nobody else writes: others may be written by strangers, whose
records must stop nothing.
"""

from uuid import UUID

import msgspec

from fettle_chassis.failures import BadRecord
from fettle_chassis.records import Record
from fettle_chassis.signing import Verifier
from fettle_chassis.subscription import Subscription
from fettle_chassis.told_orgs import OrgDecoder, ToldOrg
from fettle_contracts.cloudevents import CloudEvent, from_record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.results import COMMAND_RESULT, CommandResult
from fettle_contracts.ticket import TicketSource
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.times import from_ms
from fettle_contracts.topics import EVENTS, JUDGEMENTS, ORGS, RESULTS
from fettle_contracts.transitions import SOURCE
from fettle_health_monitor.correlator.judgements import Judgements
from fettle_health_monitor.correlator.news import Received
from fettle_health_monitor.correlator.orgs import Orgs
from fettle_health_monitor.correlator.tickets import OwnTicketEvent, Tickets
from fettle_health_monitor.domain import judgements
from fettle_health_monitor.domain.correlator.commands import read_dedup_key

JUDGEMENTS_PER_TRANSACTION = 1_000
"""Only a backlog fills it. A batch looks at its orgs as a whole, however few changes it holds: 500 at a time cost a
storm an eighth more. Twice as many would save another twentieth, and let other orgs wait for half a second."""

ANSWERS_PER_TRANSACTION = 1_000
"""Only a burst of tickets fills it; 200 at a time took cores from the service that opens them. Of events no more are
taken at once: a thousand resolves by people, each looked at by itself, would hold their orgs for eight seconds."""

_TICKET_EVENTS = frozenset(entry.ce_type for entry in EntryType)


def judgements_subscription(handler: Judgements) -> Subscription[Received]:
    """What the judges say. Repeats are known by their places, without a row each."""
    return Subscription(
        name="health-monitor.judgements",
        topics=(JUDGEMENTS,),
        decode=read_judgement,
        handle=handler.handle,
        max_records=JUDGEMENTS_PER_TRANSACTION,
        own_topic=True,
    )


def events_subscription(handler: Tickets) -> Subscription[OwnTicketEvent]:
    """What happens to the monitor's own tickets."""
    return Subscription(
        name="health-monitor.ticket-events",
        topics=(EVENTS,),
        decode=read_ticket_event,
        handle=handler.take_events,
        identity=lambda own: (own.source, own.id),
    )


def results_subscription(handler: Tickets) -> Subscription[CommandResult]:
    """What became of commands. The state of a ticket has a version, so repeats are harmless without an inbox."""
    return Subscription(
        name="health-monitor.command-results",
        topics=(RESULTS,),
        decode=read_result,
        handle=handler.take_results,
        max_records=ANSWERS_PER_TRANSACTION,
    )


def orgs_subscription(handler: Orgs, verifier: Verifier) -> Subscription[ToldOrg]:
    """Which orgs there are."""
    return Subscription(
        name="health-monitor.orgs",
        topics=(ORGS,),
        decode=OrgDecoder(verifier),
        handle=handler.handle,
    )


def read_judgement(record: Record) -> Received:
    try:
        return Received(record.partition, judgements.decode(record.value or b""))
    except msgspec.DecodeError as error:
        raise BadRecord(DeadLetterCode.UNREADABLE, str(error)) from None


def read_ticket_event(record: Record) -> OwnTicketEvent | None:
    """None for a ticket that is not the monitor's, and for kinds of event that came later. What many devices share and
    what says that heartbeats are lost have a subject and a condition of their own."""
    envelope = _envelope(record)
    if envelope.type not in _TICKET_EVENTS:
        return None
    event = TicketEvent.from_json(envelope.data)
    _expect_key(envelope, f"{event.org}/{event.ticket.id}")
    about = read_dedup_key(event.ticket.dedup_key or "")
    if event.ticket.source is not TicketSource.HEALTH_MONITOR or about is None:
        return None
    subject, condition = about
    return OwnTicketEvent(envelope.id, envelope.source, event, subject, condition, _uuid(envelope.causation_id))


def read_result(record: Record) -> CommandResult | None:
    """None for the answer to a command that is not the monitor's, whose ids are UUIDs."""
    envelope = _envelope(record)
    if envelope.type != COMMAND_RESULT:
        return None
    result = CommandResult.from_json(envelope.data)
    return result if _uuid(result.command_id) is not None and result.answers(SOURCE) else None


def _envelope(record: Record) -> CloudEvent:
    return from_record(record.headers, record.key, record.value, received_at=from_ms(record.timestamp_ms))


def _expect_key(envelope: CloudEvent, key: str) -> None:
    if envelope.key != key:
        raise BadRecord(DeadLetterCode.KEY_INVALID, f"the key is {envelope.key!r}, but the data is about {key!r}")


def _uuid(text: str | None) -> UUID | None:
    try:
        return None if text is None else UUID(text)
    except ValueError:
        return None
