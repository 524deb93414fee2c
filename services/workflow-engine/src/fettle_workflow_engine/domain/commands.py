"""From an action's input to what carries it out: a ticket command, a request to what is outside."""

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
    verb = ACTIONS[does].does_by
    if not isinstance(verb, Verb):
        raise TypeError(f"{does} is no command")
    body = {name: _READERS[ACTIONS[does].fields[name].wants](name, value) for name, value in _present(does, given)}
    if verb is Verb.COMMENT:
        body["comment"] = body.pop("text")
    if verb is Verb.OPEN:
        body.setdefault("dedup_key", _default_key(author.workflow, body))
    try:
        return verb, COMMANDS[verb].model_validate({**_signed_fields(author), **body})
    except ValidationError as error:
        raise InputFailed("input_invalid", "; ".join(str(fault) for fault in faults(error))) from None


def request_for(does: str, given: Mapping[str, Any], author: Author, depth: int) -> dict[str, Any]:
    """The request of the action `does`: its resolved fields, and of its run what whoever is called may be told.

    Raises InputFailed (`input_invalid`) when a required field is null; whether values can be what their fields want is
    for the one who makes the call to say.
    """
    of_run = {"org": author.org, "run": str(author.run_id), "node": author.node, "workflow": author.workflow}
    return {**dict(_present(does, given)), **of_run, "title": author.title, "depth": depth}


def message_of(given: Mapping[str, Any]) -> str:
    """What a `fail` says. Raises InputFailed."""
    return str(_text("message", dict(_present("fail", given))["message"]))


def _present(does: str, given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The fields that have a value, in the action's order. Raises InputFailed if a required one has none."""
    fields = ACTIONS[does].fields
    present = [(name, given[name]) for name in fields if given.get(name) is not None]
    absent = [name for name, field in fields.items() if field.required and given.get(name) is None]
    if absent:
        raise InputFailed("input_invalid", f"{does} needs {', '.join(absent)}, which is null.")
    return present


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


def ticket_ref(name: str, value: Any) -> dict[str, Any]:
    """A ticket's id, its number (`42`, `"42"`, `"#42"`), an object that has an id, or one that has nothing but the key
    of which it is the latest ticket. Raises InputFailed."""
    match value:
        case {"id": str() as ticket_id}:
            return {"id": ticket_id}
        case {"dedup_key": key, **others} if not others:
            return {"dedup_key": _text(f"{name}.dedup_key", key)}
        case int() if not isinstance(value, bool):
            return {"number": value}
        case str():
            digits = value.strip().removeprefix("#")
            return {"number": int(digits)} if digits.isdecimal() and len(digits) < 19 else {"id": value.strip()}
    raise InputFailed("input_invalid", f"{name} must be a ticket's id or number, or {{dedup_key}}.")


def _subject(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise InputFailed("input_invalid", f"{name} must be a subject.")
    return {
        part: _text(f"{name}.{part}", value[part]) for part in ("type", "id", "name") if value.get(part) is not None
    }


def _links(name: str, value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list) or not all(isinstance(link, Mapping) for link in value):
        raise InputFailed("input_invalid", f"{name} must be a list of links: {{label, url}}.")
    return [{part: _text(f"{name}.{part}", link.get(part)) for part in ("label", "url")} for link in value]


_READERS: Mapping[Wants, Callable[[str, Any], Any]] = {
    Wants.TEXT: _text,
    Wants.TICKET: ticket_ref,
    Wants.SUBJECT: _subject,
    Wants.LINKS: _links,
}
