"""Tickets, their timelines, and the org's policy about them."""

from typing import Any, Literal, NotRequired, TypedDict

from fettle_client.shapes.people import Actor, Link, Subject, SubjectType

TicketState = Literal["open", "in_progress", "resolved"]
AnyState = Literal["open", "in_progress", "resolved", "all"]
TicketSource = Literal["health_monitor", "user", "workflow", "platform_outage"]
TicketOrder = Literal["opened", "-opened", "updated", "-updated", "number", "-number"]
EntryOrder = Literal["version", "-version"]
"""`-` is newest or highest first."""
SeldomEntry = Literal["reopened", "description-edited"]


class TicketLink(TypedDict):
    """Another ticket of the same org."""

    id: str
    number: int


class Child(TypedDict):
    """A ticket whose parent this one is."""

    number: int
    title: str
    state: TicketState


class Member(TypedDict):
    """One of the subjects that share a ticket."""

    type: SubjectType
    id: str
    name: str | None
    recovered: bool
    recovered_at: str | None


class Checklist(TypedDict):
    """The members of a shared ticket; `items` are the first hundred of `total`."""

    total: int
    recovered: int
    items: list[Member]


class _Ticket(TypedDict):
    id: str
    number: int
    title: str
    description_version: int
    state: TicketState
    source: TicketSource
    kind: str
    subject: Subject
    integration: str | None
    space: str | None
    opened_at: str
    opened_by: Actor
    started_at: str | None
    started_by: Actor | None
    resolved_at: str | None
    resolved_by: Actor | None
    resolution: Literal["by_person", "by_workflow", "recovered", "merged", "superseded", "removed"] | None
    updated_at: str
    flap_count: int
    parent: TicketLink | None
    previous: TicketLink | None
    links: list[Link]
    checklist: Checklist
    dedup_key: str | None
    version: int
    url: str


class Ticket(_Ticket):
    """One incident about one subject. `version` grows by one with every entry of the timeline. Only `get_ticket` shows
    the `children`, the first hundred, and whether there are more."""

    description: str
    children: NotRequired[list[Child]]
    more_children: NotRequired[bool]


class Entry(TypedDict):
    """One line of a timeline. `body` is Markdown, `evidence` is why an automated entry was made."""

    id: str
    type: Literal[
        "opened",
        "started",
        "moved-to-open",
        "comment-added",
        "resolved",
        "reopened",
        "description-edited",
        "links-edited",
        "checklist-changed",
    ]
    version: int
    at: str
    actor: Actor
    body: str | None
    evidence: dict[str, Any] | None
    hash: str | None


class ListedTicket(_Ticket):
    """A ticket in a list: without its description, with its latest entry."""

    latest_entry: Entry


class LinkPattern(TypedDict):
    """Text that matches `pattern` (a regular expression) points to `url`, in which `$0` is the matched text."""

    pattern: str
    url: str


class TicketPolicy(TypedDict, total=False):
    """What an org decides about its tickets; what is left out when it is put gets the platform's default. `version`
    counts its changes; what stands there when it is put is passed over."""

    version: int
    reopen_window_s: int
    retention_days: int
    report_issue_enabled: bool
    link_patterns: list[LinkPattern]
