"""What a decision must know besides the ticket and the command."""

from collections.abc import Mapping
from types import MappingProxyType
from uuid import UUID

from msgspec import Struct

from fettle_ticket_service.domain.checklist import Member, MemberKey
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Policy

NOBODY: Mapping[MemberKey, Member] = MappingProxyType({})


class Facts(Struct, frozen=True):
    """policy: what the org has decided.
    number, id: what a ticket opened now would get.
    rival: for a reopen the unresolved ticket, if it is another one, that holds the key of the ticket.
    parent: the ticket that the command names as the parent, if there is one.
    members: of those that a checklist's command names, the ones that are on the ticket's checklist.
    """

    policy: Policy
    number: int
    id: UUID
    rival: Ticket | None = None
    parent: Ticket | None = None
    members: Mapping[MemberKey, Member] = NOBODY
