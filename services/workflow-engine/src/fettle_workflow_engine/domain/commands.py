"""From an action's input to the ticket command that carries it out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from fettle_contracts.commands import COMMANDS, Command, Verb
from fettle_contracts.message import faults
from fettle_contracts.people import Actor, ActorType
from fettle_contracts.ticket import TEXT_MAX_BYTES
from fettle_workflow_engine.domain.catalogue import ACTIONS, Wants
from fettle_workflow_engine.domain.resolve import InputFailed


@dataclass(frozen=True, slots=True)
class Author:
    """On whose account a command is given: the node of a run."""

    org: str
    workflow: str
    title: str
    version: int
    run_id: UUID
    node: str
    trigger: str


def command_for(does: str, given: Mapping[str, Any], author: Author) -> tuple[Verb, Command]:
    """The command of the action `does` with the resolved fields `given`.

    Raises InputFailed (`input_invalid`) when a value cannot be what its field wants.
    """
    kind = ACTIONS[does]
    body = {
        name: _READERS[field.wants](name, given[name])
        for name, field in kind.fields.items()
        if given.get(name) is not None
    }
    absent = [name for name, field in kind.fields.items() if field.required and name not in body]
    if absent:
        raise InputFailed("input_invalid", f"{does} needs {', '.join(absent)}, which is null.")
    if kind.verb is Verb.COMMENT:
        body["comment"] = body.pop("text")
    if kind.verb is Verb.OPEN:
        body.setdefault("dedup_key", _default_key(author.workflow, body))
    try:
        return kind.verb, COMMANDS[kind.verb].model_validate({**_signed_fields(author), **body})
    except ValidationError as error:
        raise InputFailed("input_invalid", "; ".join(str(fault) for fault in faults(error))) from None


def _signed_fields(author: Author) -> dict[str, Any]:
    return {
        "org": author.org,
        "actor": Actor(type=ActorType.WORKFLOW, id=author.workflow, name=author.title or None, run=str(author.run_id)),
        "evidence": {"node": author.node, "trigger": author.trigger, "version": author.version},
    }


def _default_key(workflow: str, body: Mapping[str, Any]) -> str:
    """One unresolved ticket per workflow, subject and kind. At most 400 characters by the limits of its parts."""
    return f"workflow/{workflow}/{body['subject'].get('type')}/{body['subject'].get('id')}:{body['kind']}"


def _text(name: str, value: Any) -> str:
    match value:
        case str():
            if len(value) > TEXT_MAX_BYTES:
                raise InputFailed("input_invalid", f"{name} is longer than {TEXT_MAX_BYTES // 1024} KiB.")
            return value
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
    raise InputFailed("input_invalid", f"{name} must be text.")


def _ticket(name: str, value: Any) -> dict[str, Any]:
    """A ticket's id, its number (`42`, `"42"`, `"#42"`), or an object that has an id."""
    match value:
        case {"id": str() as ticket_id}:
            return {"id": ticket_id}
        case int() if not isinstance(value, bool):
            return {"number": value}
        case str():
            digits = value.strip().removeprefix("#")
            return {"number": int(digits)} if digits.isdecimal() and len(digits) < 19 else {"id": value.strip()}
    raise InputFailed("input_invalid", f"{name} must be a ticket's id or number.")


def _subject(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputFailed("input_invalid", f"{name} must be a subject.")
    return {
        part: _text(f"{name}.{part}", value[part]) for part in ("type", "id", "name") if value.get(part) is not None
    }


def _links(name: str, value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list):
        raise InputFailed("input_invalid", f"{name} must be a list of links.")
    return [{part: _text(f"{name}.{part}", link.get(part)) for part in ("label", "url")} for link in value]


_READERS: Mapping[Wants, Callable[[str, Any], Any]] = {
    Wants.TEXT: _text,
    Wants.TICKET: _ticket,
    Wants.SUBJECT: _subject,
    Wants.LINKS: _links,
}
