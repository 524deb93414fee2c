# Derived from asynchronous/client.py by `make schemas`; change that one.
"""The client as a whole."""

from fettle_client.synchronous.channels import Channels
from fettle_client.synchronous.events import Events
from fettle_client.synchronous.health import Health
from fettle_client.synchronous.hooks import Hooks
from fettle_client.synchronous.orgs import Orgs
from fettle_client.synchronous.secrets import Secrets
from fettle_client.synchronous.silences import Silences
from fettle_client.synchronous.tickets import Tickets
from fettle_client.synchronous.timelines import Timelines
from fettle_client.synchronous.workflows import Workflows


class Fettle(
    Tickets,
    Timelines,
    Health,
    Silences,
    Workflows,
    Hooks,
    Secrets,
    Channels,
    Orgs,
    Events,
):
    """All that the API can do, for one caller of one org: `Fettle(url, token, org)`."""
