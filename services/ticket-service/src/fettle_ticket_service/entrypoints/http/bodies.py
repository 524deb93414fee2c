"""What writes carry. Limits are the domain's to check: its answer names the rule."""

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StrictInt, model_validator

from fettle_chassis.http import keepable
from fettle_contracts.message import Message
from fettle_contracts.people import Link, Subject
from fettle_contracts.ticket_policy import LINK_PATTERNS_LIMIT, LinkPattern, Pattern, TicketPolicy, Url
from fettle_ticket_service.adapters.orgs import NumberedPolicy

BULK_MAX = 200
"""Tickets in one request."""


class OpenBody(Message):
    """A person's report, or a program's: `dedup_key` makes repeated reports one ticket."""

    title: str = ""
    kind: str = "user_report"
    subject: Subject
    space: str | None = None
    description: str = ""
    links: tuple[Link, ...] = ()
    dedup_key: str | None = None


class MoveBody(Message):
    """What is said along with a change of state."""

    comment: str | None = None


class CommentBody(Message):
    """A comment: Markdown, at most 64 KiB."""

    comment: str = ""


class BulkAction(StrEnum):
    """What can be done to many tickets at once."""

    START = "start"
    MOVE_TO_OPEN = "move-to-open"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    COMMENT = "comment"


class BulkBody(Message):
    """`comment` is said on each ticket, along with the move or as all there is to do."""

    action: BulkAction
    numbers: Annotated[tuple[StrictInt, ...], Field(min_length=1, max_length=BULK_MAX)]
    comment: str | None = None


class DescriptionBody(Message):
    """The whole description: Markdown, at most 64 KiB."""

    description: str


class LinksBody(Message):
    """All links, at most ten."""

    links: tuple[Link, ...]


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is not a regular expression: {error}") from None
    return pattern


class WantedLinkPattern(LinkPattern, extra="forbid"):
    """A rule for texts that become links."""

    pattern: Annotated[Pattern, AfterValidator(keepable), AfterValidator(_compiles)]
    url: Annotated[Url, AfterValidator(keepable)]


class WantedPolicy(TicketPolicy, extra="forbid"):
    """A policy to put in the place of the present one; a field that no policy has is refused. The version that an
    answer shows besides may stand in it and is passed over."""

    version: Any = None
    link_patterns: tuple[WantedLinkPattern, ...] = Field(default=(), max_length=LINK_PATTERNS_LIMIT)

    @model_validator(mode="after")
    def _can_be_kept(self) -> Self:
        if self.reopen_window_s > self.retention_days * 86_400:
            rule = f"a ticket is gone {self.retention_days} days (retention_days) behind its end, so reopen_window_s"
            raise ValueError(f"{rule} is {self.retention_days * 86_400} at most")
        return self

    def numbered(self, version: int) -> NumberedPolicy:
        said = {name: getattr(self, name) for name in TicketPolicy.model_fields}
        return NumberedPolicy.model_construct(**said, version=version)
