"""Tickets as the ticket service shows them to the person who asks, by the client that everybody has."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import httpx2

from fettle_chassis.signing import SigningKey
from fettle_chassis.tokens import Caller, issue
from fettle_client import AsyncFettle, FettleError, Refused
from fettle_client.shapes.tickets import EntryOrder
from fettle_contracts.ticket_events import EntryType

WITHIN_S = 10.0
_PATIENCE_S = 2.0


class NoSuchTicket(LookupError):
    """The org has no ticket of this number."""


class NoSuchEntry(LookupError):
    """This has never happened to the ticket."""


class TicketsAway(Exception):
    """The ticket service gave no answer that is one. The text says what came instead."""


class Tickets:
    """The ticket service at `url`. It hears who asks, so nobody sees by this what they may not see there."""

    def __init__(self, url: str, keys: Sequence[SigningKey], clock: Callable[[], datetime]) -> None:
        self._url, self._keys, self._clock = url, keys, clock

    async def newest(self, caller: Caller, number: int, type: EntryType) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """The ticket as it is now, and its newest entry of the type, which the ticket has seen. Takes ten seconds at
        most. Raises NoSuchTicket, NoSuchEntry and TicketsAway."""
        # A transport of its own looks at no environment: a proxy meant for the outside must not see internal tokens.
        fettle = AsyncFettle(
            self._url,
            issue(self._keys, caller, self._clock()),
            caller.org,
            patience_s=_PATIENCE_S,
            transport=httpx2.AsyncHTTPTransport(trust_env=False),
        )
        try:
            async with asyncio.timeout(WITHIN_S), fettle:
                entry = await _newest(fettle, number, type)
                return await fettle.get_ticket(number), entry
        except Refused as refused:
            if refused.status == 404 and refused.code:
                raise NoSuchTicket from None
            raise TicketsAway(str(refused)) from refused
        except FettleError as error:
            raise TicketsAway(str(error)) from error
        except TimeoutError as error:
            raise TicketsAway(f"it took longer than {WITHIN_S:.0f} s to read the ticket") from error


async def _newest(fettle: AsyncFettle, number: int, type: EntryType) -> Mapping[str, Any]:
    order: EntryOrder = "version" if type is EntryType.OPENED else "-version"  # what opened a ticket is its first entry
    async for entry in fettle.list_timeline(number, sort=order):
        if entry["type"] == type:
            return entry
    raise NoSuchEntry
