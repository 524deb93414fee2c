"""What a command does to a ticket: the one place where every command is decided.

Opening and the reopen window stand in `opening.py`, the moves from state to state in `moves.py`, comments,
descriptions and links in `edits.py`, the members of rollups in `rollups.py`.
"""

from datetime import datetime

from fettle_contracts.codes import RejectionCode
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.decisions import Decision, Rejected
from fettle_ticket_service.domain.edits import decide_comment, decide_description, decide_links
from fettle_ticket_service.domain.facts import Facts
from fettle_ticket_service.domain.moves import decide_move
from fettle_ticket_service.domain.opening import decide_open
from fettle_ticket_service.domain.rollups import decide_checklist
from fettle_ticket_service.domain.ticket import Ticket


def decide(ticket: Ticket | None, command: commands.Command, facts: Facts, now: datetime) -> Decision:
    """What `command` does at `now`.

    `ticket` is the one that the command names; for an open the unresolved one with its key, else the latest. None:
    there is none.
    """
    match command:
        case commands.Open():
            return decide_open(ticket, command, facts, now)
        case _ if ticket is None:
            return Rejected(RejectionCode.TICKET_NOT_FOUND, "There is no such ticket.")
        case commands.Move():
            return decide_move(ticket, command, facts, now)
        case commands.Comment():
            return decide_comment(ticket, command, now)
        case commands.EditDescription():
            return decide_description(ticket, command, now)
        case commands.SetLinks():
            return decide_links(ticket, command, now)
        case commands.UpdateChecklist():
            return decide_checklist(ticket, command, facts, now)
    raise TypeError(f"{type(command).__name__} is no command on tickets")
