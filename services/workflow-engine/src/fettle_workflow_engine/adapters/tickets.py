"""What happened to tickets, as the ticket service shows it to the person who asks: by the client that everybody has."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import httpx2
import structlog

from fettle_chassis.signing import SigningKey
from fettle_chassis.tokens import Caller, Role, issue
from fettle_client import AsyncFettle, FettleError, Refused, Unreachable
from fettle_client.shapes.tickets import Entry, Ticket
from fettle_contracts.message import Unreadable
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_workflow_engine.adapters.glances import reading
from fettle_workflow_engine.domain.samples import Sample, sample_of_ticket

WITHIN_S = 10.0
AT_ONCE = 2
_PATIENCE_S = 2.0
_PAGE = 50
"""Entries have up to 64 KiB of text."""

log = structlog.get_logger(__name__)
_check = reading(TicketEvent)


class NoSuchTicket(LookupError):
    """There is none of this number, or no such org. The text is the ticket service's."""


class NoSuchEntry(LookupError):
    """This has never happened to the ticket."""


class TicketsAway(Exception):
    """The ticket service gave no answer that is one. The text says so to people; `again`: that may pass by itself."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Tickets:
    """The ticket service at `url`. It hears who asks, as somebody who only reads."""

    def __init__(self, url: str, keys: Sequence[SigningKey], clock: Callable[[], datetime]) -> None:
        self._url, self._keys, self._clock = url, keys, clock
        self._trust = httpx2.create_ssl_context(trust_env=False)  # takes too long to be made for each try
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def newest(self, caller: Caller, number: int, type: EntryType) -> Sample:
        """The ticket's newest entry of the type as its event, with the ticket as it is now, which has seen the entry.
        Takes ten seconds at most. Raises NoSuchTicket, NoSuchEntry and TicketsAway."""
        try:
            async with asyncio.timeout(WITHIN_S), self._turns, self._asked_by(caller) as fettle:
                entry = await _newest(fettle, number, type)
                if entry is None:
                    raise NoSuchEntry
                ticket = await fettle.get_ticket(number)
            return _sample(caller.org, ticket, entry, number, type)
        except (FettleError, TimeoutError, _Strange) as failure:
            if isinstance(failure, Refused) and (failure.status, failure.code) == (404, "not_found"):
                raise NoSuchTicket(failure.message) from None
            log.warning("tickets.unread", org=caller.org, ticket=number, error=str(failure) or "too slow")
            raise _away(failure) from failure

    def _asked_by(self, caller: Caller) -> AsyncFettle:
        token = issue(self._keys, replace(caller, role=Role.VIEWER), self._clock())
        # A transport of its own looks at no environment: a proxy meant for the outside must not see internal tokens.
        transport = httpx2.AsyncHTTPTransport(verify=self._trust, trust_env=False)
        return AsyncFettle(self._url, token, caller.org, patience_s=_PATIENCE_S, transport=transport)


class _Strange(Exception):
    """What answers does not answer as the ticket service does."""


async def _newest(fettle: AsyncFettle, number: int, type: EntryType) -> Entry | None:
    match type:
        case EntryType.OPENED:  # a ticket's first entry
            entries = fettle.list_timeline(number, limit=1)
        case EntryType.REOPENED:
            entries = fettle.list_timeline(number, type="reopened", sort="-version", limit=1)
        case _:
            entries = fettle.list_timeline(number, sort="-version", limit=_PAGE)
    try:
        async for entry in entries:
            if entry["type"] == type:
                return entry
    except (LookupError, TypeError, AttributeError) as error:
        raise _Strange(f"no timeline: {error!r}") from error
    return None


def _sample(org: str, ticket: Ticket, entry: Entry, number: int, type: EntryType) -> Sample:
    """Raises _Strange for what no event could say."""
    try:
        _check(json.dumps({"org": org, "entry": entry, "ticket": ticket}).encode())
    except Unreadable as unreadable:
        raise _Strange(f"no ticket: {unreadable}") from unreadable
    if ticket["number"] != number or entry["type"] != type:
        raise _Strange("another ticket")
    return sample_of_ticket(org, {**ticket}, {**entry})


def _away(failure: Exception) -> TicketsAway:
    match failure:
        case TimeoutError() | Unreachable(again=False):
            return TicketsAway("Reading the ticket took too long. Give the event itself to try it now.", again=False)
        case Unreachable() | Refused(status=429 | 503):
            message = "The ticket service is away. Try again soon, or give the event itself to try it now."
            return TicketsAway(message, again=True)
    message = "What answers as the ticket service is something else: look at FETTLE_TICKETS_URL of the workflow engine."
    return TicketsAway(message, again=False)
