"""The two processes of this service, wired."""

from datetime import UTC, datetime, timedelta

from fastapi import FastAPI
from uuid_utils.compat import uuid7

from fettle_chassis.consume import Consumers, Subscription
from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.http import HttpServer, http_app
from fettle_chassis.relay import Relay
from fettle_chassis.service import Service
from fettle_chassis.signing import Verifier
from fettle_chassis.slots import Slot
from fettle_chassis.told_orgs import OrgDecoder
from fettle_chassis.topics import Topics
from fettle_contracts.ticket_events import TRIGGERS
from fettle_contracts.times import to_milliseconds
from fettle_contracts.topics import COMMANDS, EVENTS, ORGS, RESULTS
from fettle_ticket_service.adapters.checklist_notes import ChecklistNotes
from fettle_ticket_service.adapters.database_time import database_time
from fettle_ticket_service.adapters.forgetting import Forgetting
from fettle_ticket_service.adapters.number_log import NumberLog
from fettle_ticket_service.adapters.org_log import SUBSCRIPTION, OrgLog
from fettle_ticket_service.adapters.sweeping import Retention
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.entrypoints.http import policy, reads, verification, writes
from fettle_ticket_service.entrypoints.http.desk import Desk
from fettle_ticket_service.entrypoints.http.documented import WORDS
from fettle_ticket_service.entrypoints.kafka_commands import CommandDecoder
from fettle_ticket_service.entrypoints.kafka_orgs import handle_orgs
from fettle_ticket_service.entrypoints.together import Together
from fettle_ticket_service.handler import CommandHandler
from fettle_ticket_service.settings import TicketSettings

PACKAGE = "fettle_ticket_service"
REMEMBERED = timedelta(days=30)
TOPICS = (COMMANDS, RESULTS, EVENTS, *(f"ticket.{entry}" for entry in TRIGGERS), ORGS)


def build_app(settings: TicketSettings) -> Service:
    """Commands by Kafka and HTTP, organizations, reads."""
    service = Service("ticket-service")
    database = Database(settings.database_dsn("tickets"), any_time=True, fresh_plans=True)
    slot = Slot("ticket-service", settings, database)
    verifier = Verifier(settings.signing_keys)
    wire = Wire(settings.console_url)
    topics = Topics(settings, *TOPICS)
    org_log = OrgLog(settings, database, topics, OrgDecoder(verifier), handle_orgs)
    keys = settings.chain_keys
    handler = CommandHandler(wire, keys, now, uuid7, org_log.is_taken_in)

    together = Together(database, handler)

    # Without an identity: a repeat must reach the handler, which remembers answers, so that they are told again.
    commands = Subscription(
        name="ticket-service.commands", topics=(COMMANDS,), decode=CommandDecoder(verifier, now), handle=together.batch
    )
    orgs = Subscription(name=SUBSCRIPTION, topics=(ORGS,), decode=OrgDecoder(verifier), handle=handle_orgs)
    api = build_api(service, settings, Desk(database, together, wire, keys, uuid7))
    service.add(
        DatabasePart(database, PACKAGE),
        topics,
        NumberLog(settings, database, topics, keys),
        org_log,
        slot,
        Consumers(settings, database, slot, orgs, commands),
        ChecklistNotes(database, wire, keys, now),
        Forgetting(database, database_time, REMEMBERED),
        Retention(database, keys, database_time),
        HttpServer(api, settings.http_host, settings.tickets_port),
    )
    return service


def build_api(service: Service, settings: TicketSettings, desk: Desk) -> FastAPI:
    """The HTTP door alone."""
    api = http_app(service, settings, title="Fettle tickets", words=WORDS)
    api.state.desk = desk
    for routes in (verification, reads, writes, policy):
        api.include_router(routes.router)
    return api


def build_relay(settings: TicketSettings) -> Service:
    """Publishes what the other process has written to the outbox."""
    service = Service("ticket-service-relay")
    database = Database(settings.database_dsn("tickets"))
    service.add(
        DatabasePart(database, PACKAGE),
        Topics(settings, *TOPICS),
        Relay(database, settings),
        HttpServer(
            http_app(service, settings, title="Fettle ticket relay"), settings.http_host, settings.tickets_relay_port
        ),
    )
    return service


def now() -> datetime:
    """The clock of this service, cut to the milliseconds that messages carry."""
    return to_milliseconds(datetime.now(UTC))
