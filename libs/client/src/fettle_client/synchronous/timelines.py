# Derived from asynchronous/timelines.py by `make schemas`; change that one.
"""All tickets at once: bulk actions, exports, and whether timelines are as they were written."""

from collections.abc import Iterator, Sequence
from typing import Any

from fettle_client.requests import fields, read, send, write
from fettle_client.shapes.timelines import (
    BulkAction,
    Compared,
    ExportedTicket,
    Outcome,
    SeenEntry,
    VerifyingTickets,
)
from fettle_client.synchronous.connection import Connection


class Timelines(Connection):
    """What concerns many tickets, or all that an org has."""

    def act_on_tickets(
        self, action: BulkAction, numbers: Sequence[int], *, comment: str | None = None, key: str | None = None
    ) -> list[Outcome]:
        """Does the same to up to 200 tickets, in the order given; each has an outcome of its own."""
        body = fields(action=action, numbers=numbers, comment=comment)
        answer: dict[str, Any] = self._call(write("POST", self._path("tickets", "bulk"), body, key=key))
        outcomes: list[Outcome] = answer["items"]
        return outcomes

    def export_tickets(self, *, timeline: bool = False) -> Iterator[ExportedTicket]:
        """All tickets by number, as they stand while they are read; with `timeline` each with its entries.

        Whoever follows `ticket.events` from before this began passes over what is not newer than `version`.
        """
        return self._lines(read(self._path("tickets", "export"), format="jsonl", timeline=timeline))

    def export_csv(self) -> Iterator[str]:
        """The same as a table in CSV, in pieces of any size."""
        return self._pieces(read(self._path("tickets", "export"), format="csv"))

    def verify_tickets(self) -> Iterator[VerifyingTickets]:
        """Checks all timelines and tickets against their hashes; yields how far it is and the first thousand findings,
        at the end what it saw."""
        return self._lines(read(self._path("tickets", "verify")))

    def compare_entries(self, seen: Sequence[SeenEntry]) -> Compared:
        """Holds up to 2,000 entries that were seen elsewhere against those that stand."""
        compared: Compared = self._call(send("POST", self._path("tickets", "verify"), {"seen": seen}))
        return compared
