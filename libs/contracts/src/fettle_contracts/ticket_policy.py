"""The ticket policy of an org."""

from typing import Annotated

from pydantic import Field

from fettle_contracts.message import Message

LINK_PATTERNS_LIMIT = 20

Pattern = Annotated[str, Field(min_length=1, max_length=200)]
Url = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"^https?://")]


class LinkPattern(Message):
    """Text that matches `pattern` (a regular expression) points to `url`, in which `$0` is the matched text."""

    pattern: Pattern
    url: Url


class TicketPolicy(Message):
    """What an org decides about its tickets; a field left out has the platform's default."""

    reopen_window_s: int = Field(default=3600, ge=0, le=30 * 86_400)
    retention_days: int = Field(default=365, ge=5, le=365)
    report_issue_enabled: bool = True
    link_patterns: tuple[LinkPattern, ...] = Field(default=(), max_length=LINK_PATTERNS_LIMIT)
