"""The two small languages inside documents, as ports: templates (text with values) and conditions (CEL).

Both are functions of their arguments: no clock, no randomness, nothing outside. What makes them stop is a limit on
what they may do, not on how long they may take, so a run that is resumed elsewhere gets the same text again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fettle_workflow_engine.domain.faults import Place


@dataclass(frozen=True, slots=True)
class Mention:
    """A value that a source names: `event.ticket.kind`, and where in the source it does."""

    path: tuple[str, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with a source by itself, and where in it."""

    message: str
    place: Place
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What can be known of a source without running it."""

    mentions: tuple[Mention, ...] = ()
    complaints: tuple[Complaint, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a condition holds; `problem` says why it could not be decided, and then it does not hold."""

    holds: bool
    problem: str | None = None


class RenderFailed(Exception):
    """A template met a value that is not there or cannot be used so, or became too long. The text says which."""


class Templates(Protocol):
    """Text with values in it."""

    def read(self, source: str) -> Reading:
        """Never raises; what is wrong is in the reading."""

    def render(self, source: str, scope: Mapping[str, Any]) -> str:
        """At most 64 KiB of UTF-8. Raises RenderFailed. `source` has been read without complaint."""


class Conditions(Protocol):
    """Expressions that are true or false of data. Judging one takes at most 10 ms; what could take longer is not begun
    and does not hold, by how large expression and data are and not by a clock."""

    def read(self, source: str) -> Reading:
        """Never raises; what is wrong is in the reading."""

    def judge(self, sources: Sequence[str], event: Mapping[str, Any]) -> list[Verdict]:
        """One verdict per source, in their order, over one event. Never raises."""

    def judge_in(self, source: str, scope: Mapping[str, Any]) -> Verdict:
        """The verdict over all that a node can name. Never raises."""

    def read_pattern(self, pattern: str) -> str | None:
        """What is wrong with a regular expression, or None."""

    def matches(self, pattern: str, text: str) -> Verdict:
        """Whether the regular expression is found in the text. Never raises."""


@dataclass(frozen=True, slots=True)
class Languages:
    """Both, for those who need both."""

    templates: Templates
    conditions: Conditions
