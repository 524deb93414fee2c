"""Wires the console: one process with the API front, the pages and the live tail."""

from fettle_chassis.database import Database, DatabasePart
from fettle_chassis.http import HttpServer, http_app
from fettle_chassis.relay import Relay
from fettle_chassis.service import Service
from fettle_chassis.signing import Signer
from fettle_console.adapters.answers import Answers
from fettle_console.adapters.audit import Audit
from fettle_console.adapters.bearers import Bearers
from fettle_console.adapters.dead_letter_box import DeadLetterBox
from fettle_console.adapters.documents import Documents
from fettle_console.adapters.heartbeat_log import HeartbeatLog
from fettle_console.adapters.late_topics import LateTopics
from fettle_console.adapters.live import EndStreams, Live
from fettle_console.adapters.members import Members
from fettle_console.adapters.names import Names
from fettle_console.adapters.orgs import Orgs
from fettle_console.adapters.provider import Provider
from fettle_console.adapters.seal import Seal
from fettle_console.adapters.services import Services
from fettle_console.adapters.sessions import Sessions
from fettle_console.adapters.tokens import Tokens
from fettle_console.console import Console
from fettle_console.domain.request_limit import (
    ARRIVALS_AT_ONCE,
    ARRIVALS_PER_S,
    SIGN_INS_AT_ONCE,
    SIGN_INS_PER_S,
    RequestLimit,
)
from fettle_console.entrypoints import (
    audit_api,
    dead_letter_api,
    event_api,
    front,
    heartbeat_api,
    member_api,
    openapi,
    org_api,
    token_api,
    workflow_schema,
)
from fettle_console.entrypoints.audited import Audited
from fettle_console.entrypoints.documented import WORDS
from fettle_console.entrypoints.pages.app import pages_app
from fettle_console.entrypoints.shield import Headed
from fettle_console.settings import ConsoleSettings
from fettle_contracts.hooks import HOOK_MAX_BYTES, HOOK_PATH
from fettle_contracts.imports import IMPORT_MAX_BYTES, IMPORT_PATH
from fettle_contracts.topics import EVENTS, HEARTBEATS, ORGS, TRANSITIONS


def build_app(settings: ConsoleSettings) -> Service:
    """The console as a service; nothing is connected yet."""
    service = Service("console")
    database = Database(settings.database_dsn("console"))
    services = Services(settings.service_urls, settings.signing_keys)
    tokens = Tokens(database)
    audit = Audit(database, settings.signing_keys[0].secret)
    provider = Provider(settings.oidc_issuer, settings) if settings.oidc_issuer else None
    bootstrap = settings.bootstrap_token
    console = Console(
        settings=settings,
        bearers=Bearers(tokens, bootstrap.get_secret_value() if bootstrap else None),
        tokens=tokens,
        orgs=Orgs(database, Signer(settings.signing_keys)),
        answers=Answers(database),
        audit=audit,
        sessions=Sessions(database, Seal(settings.signing_keys, "session")),
        members=Members(database, audit),
        names=Names(database),
        provider=provider,
        flows=Seal(settings.signing_keys, "sign-in"),
        services=services,
        documents=Documents(services),
        dead_letters=DeadLetterBox(settings),
        heartbeats=HeartbeatLog(settings),
        live=Live(settings),
        request_limit=RequestLimit(settings.requests_per_s, settings.requests_burst),
        guess_limit=RequestLimit(settings.requests_per_s, settings.requests_burst),
        sign_in_limit=RequestLimit(SIGN_INS_PER_S, SIGN_INS_AT_ONCE),
        arrival_limit=RequestLimit(ARRIVALS_PER_S, ARRIVALS_AT_ONCE),
    )
    larger = {IMPORT_PATH: IMPORT_MAX_BYTES, HOOK_PATH: HOOK_MAX_BYTES}
    app = http_app(service, settings, title="Fettle", larger=larger, words=WORDS)
    app.state.console = console
    app.add_middleware(Audited, audit=audit)
    for module in (
        org_api,
        token_api,
        member_api,
        audit_api,
        dead_letter_api,
        heartbeat_api,
        event_api,
        openapi,
        workflow_schema,
        front,
    ):
        app.include_router(module.router)
    app.router.routes.append(front.NOTHING)
    app.mount("/", Headed(pages_app(console, app.openapi), settings))
    service.add(
        DatabasePart(database, "fettle_console"),
        LateTopics(settings, ORGS, HEARTBEATS, EVENTS, TRANSITIONS),
        Relay(database, settings),
        services,
        *([provider] if provider else []),
        console.heartbeats,
        console.live,
        HttpServer(app, settings.http_host, settings.http_port),
        EndStreams(console.live),
    )
    return service
