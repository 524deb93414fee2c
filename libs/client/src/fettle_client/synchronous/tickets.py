# Derived from asynchronous/tickets.py by `make schemas`; change that one.
"""Tickets."""

from collections.abc import Sequence

from fettle_client.requests import Request, fields, read, write
from fettle_client.shapes.people import Link, Subject
from fettle_client.shapes.tickets import (
    AnyState,
    Entry,
    EntryOrder,
    ListedTicket,
    Member,
    SeldomEntry,
    Ticket,
    TicketOrder,
    TicketPolicy,
    TicketSource,
    TicketState,
)
from fettle_client.synchronous.connection import Connection
from fettle_client.synchronous.pages import Pages


class Tickets(Connection):
    """What can be asked of tickets and done to them. Every write may have a `key` of your own: it then has its effect
    once and the same answer for 30 days, also when it comes from another process."""

    def list_tickets(
        self,
        *,
        state: AnyState | None = None,
        source: TicketSource | None = None,
        kind: str | None = None,
        subject: str | None = None,
        integration: str | None = None,
        space: str | None = None,
        q: str | None = None,
        sort: TicketOrder | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> Pages[ListedTicket]:
        """Open tickets unless `state` says otherwise, the newest first unless `sort` does; `q` is part of the title, or
        of the subject's name or id."""
        request = read(
            self._path("tickets"),
            state=state,
            source=source,
            kind=kind,
            subject=subject,
            integration=integration,
            space=space,
            q=q,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        return Pages(self._call, request)

    def count_tickets(self, *, state: AnyState | None = None) -> dict[TicketState, int]:
        """How many tickets there are, by state."""
        counts: dict[TicketState, int] = self._call(read(self._path("tickets", "count"), state=state))
        return counts

    def get_ticket(self, number: int) -> Ticket:
        """One ticket, with its children and the first members of its checklist."""
        return self._ticket(read(self._path("tickets", number)))

    def list_timeline(
        self,
        number: int,
        *,
        type: SeldomEntry | None = None,
        sort: EntryOrder | None = None,
        cursor: str | None = None,
        limit: int = 200,
    ) -> Pages[Entry]:
        """A ticket's entries, oldest first unless `sort` says otherwise."""
        path = self._path("tickets", number, "timeline")
        request = read(path, type=type, sort=sort, cursor=cursor, limit=limit)
        return Pages(self._call, request)

    def list_checklist(self, number: int, *, cursor: str | None = None, limit: int = 200) -> Pages[Member]:
        """The members of a shared ticket in the order of joining."""
        request = read(self._path("tickets", number, "checklist"), cursor=cursor, limit=limit)
        return Pages(self._call, request)

    def open_ticket(
        self,
        title: str,
        subject: Subject,
        *,
        kind: str | None = None,
        space: str | None = None,
        description: str | None = None,
        links: Sequence[Link] | None = None,
        dedup_key: str | None = None,
        key: str | None = None,
    ) -> Ticket:
        """A new ticket, or the one that has the `dedup_key` already, or that came back by it."""
        body = fields(
            title=title,
            subject=subject,
            kind=kind,
            space=space,
            description=description,
            links=links,
            dedup_key=dedup_key,
        )
        return self._ticket(write("POST", self._path("tickets"), body, key=key))

    def start_ticket(self, number: int, *, comment: str | None = None, key: str | None = None) -> Ticket:
        """Begins work on an open ticket."""
        return self._act(number, "start", comment, key)

    def move_ticket_to_open(self, number: int, *, comment: str | None = None, key: str | None = None) -> Ticket:
        """Undoes a start."""
        return self._act(number, "move-to-open", comment, key)

    def resolve_ticket(self, number: int, *, comment: str | None = None, key: str | None = None) -> Ticket:
        """Ends a ticket."""
        return self._act(number, "resolve", comment, key)

    def reopen_ticket(self, number: int, *, comment: str | None = None, key: str | None = None) -> Ticket:
        """Brings a resolved ticket back."""
        return self._act(number, "reopen", comment, key)

    def comment_on_ticket(self, number: int, comment: str, *, key: str | None = None) -> Ticket:
        """Adds a comment, in any state."""
        return self._act(number, "comments", comment, key)

    def edit_description(
        self, number: int, description: str, *, description_version: int, key: str | None = None
    ) -> Ticket:
        """Replaces the text that you saw at `description_version`. Refused with 412 when people's text has changed
        since; the present one is in `problem`."""
        target, body = self._path("tickets", number, "description"), {"description": description}
        return self._ticket(write("PUT", target, body, key=key, seen=description_version))

    def set_links(
        self, number: int, links: Sequence[Link], *, description_version: int, key: str | None = None
    ) -> Ticket:
        """Replaces all the links that you saw at `description_version`, which they share with the description. Refused
        with 412 when people have edited either since."""
        target, body = self._path("tickets", number, "links"), {"links": links}
        return self._ticket(write("PUT", target, body, key=key, seen=description_version))

    def get_ticket_policy(self) -> TicketPolicy:
        policy: TicketPolicy = self._call(read(self._path("ticket-policy")))
        return policy

    def put_ticket_policy(
        self, policy: TicketPolicy, *, version: int | None = None, key: str | None = None
    ) -> TicketPolicy:
        """Replaces the policy, from the next command on; refused with 412 when it is not at `version` any more."""
        request = write("PUT", self._path("ticket-policy"), policy, key=key, seen=version)
        kept: TicketPolicy = self._call(request)
        return kept

    def _act(self, number: int, deed: str, comment: str | None, key: str | None) -> Ticket:
        target = self._path("tickets", number, deed)
        return self._ticket(write("POST", target, fields(comment=comment), key=key))

    def _ticket(self, request: Request) -> Ticket:
        ticket: Ticket = self._call(request)
        return ticket
