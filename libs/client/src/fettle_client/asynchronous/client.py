"""The client as a whole."""

from fettle_client.asynchronous.channels import AsyncChannels
from fettle_client.asynchronous.events import AsyncEvents
from fettle_client.asynchronous.health import AsyncHealth
from fettle_client.asynchronous.hooks import AsyncHooks
from fettle_client.asynchronous.orgs import AsyncOrgs
from fettle_client.asynchronous.secrets import AsyncSecrets
from fettle_client.asynchronous.silences import AsyncSilences
from fettle_client.asynchronous.tickets import AsyncTickets
from fettle_client.asynchronous.timelines import AsyncTimelines
from fettle_client.asynchronous.workflows import AsyncWorkflows


class AsyncFettle(
    AsyncTickets,
    AsyncTimelines,
    AsyncHealth,
    AsyncSilences,
    AsyncWorkflows,
    AsyncHooks,
    AsyncSecrets,
    AsyncChannels,
    AsyncOrgs,
    AsyncEvents,
):
    """All that the API can do, for one caller of one org: `AsyncFettle(url, token, org)`."""
