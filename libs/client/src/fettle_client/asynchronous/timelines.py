"""All tickets at once: bulk actions, exports, and whether timelines are as they were written."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from fettle_client.asynchronous.connection import AsyncConnection
from fettle_client.requests import fields, read, send, write
from fettle_client.shapes.timelines import (
    BulkAction,
    Compared,
    ExportedTicket,
    Outcome,
    SeenEntry,
    VerifyingTickets,
)


class AsyncTimelines(AsyncConnection):
    """What concerns many tickets, or all that an org has."""

    async def act_on_tickets(
        self, action: BulkAction, numbers: Sequence[int], *, comment: str | None = None, key: str | None = None
    ) -> list[Outcome]:
        """Does the same to up to 200 tickets, in the order given; each has an outcome of its own."""
        body = fields(action=action, numbers=numbers, comment=comment)
        answer: dict[str, Any] = await self._call(write("POST", self._path("tickets", "bulk"), body, key=key))
        outcomes: list[Outcome] = answer["items"]
        return outcomes

    def export_tickets(self, *, timeline: bool = False) -> AsyncIterator[ExportedTicket]:
        """All tickets by number, as they stand while they are read; with `timeline` each with its entries.

        Whoever follows `ticket.events` from before this began passes over what is not newer than `version`.
        """
        return self._lines(read(self._path("tickets", "export"), format="jsonl", timeline=timeline))

    def export_csv(self) -> AsyncIterator[str]:
        """The same as a table in CSV, in pieces of any size."""
        return self._pieces(read(self._path("tickets", "export"), format="csv"))

    def verify_tickets(self) -> AsyncIterator[VerifyingTickets]:
        """Checks all timelines and tickets against their hashes; yields how far it is and the first thousand findings,
        at the end what it saw."""
        return self._lines(read(self._path("tickets", "verify")))

    async def compare_entries(self, seen: Sequence[SeenEntry]) -> Compared:
        """Holds up to 2,000 entries that were seen elsewhere against those that stand."""
        compared: Compared = await self._call(send("POST", self._path("tickets", "verify"), {"seen": seen}))
        return compared
