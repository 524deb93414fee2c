"""Tickets, entries and results as others read them (see `fettle_contracts`), written straight from domain values.

Our own messages are not validated again on their way out; tests hold them against the contracts' models.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from msgspec import Struct
from msgspec.json import encode

from fettle_contracts.times import rfc3339
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.domain.book import Entry
from fettle_ticket_service.domain.checklist import Checklist, Member, subject_json
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.domain.values import Actor, Link, TicketLink

Json = dict[str, Any]

NO_MEMBERS: Json = {"total": 0, "recovered": 0, "items": []}

time_text = lru_cache(maxsize=4096)(rfc3339)
"""A batch says the same few instants again and again."""


class Line(Struct, frozen=True):
    """One entry of a timeline as it is kept."""

    id: UUID
    type: str
    version: int
    at: datetime
    actor: Actor
    body: str | None
    evidence: Mapping[str, Any] | None
    hash: str | None


class Wire:
    """Knows where people find a ticket. `public_url` is the console's address, without a slash at its end."""

    def __init__(self, public_url: str) -> None:
        self._public_url = public_url.rstrip("/")

    def ticket(self, org: str, ticket: Ticket) -> Json:
        started_by, resolved_by = ticket.started_by, ticket.resolved_by
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
            "opened_at": time_text(ticket.opened_at),
            "opened_by": actor_json(ticket.opened_by),
            "started_at": ticket.started_at and time_text(ticket.started_at),
            "started_by": started_by and actor_json(started_by),
            "resolved_at": ticket.resolved_at and time_text(ticket.resolved_at),
            "resolved_by": resolved_by and actor_json(resolved_by),
            "resolution": ticket.resolution,
            "updated_at": time_text(ticket.updated_at),
            "flap_count": ticket.flap_count,
            "parent": ticket.parent and _link_json(ticket.parent),
            "previous": ticket.previous and _link_json(ticket.previous),
            "links": links_json(ticket.links),
            "checklist": checklist_json(ticket.checklist) if ticket.checklist.total else NO_MEMBERS,
            "dedup_key": ticket.dedup_key,
            "version": ticket.version,
            "url": self.url(org, ticket.number),
        }

    def url(self, org: str, number: int | str) -> str:
        """Where people find a ticket."""
        return f"{self._public_url}/orgs/{org}/tickets/{number}"

    def ticket_event(self, org: str, entry: Entry) -> bytes:
        """The data of a ticket event."""
        link = entry.link
        return encode(
            {
                "org": org,
                "entry": line_json(line_of(entry)),
                "ticket": self.ticket(org, entry.ticket),
                "chain": {"place": link.place, "head": link.head, "number_seal": link.number_seal},
            }
        )


def line_of(entry: Entry) -> Line:
    event = entry.event
    hash = entry.link.hash
    return Line(entry.id, event.type, entry.ticket.version, event.at, event.actor, event.body, event.evidence, hash)


def line_json(line: Line) -> Json:
    return {
        "id": str(line.id),
        "type": line.type,
        "version": line.version,
        "at": time_text(line.at),
        "actor": actor_json(line.actor),
        "body": line.body,
        "evidence": line.evidence,
        "hash": line.hash,
    }


def command_result(asked: Asked, answer: Answer) -> bytes:
    rejected = answer.message is not None
    met = answer.ticket
    return encode(
        {
            "org": asked.org,
            "command_id": asked.id,
            "command_source": asked.source,
            "verb": answer.verb,
            "outcome": answer.outcome,
            "reason": {"code": answer.reason, "message": answer.message} if rejected else None,
            "ticket": met and {"id": str(met.id), "number": met.number, "state": met.state, "version": met.version},
        }
    )


def actor_json(actor: Actor) -> Json:
    said: Json = {"type": actor.type}
    if actor.id is not None:
        said["id"] = actor.id
    if actor.name is not None:
        said["name"] = actor.name
    if actor.run is not None:
        said["run"] = actor.run
    return said


def links_json(links: tuple[Link, ...]) -> list[Json]:
    return [{"label": link.label, "url": link.url} for link in links]


def checklist_json(checklist: Checklist) -> Json:
    """The counts, and the first members."""
    items = [member_json(member) for member in checklist.first]
    return {"total": checklist.total, "recovered": checklist.recovered, "items": items}


def member_json(member: Member) -> Json:
    """A member as events and the API show it."""
    subject, recovered_at = member.subject, member.recovered_at
    return {
        "type": subject.type,
        "id": subject.id,
        "name": subject.name,
        "recovered": recovered_at is not None,
        "recovered_at": recovered_at and time_text(recovered_at),
    }


def _link_json(link: TicketLink) -> Json:
    return {"id": str(link.id), "number": link.number}
