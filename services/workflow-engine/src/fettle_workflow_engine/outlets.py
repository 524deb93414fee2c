"""What leaves the system, wired: who makes which calls, and what they share."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import httpcore2

from fettle_chassis.database import Database
from fettle_workflow_engine.adapters.apprise_sending import AppriseSending
from fettle_workflow_engine.adapters.callers import Callers
from fettle_workflow_engine.adapters.destinations import Destinations
from fettle_workflow_engine.adapters.http_calls import HttpCalls
from fettle_workflow_engine.adapters.mail import Mail
from fettle_workflow_engine.adapters.notify_calls import NotifyCalls
from fettle_workflow_engine.adapters.secret_box import SecretBox
from fettle_workflow_engine.adapters.secret_calls import WithSecrets
from fettle_workflow_engine.adapters.senders import Senders
from fettle_workflow_engine.adapters.vault import Vault
from fettle_workflow_engine.settings import WorkflowSettings


@dataclass(frozen=True, slots=True)
class Outlets:
    """`callers` makes calls of all kinds, `notify` and `senders` are for those who send without a run."""

    box: SecretBox
    callers: Callers
    notify: NotifyCalls
    senders: Senders


def build_outlets(settings: WorkflowSettings, database: Database, clock: Callable[[], datetime]) -> Outlets:
    """One reading of the system's certificates for all of them."""
    tls = httpcore2.default_ssl_context()
    destinations = Destinations(settings.workflow_allow_hosts)
    box = SecretBox(settings.secret_keys)
    vault = Vault(database, box)
    http = HttpCalls(destinations, clock, tls)
    senders = Senders(vault, http, Mail(destinations, tls), AppriseSending(settings.workflow_allow_hosts), clock)
    notify = NotifyCalls(database, senders, clock)
    return Outlets(box, Callers({"http.request": WithSecrets(vault, http), "notify": notify}), notify, senders)
