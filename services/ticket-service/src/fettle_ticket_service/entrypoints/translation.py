"""Commands of the contract as commands of the domain.

Names that are only shown are cut to one line that fits, and counts to what can be kept, instead of refusing an incident
for them.
"""

from collections.abc import Iterable
from functools import lru_cache

from fettle_contracts import commands as contract
from fettle_contracts import people
from fettle_contracts.ticket import TITLE_MAX_CHARACTERS
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.texts import NAME_MAX_CHARACTERS, cut_line
from fettle_ticket_service.domain.values import Actor, Link, Subject, TicketRef

SPACE_MAX_CHARACTERS = 500
FLAP_COUNT_MAX = 2**31 - 1

_ON_A_TICKET = (contract.TicketCommand, contract.EditDescription, contract.SetLinks, contract.UpdateChecklist)


def translated(asked: contract.Command) -> commands.Command:
    """The domain's command. Raises TypeError for a verb that is not served."""
    actor = actor_of(asked.actor)
    match asked:
        case contract.OpenTicket():
            return _opened(asked, actor)
        case contract.StartTicket(comment=comment):
            return commands.Start(actor=actor, at=asked.at, evidence=asked.evidence, comment=comment)
        case contract.MoveTicketToOpen(comment=comment):
            return commands.MoveToOpen(actor=actor, at=asked.at, evidence=asked.evidence, comment=comment)
        case contract.ResolveTicket(comment=comment, resolution=resolution, parent=parent):
            return commands.Resolve(
                actor=actor,
                at=asked.at,
                evidence=asked.evidence,
                comment=comment,
                resolution=resolution,
                parent=_ref(parent),
            )
        case contract.ReopenTicket(comment=comment, flap_count=flap_count):
            # Only the monitor counts; a person's reopen leaves the count alone.
            counted = min(flap_count, FLAP_COUNT_MAX) if actor.is_monitor else None
            return commands.Reopen(
                actor=actor, at=asked.at, evidence=asked.evidence, comment=comment, flap_count=counted
            )
        case contract.CommentOnTicket(comment=comment):
            return commands.Comment(actor=actor, at=asked.at, evidence=asked.evidence, text=comment)
        case contract.EditDescription(description=description, description_version=version):
            return commands.EditDescription(
                actor=actor, at=asked.at, evidence=asked.evidence, description=description, description_version=version
            )
        case contract.SetLinks(links=links, description_version=version):
            said = links_of(links)
            return commands.SetLinks(
                actor=actor, at=asked.at, evidence=asked.evidence, links=said, description_version=version
            )
        case contract.UpdateChecklist(add=add, recovered=recovered):
            return commands.UpdateChecklist(
                actor=actor,
                at=asked.at,
                evidence=asked.evidence,
                add=tuple(map(subject_of, add)),
                recovered=tuple(map(subject_of, recovered)),
            )
    raise TypeError(f"{type(asked).__name__} is not served")


def ref_of(asked: contract.Command) -> TicketRef | None:
    """How the command names its ticket; an open names none."""
    if isinstance(asked, _ON_A_TICKET):
        return _ref(asked.ticket)
    return None


def links_of(links: Iterable[people.Link]) -> tuple[Link, ...]:
    return tuple(Link(link.label.strip(), link.url.strip()) for link in links)


def subject_of(subject: people.Subject) -> Subject:
    return Subject(subject.type, subject.id, _name(subject.name))


def space_of(space: str | None) -> str | None:
    return _name(space, SPACE_MAX_CHARACTERS)


def actor_of(actor: people.Actor) -> Actor:
    return _actor(actor.type, actor.id, actor.name, actor.run)


@lru_cache(maxsize=4096)
def _actor(type: people.ActorType, id: str | None, name: str | None, run: str | None) -> Actor:
    """The same few act again and again."""
    return Actor(type, _name(id), _name(name), _name(run))


def _opened(asked: contract.OpenTicket, actor: Actor) -> commands.Open:
    return commands.Open(
        actor=actor,
        at=asked.at,
        evidence=asked.evidence,
        title=asked.title if actor.is_person else cut_line(asked.title, TITLE_MAX_CHARACTERS),
        kind=asked.kind,
        subject=subject_of(asked.subject),
        space=space_of(asked.space),
        integration=_name(asked.integration),
        description=asked.description,
        links=links_of(asked.links),
        dedup_key=asked.dedup_key,
        flap_count=min(asked.flap_count, FLAP_COUNT_MAX),
        parent=_ref(asked.parent),
    )


def _ref(named: contract.TicketRef | None) -> TicketRef | None:
    return None if named is None else TicketRef(named.id, named.number, named.dedup_key)


def _name(text: str | None, limit: int = NAME_MAX_CHARACTERS) -> str | None:
    return None if text is None else cut_line(text, limit) or None
