"""Tickets, entries and results as others read them (see `fettle_contracts`), written straight from domain values.

Our own messages are not validated again on their way out; tests hold them against the contracts' models.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from pydantic_core import to_json

from fettle_contracts.times import rfc3339
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.domain.book import Entry
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Actor, Link, Subject, TicketLink

Json = dict[str, Any]

NO_CHECKLIST: Json = {"total": 0, "recovered": 0, "items": []}
"""Members of rollups come with the rollups."""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a timeline as it is kept."""

    id: UUID
    type: str
    version: int
    at: datetime
    actor: Actor
    body: str | None
    evidence: Mapping[str, Any] | None


class Wire:
    """Knows where people find a ticket. `public_url` is the console's address, without a slash at its end."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url.rstrip("/")

    def ticket(self, org: str, ticket: Ticket) -> Json:
        return {
            "id": str(ticket.id),
            "number": ticket.number,
            "title": ticket.title,
            "description": ticket.description,
            "description_version": ticket.description_version,
            "state": ticket.state,
            "source": ticket.source,
            "kind": ticket.kind,
            "subject": subject_json(ticket.subject),
            "integration": ticket.integration,
            "space": ticket.space,
            "opened_at": rfc3339(ticket.opened_at),
            "opened_by": actor_json(ticket.opened_by),
            "started_at": _time(ticket.started_at),
            "started_by": _actor(ticket.started_by),
            "resolved_at": _time(ticket.resolved_at),
            "resolved_by": _actor(ticket.resolved_by),
            "resolution": ticket.resolution,
            "updated_at": rfc3339(ticket.updated_at),
            "flap_count": ticket.flap_count,
            "parent": _link(ticket.parent),
            "previous": _link(ticket.previous),
            "links": links_json(ticket.links),
            "checklist": NO_CHECKLIST,
            "dedup_key": ticket.dedup_key,
            "version": ticket.version,
            "url": f"{self._public_url}/orgs/{org}/tickets/{ticket.number}",
        }

    def ticket_event(self, org: str, entry: Entry) -> bytes:
        """The data of a ticket event."""
        return to_json({"org": org, "entry": line_json(line_of(entry)), "ticket": self.ticket(org, entry.ticket)})


def line_of(entry: Entry) -> Line:
    event, version = entry.event, entry.ticket.version
    id = entry_id(entry.ticket.id, version)
    return Line(id, event.type, version, event.at, event.actor, event.body, event.evidence)


def line_json(line: Line) -> Json:
    """`hash` waits for the chain that will make timelines tamper-evident."""
    return {
        "id": str(line.id),
        "type": line.type,
        "version": line.version,
        "at": rfc3339(line.at),
        "actor": actor_json(line.actor),
        "body": line.body,
        "evidence": line.evidence,
        "hash": None,
    }


def command_result(asked: Asked, answer: Answer) -> bytes:
    rejected = answer.message is not None
    met = answer.ticket
    return to_json(
        {
            "org": asked.org,
            "command_id": asked.id,
            "verb": answer.verb,
            "outcome": answer.outcome,
            "reason": {"code": answer.reason, "message": answer.message} if rejected else None,
            "ticket": met and {"id": str(met.id), "number": met.number, "state": met.state, "version": met.version},
        }
    )


def entry_id(ticket: UUID, version: int) -> UUID:
    """An entry's id, and the `ce_id` of its events, follow from its ticket and version."""
    return uuid5(ticket, str(version))


def actor_json(actor: Actor) -> Json:
    return _present(type=actor.type, id=actor.id, name=actor.name, run=actor.run)


def subject_json(subject: Subject) -> Json:
    return _present(type=subject.type, id=subject.id, name=subject.name)


def links_json(links: tuple[Link, ...]) -> list[Json]:
    return [{"label": link.label, "url": link.url} for link in links]


def _present(**fields: str | None) -> Json:
    return {name: value for name, value in fields.items() if value is not None}


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)


def _actor(actor: Actor | None) -> Json | None:
    return None if actor is None else actor_json(actor)


def _link(link: TicketLink | None) -> Json | None:
    return None if link is None else {"id": str(link.id), "number": link.number}
