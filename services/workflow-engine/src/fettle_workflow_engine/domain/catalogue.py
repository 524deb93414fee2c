"""The triggers and actions that a document may use. A new one starts here.

A trigger says what `event` looks like; an action says which fields it takes, what later nodes can use of it, and which
triggers its effect may set off (for the search for loops between workflows).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from fettle_contracts.commands import Verb
from fettle_contracts.people import Actor
from fettle_contracts.results import ResultTicket
from fettle_contracts.ticket_events import TRIGGERS as TICKET_TRIGGERS
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.transitions import Transition
from fettle_workflow_engine.domain.shapes import ANYTHING, FLAG, NUMBER, TEXT, TIME, Fields, Items, Shape, shape_of


class Wants(Enum):
    """What an action's field can be."""

    TEXT = "text"
    TICKET = "a ticket's id or number, or {dedup_key}"
    SUBJECT = "a subject: {type, id, name}"
    LINKS = "a list of links: {label, url}"
    DURATION = "a length of time: seconds, or a whole number with s, m, h, d or w"
    METHOD = "a method: GET, HEAD, POST, PUT, PATCH, DELETE or OPTIONS"
    TEXTS = "an object of texts by name"
    JSON = "text, or what JSON can hold"
    SECONDS = "a number of seconds, at most 60"
    STATUSES = "statuses: 200-299, 404"
    ADDRESSES = "mail addresses: a text with commas between, or a list"
    WATCH = "a ticket and a change of it: {ticket, change}"


class Means(Enum):
    """By what an action is carried out that is no ticket command."""

    CALL = "a call to what is outside"
    WAIT = "letting time pass"
    FAIL = "ending the run"


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of an action's `with`."""

    wants: Wants
    required: bool = False


@dataclass(frozen=True, slots=True)
class TriggerKind:
    """What can start a run. `fields` are those of its own in a document, beside `trigger` and `where`."""

    event: Shape
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionKind:
    """What a node can do.

    `does_by` is the verb of its ticket command, or what else carries it out. `output` is the shape of `{ref: node.…}`
    after it went well. `sets_off` are triggers that its effect may publish, `sets_off_with` those that it publishes in
    addition when a field is given; `provokes` are those that the health monitor may publish in answer to it.
    `takes_secrets`: its fields may name the org's secrets.
    """

    does_by: Verb | Means
    fields: Mapping[str, Field]
    output: Fields
    sets_off: tuple[str, ...] = ()
    sets_off_with: Mapping[str, str] = field(default_factory=dict)
    provokes: tuple[str, ...] = ()
    takes_secrets: bool = False


def trigger_name(entry: EntryType) -> str:
    """The name under which documents know a ticket event: `ticket.opened`."""
    return f"ticket.{entry.value}"


_OPENED, _STARTED, _COMMENTED, _RESOLVED, _REOPENED = (
    trigger_name(entry)
    for entry in (
        EntryType.OPENED,
        EntryType.STARTED,
        EntryType.COMMENT_ADDED,
        EntryType.RESOLVED,
        EntryType.REOPENED,
    )
)
_TICKET = Field(Wants.TICKET, required=True)
_COMMENT = Field(Wants.TEXT)
_ANSWER = Fields({"outcome": TEXT, "ticket": Fields({**shape_of(ResultTicket).fields, "url": TEXT})})

ERROR = Fields({"code": TEXT, "message": TEXT})
"""What `{ref: node.error.…}` can name after an action failed."""

JUDGED = Fields({"holds": FLAG, "rows": Items(Fields({"holds": FLAG, "mismatch": TEXT, "rows": ANYTHING}))})
"""What `{ref: node.…}` can name of an `if`."""

ENTRY_OF: Mapping[str, EntryType] = {trigger_name(entry): entry for entry in TICKET_TRIGGERS}
"""What has happened to a ticket, by the name of the trigger that is for it."""

MANUAL, SCHEDULE, SIGNAL, TRANSITION = "manual", "schedule", "signal", "health.transition"

