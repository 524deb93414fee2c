"""Every message type with its model: `fettle.ticket.opened.v1` and so on, and the plain heartbeat."""

from collections.abc import Mapping
from types import MappingProxyType

from fettle_contracts.commands import COMMANDS
from fettle_contracts.heartbeat import Heartbeat
from fettle_contracts.message import Message
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.results import COMMAND_RESULT, CommandResult
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.transitions import TRANSITION, Transition

HEARTBEAT = "fettle.heartbeat.v1"
"""Names the heartbeat among schemas and examples; on the wire it is no CloudEvent and carries no type."""

MESSAGES: Mapping[str, type[Message]] = MappingProxyType(
    {
        HEARTBEAT: Heartbeat,
        **{verb.ce_type: model for verb, model in COMMANDS.items()},
        COMMAND_RESULT: CommandResult,
        **{entry.ce_type: TicketEvent for entry in EntryType},
        TRANSITION: Transition,
        ORG: Org,
    }
)
"""Model by message type, version included."""
