"""What a decision must know besides the ticket and the command."""

from uuid import UUID

from msgspec import Struct

from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Policy


class Facts(Struct, frozen=True):
    """policy: what the org has decided.
    number, id: what a ticket opened now would get.
    rival: for a reopen the unresolved ticket, if it is another one, that holds the key of the ticket.
    """

    policy: Policy
    number: int
    id: UUID
    rival: Ticket | None = None
