"""The correlator: one process with its API and the relay of the health monitor's outbox."""

from datetime import UTC, datetime

from fettle_chassis.consume import Consumers
from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.http import HttpServer, http_app
from fettle_chassis.relay import Relay
from fettle_chassis.service import Service
from fettle_chassis.signing import Signer, Verifier
from fettle_chassis.slots import Slot
from fettle_chassis.topics import Topics
from fettle_contracts.imports import IMPORT_MAX_BYTES, IMPORT_PATH
from fettle_contracts.topics import COMMANDS, EVENTS, HEARTBEATS, JUDGEMENTS, ORGS, RESULTS, TRANSITIONS
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.adapters.correlator.last_heard import Listeners
from fettle_health_monitor.adapters.correlator.partitions import Partitions
from fettle_health_monitor.adapters.correlator.retention import Retention
from fettle_health_monitor.adapters.judge.control_records import SignedReader
from fettle_health_monitor.correlator.bookkeeping import Bookkeeping
from fettle_health_monitor.correlator.deciding import Deciding
from fettle_health_monitor.correlator.emptying import Emptying
from fettle_health_monitor.correlator.greeting import Greeting
from fettle_health_monitor.correlator.hearing import Hearing
from fettle_health_monitor.correlator.judgements import Judgements
from fettle_health_monitor.correlator.orgs import Orgs
from fettle_health_monitor.correlator.overlooked_answers import OverlookedAnswers
from fettle_health_monitor.correlator.policies import Policies
from fettle_health_monitor.correlator.registry import Registry
from fettle_health_monitor.correlator.rounds import Rounds
from fettle_health_monitor.correlator.silences import Silences
from fettle_health_monitor.correlator.tickets import Tickets
from fettle_health_monitor.correlator.verifying import Verifying
from fettle_health_monitor.correlator.why import Why
from fettle_health_monitor.domain.correlator.clocks import Patience
from fettle_health_monitor.entrypoints.correlator.api import HealthApi
from fettle_health_monitor.entrypoints.correlator.documented import WORDS
from fettle_health_monitor.entrypoints.correlator.heard_routes import heard_routes
from fettle_health_monitor.entrypoints.correlator.import_routes import import_routes
from fettle_health_monitor.entrypoints.correlator.overview_routes import overview_routes
from fettle_health_monitor.entrypoints.correlator.policy_routes import policy_routes
from fettle_health_monitor.entrypoints.correlator.silence_routes import silence_routes
from fettle_health_monitor.entrypoints.correlator.subject_routes import subject_routes
from fettle_health_monitor.entrypoints.correlator.subscriptions import (
    events_subscription,
    judgements_subscription,
    orgs_subscription,
    results_subscription,
)
from fettle_health_monitor.entrypoints.correlator.transition_routes import transition_routes
from fettle_health_monitor.entrypoints.correlator.verify_routes import verify_routes
from fettle_health_monitor.entrypoints.correlator.why_routes import why_routes
from fettle_health_monitor.judge.replaying import Replays
from fettle_health_monitor.settings import HealthSettings

SERVICE = "health-correlator"
PACKAGE = "fettle_health_monitor"


def build_app(settings: HealthSettings) -> Service:
    """Wires the correlator. Starts nothing."""
    service = Service(SERVICE)
    database = Database(settings.database_dsn("health"))
    topics = Topics(settings, HEARTBEATS, JUDGEMENTS, ORGS, EVENTS, RESULTS, COMMANDS, TRANSITIONS)
    partitions = Partitions(topics)
    slot = Slot(SERVICE, settings, database)
    signer, verifier = Signer(settings.signing_keys), Verifier(settings.signing_keys)
    patience = Patience(round(settings.shard_patience_s * 1000), round(settings.shard_stalled_s * 1000))

    controls = ControlLog(signer, settings.topic(HEARTBEATS), partitions.shards)
    deciding = Deciding(signer, now, partitions.of_org)
    policies = Policies(controls, now)
    tickets = Tickets(deciding, partitions.of_org)
    consumers = Consumers(
        settings,
        database,
        slot,
        judgements_subscription(Judgements(deciding, Greeting(controls, now), patience, partitions.shards)),
        events_subscription(tickets),
        results_subscription(tickets),
        orgs_subscription(Orgs(policies, now), verifier),
    )

    heartbeats = settings.topic(HEARTBEATS)
    replays = Replays(settings, database, lambda partition: SignedReader(verifier, heartbeats, partition))
    listeners = Listeners(database, settings.signing_keys, within_s=settings.last_heard_within_s, now=now)
    api = HealthApi(
        database=database,
        partitions=partitions,
        controls=controls,
        policies=policies,
        registry=Registry(controls, deciding, partitions.of_org, now),
        silences=Silences(controls, partitions.of_org, now),
        listeners=listeners,
        verifying=Verifying(settings, database, replays, partitions.of_org),
        why=Why(database, replays),
        hearing=Hearing(replays),
        overviews=Rounds(),
        acknowledged_within_s=settings.acknowledged_within_s,
    )
    app = http_app(service, settings, title="Fettle health API", larger={IMPORT_PATH: IMPORT_MAX_BYTES}, words=WORDS)
    for routes in (
        overview_routes,
        policy_routes,
        subject_routes,
        import_routes,
        transition_routes,
        silence_routes,
        verify_routes,
        why_routes,
        heard_routes,
    ):
        app.include_router(routes(api), prefix="/api/v1/orgs/{org}")

    service.add(
        DatabasePart(database, PACKAGE),
        topics,
        slot,
        consumers,
        Relay(database, settings),
        Retention(database, now),
        Emptying(database, controls),
        Bookkeeping(database, now),
        OverlookedAnswers(database, tickets),
        listeners,
        HttpServer(app, settings.http_host, settings.health_port),
    )
    return service


def now() -> datetime:
    """The wall clock: it dates rows, commands and tokens, and decides nothing."""
    return datetime.now(UTC)