TRIGGERS: Mapping[str, TriggerKind] = {
    **{name: TriggerKind(shape_of(TicketEvent)) for name in ENTRY_OF},
    MANUAL: TriggerKind(Fields({"at": TIME, "actor": shape_of(Actor), "data": ANYTHING})),
    SCHEDULE: TriggerKind(
        Fields({"trigger": TEXT, "scheduled_at": TIME, "missed": NUMBER, "missed_at": Items(TIME)}),
        fields=("every", "cron", "zone", "missed"),
    ),
    SIGNAL: TriggerKind(
        Fields({"id": TEXT, "type": TEXT, "source": TEXT, "subject": TEXT, "time": TIME, "data": ANYTHING}),
        fields=("type", "source"),
    ),
    TRANSITION: TriggerKind(shape_of(Transition)),
}

ACTIONS: Mapping[str, ActionKind] = {
    "ticket.open": ActionKind(
        Verb.OPEN,
        fields={
            "title": Field(Wants.TEXT, required=True),
            "kind": Field(Wants.TEXT, required=True),
            "subject": Field(Wants.SUBJECT, required=True),
            "space": Field(Wants.TEXT),
            "integration": Field(Wants.TEXT),
            "description": Field(Wants.TEXT),
            "links": Field(Wants.LINKS),
            "dedup_key": Field(Wants.TEXT),
        },
        output=_ANSWER,
        sets_off=(_OPENED, _REOPENED),
        sets_off_with={},
    ),
    "ticket.start": ActionKind(
        Verb.START,
        fields={"ticket": _TICKET, "comment": _COMMENT},
        output=_ANSWER,
        sets_off=(_STARTED,),
        sets_off_with={"comment": _COMMENTED},
    ),
    "ticket.resolve": ActionKind(
        Verb.RESOLVE,
        fields={"ticket": _TICKET, "comment": _COMMENT},
        output=_ANSWER,
        sets_off=(_RESOLVED,),
        sets_off_with={"comment": _COMMENTED},
        provokes=(_REOPENED,),  # a ticket whose subject is still unhealthy
    ),
    "ticket.comment": ActionKind(
        Verb.COMMENT,
        fields={"ticket": _TICKET, "text": Field(Wants.TEXT, required=True)},
        output=_ANSWER,
        sets_off=(_COMMENTED,),
        sets_off_with={},
    ),
    "http.request": ActionKind(
        Means.CALL,
        fields={
            "method": Field(Wants.METHOD),
            "url": Field(Wants.TEXT, required=True),
            "query": Field(Wants.TEXTS),
            "headers": Field(Wants.TEXTS),
            "body": Field(Wants.JSON),
            "timeout_s": Field(Wants.SECONDS),
            "expects": Field(Wants.STATUSES),
        },
        output=Fields({"status": NUMBER, "headers": ANYTHING, "body": ANYTHING, "cut": FLAG}),
        takes_secrets=True,
    ),
    "notify": ActionKind(
        Means.CALL,
        fields={
            "channel": Field(Wants.TEXT, required=True),
            "text": Field(Wants.TEXT, required=True),
            "subject": Field(Wants.TEXT),
            "to": Field(Wants.ADDRESSES),
        },
        output=Fields({"outcome": TEXT, "channel": TEXT, "refused": Items(TEXT)}),
    ),
    "wait": ActionKind(
        Means.WAIT,
        fields={"for": Field(Wants.DURATION, required=True), "until_ticket": Field(Wants.WATCH)},
        output=Fields({"ended_by": TEXT}),
    ),
    "fail": ActionKind(Means.FAIL, fields={"message": Field(Wants.TEXT, required=True)}, output=Fields({})),
}

ANY_CHANGE = "any"
CHANGES = (ANY_CHANGE, *(entry.value for entry in EntryType if entry is not EntryType.OPENED))
"""What a `wait` can wait for: a ticket that is there is not opened again."""


def ends_runs(does: str) -> bool:
    """Whether a run is over with a node that does this."""
    kind = ACTIONS.get(does)
    return kind is not None and kind.does_by is Means.FAIL
