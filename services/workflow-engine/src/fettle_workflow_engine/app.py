"""The engine, wired."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI

from fettle_chassis.consume import Consumers, Subscription
from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.http import HttpServer, http_app
from fettle_chassis.relay import Relay
from fettle_chassis.service import Service
from fettle_chassis.signing import Signer, Verifier
from fettle_chassis.slots import Slot
from fettle_chassis.told_orgs import OrgDecoder
from fettle_chassis.topics import Topics
from fettle_contracts.hooks import HOOK_MAX_BYTES, HOOK_PATH
from fettle_contracts.times import to_milliseconds
from fettle_contracts.topics import COMMANDS, EVENTS, ORGS, RESULTS, SIGNALS, TRANSITIONS
from fettle_workflow_engine.adapters.command_events import CommandWriter
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.definitions import Definitions
from fettle_workflow_engine.adapters.forgetting import Forgetting
from fettle_workflow_engine.adapters.hook_keys import HookKeys
from fettle_workflow_engine.adapters.past_events import PastEvents
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.adapters.tickets import Tickets
from fettle_workflow_engine.adapters.vault import Resealing
from fettle_workflow_engine.domain.calls import Caller
from fettle_workflow_engine.domain.catalogue import SIGNAL, TRANSITION
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.emptying import Emptying
from fettle_workflow_engine.entrypoints.digests import Digests
from fettle_workflow_engine.entrypoints.http import (
    channels,
    hooks,
    manual,
    policy,
    run_acts,
    runs,
    schema,
    secrets,
    shown,
    trying,
    versions,
    workflows,
)
from fettle_workflow_engine.entrypoints.http.desk import Desk
from fettle_workflow_engine.entrypoints.http.documented import WORDS
from fettle_workflow_engine.entrypoints.kafka_results import ResultDecoder
from fettle_workflow_engine.entrypoints.kafka_tickets import decode_sighting
from fettle_workflow_engine.entrypoints.kafka_transitions import decode_transition
from fettle_workflow_engine.entrypoints.kafka_triggers import TRIGGER_TOPICS, decode_trigger, identity_of
from fettle_workflow_engine.entrypoints.lookout import Lookout
from fettle_workflow_engine.entrypoints.outside import OutsideCalls
from fettle_workflow_engine.entrypoints.schedules import Schedules
from fettle_workflow_engine.entrypoints.signals import decode_signal
from fettle_workflow_engine.entrypoints.timers import Timers
from fettle_workflow_engine.handler import Engine
from fettle_workflow_engine.hooking import Hooks
from fettle_workflow_engine.interventions import Interventions
from fettle_workflow_engine.library import Library, OrgGone
from fettle_workflow_engine.orgs import Orgs
from fettle_workflow_engine.outlets import Outlets, build_outlets
from fettle_workflow_engine.progress import Progress
from fettle_workflow_engine.scheduling import Scheduler
from fettle_workflow_engine.settings import WorkflowSettings
from fettle_workflow_engine.trying import Decode, Trying

NAME = "workflow-engine"

DECODERS: Mapping[str, tuple[str, Decode]] = {
    **{topic: (topic, decode_trigger) for topic in TRIGGER_TOPICS},
    SIGNALS: (SIGNAL, decode_signal),
    TRANSITIONS: (TRANSITION, decode_transition),
}
"""The topics that start runs, by the triggers that they are for."""


def build_app(settings: WorkflowSettings, caller: Caller | None = None) -> Service:
    """Triggers, results and changes of tickets by Kafka, workflows, runs and hooks by HTTP, schedules, waits and
    timeouts by the clock, calls to what is outside by `caller`, or as they are made in earnest."""
    service = Service(NAME)
    database = Database(settings.database_dsn("workflows"))
    slot = Slot(NAME, settings, database)
    languages = Languages(JinjaTemplates(), CelConditions())
    definitions = Definitions(languages)
    progress = Progress(CommandWriter(Signer(settings.signing_keys)), languages)
    engine = Engine(definitions, languages, progress, now)

    interventions = Interventions(definitions, languages, progress, now)
    library = Library(definitions, languages, now)
    desk = Desk(database, library, interventions, now, engine)
    outlets, lookout = build_outlets(settings, database, now), Lookout(database, now)
    http = build_api(service, settings, desk, outlets)
    service.add(
        DatabasePart(database, "fettle_workflow_engine"),
        Topics(settings, *TRIGGER_TOPICS, SIGNALS, TRANSITIONS, EVENTS, RESULTS, COMMANDS, ORGS),
        slot,
        Consumers(settings, database, slot, *_subscriptions(settings, engine, library)),
        lookout,
        Timers(database, engine, lookout),
        Schedules(database, Scheduler(engine, now), lookout),
        Forgetting(database, now),
        Emptying(database),
        Resealing(database, outlets.box, on=bool(settings.secret_keys)),
        Digests(database, outlets.senders, now, lookout),
        OutsideCalls(database, engine, caller or outlets.callers, lambda: slot.instance_id, now, lookout),
        Relay(database, settings),
        HttpServer(http, settings.http_host, settings.workflows_port),
    )
    return service


def _subscriptions(settings: WorkflowSettings, engine: Engine, library: Library) -> tuple[Subscription[Any], ...]:
    """What the engine reads of Kafka."""
    orgs = Subscription(
        name=f"{NAME}.orgs",
        topics=(ORGS,),
        decode=OrgDecoder(Verifier(settings.signing_keys)),
        handle=Orgs(library).handle,
        max_records=50,  # of new orgs each has documents to be saved
    )
    triggers = Subscription(
        name=f"{NAME}.triggers",
        topics=TRIGGER_TOPICS,
        decode=decode_trigger,
        handle=engine.take_events,
        identity=identity_of,
        max_records=500,  # most of them start nothing
    )
    signals = Subscription(
        name=f"{NAME}.signals",
        topics=(SIGNALS,),
        decode=decode_signal,
        handle=engine.take_events,
        identity=identity_of,
        max_records=50,  # of up to 256 KiB each
    )
    transitions = Subscription(
        name=f"{NAME}.transitions",
        topics=(TRANSITIONS,),
        decode=decode_transition,
        handle=engine.take_events,
        identity=identity_of,
    )
    results = Subscription(
        name=f"{NAME}.results",
        topics=(RESULTS,),
        decode=ResultDecoder(settings.console_url),
        handle=engine.take_results,
    )
    tickets = Subscription(
        name=f"{NAME}.tickets",
        topics=(EVENTS,),
        decode=decode_sighting,
        handle=engine.take_tickets,
        max_records=500,
    )
    return orgs, triggers, signals, transitions, results, tickets


def build_api(service: Service, settings: WorkflowSettings, desk: Desk, outlets: Outlets | None = None) -> FastAPI:
    """The routes alone, at a desk."""
    outlets = outlets or build_outlets(settings, desk.database, desk.clock)
    http = http_app(service, settings, title="Fettle workflows", larger={HOOK_PATH: HOOK_MAX_BYTES}, words=WORDS)
    http.state.desk = desk
    http.state.secret_box, http.state.notify = outlets.box, outlets.notify
    http.add_exception_handler(OrgGone, shown.no_such_org)
    http.state.hooks = Hooks(desk.database, HookKeys(settings.signing_keys), desk.clock)
    languages = Languages(JinjaTemplates(), CelConditions())  # drafts do not push out what live workflows keep compiled
    http.state.trying = Trying(PastEvents(settings), DECODERS, languages, desk.clock, settings.console_url)
    http.state.tickets = Tickets(settings.tickets_address, settings.signing_keys, now)
    for routes in (workflows, versions, runs, run_acts, manual, hooks, policy, secrets, channels, trying, schema):
        http.include_router(routes.router)
    return http


def now() -> datetime:
    """The clock of this service, cut to the milliseconds that messages carry."""
    return to_milliseconds(datetime.now(UTC))
