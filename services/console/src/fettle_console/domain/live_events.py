"""What a record of `ticket.events` or `health.transitions` means to those who watch an org live."""

from fettle_console.domain.event_ring import LiveEvent, Versions
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.message import Unreadable
from fettle_contracts.ticket_events import TicketEvent
from fettle_contracts.transitions import TRANSITION, Transition


def live_event(event: CloudEvent, versions: Versions) -> LiveEvent | None:
    """The event for subscribers; None when a newer one of the same ticket has been shown already, as redelivered ones
    may come late. Raises Unreadable."""
    if event.type == TRANSITION:
        transition = Transition.from_json(event.data)
        return LiveEvent(transition.org, event.type, event.data.decode())
    happened = TicketEvent.from_json(event.data)
    if event.type != happened.entry.type.ce_type:
        raise Unreadable("type_unknown", f"{event.type} is not the type of a {happened.entry.type.value} entry")
    key = f"{happened.org}/{happened.ticket.id}"
    if event.key != key:  # else one org's record could make another's events old news
        raise Unreadable("key_invalid", f"the key of this event must be {key}")
    if not versions.is_news(key, happened.entry.version):
        return None
    ticket = happened.ticket
    return LiveEvent(
        org=happened.org,
        type=event.type,
        data=event.data.decode(),
        ticket=ticket.number,
        state=ticket.state.value,
        version=ticket.version,
    )
