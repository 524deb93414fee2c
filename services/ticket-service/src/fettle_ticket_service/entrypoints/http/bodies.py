"""What writes carry. Limits are the domain's to check: its answer names the rule."""

from fettle_contracts.message import Message
from fettle_contracts.people import Link, Subject


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
    comment: str = ""


class DescriptionBody(Message):
    description: str


class LinksBody(Message):
    links: tuple[Link, ...]
