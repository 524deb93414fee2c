"""The registry: subjects that people have entered, and what is said of them there."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StrictInt

from fettle_contracts.health_policy import HealthPolicy, effective
from fettle_contracts.heartbeat import (
    INTERVAL_MAX_S,
    INTERVAL_MIN_S,
    SPACE_MAX_CHARACTERS,
    TEXT_MAX_CHARACTERS,
    at_most,
)
from fettle_contracts.identity import SubjectId, SubjectRef
from fettle_contracts.message import Message
from fettle_health_monitor.domain import control

Text = Annotated[str, Field(min_length=1), at_most(TEXT_MAX_CHARACTERS)]
Place = Annotated[str, Field(min_length=1), at_most(SPACE_MAX_CHARACTERS)]


class Registration(Message):
    """What the registry says of a subject. A field left out is left to its heartbeats."""

    name: Text | None = None
    integration: SubjectId | None = None
    space: Place | None = None
    model: Text | None = None
    interval_s: StrictInt | None = Field(default=None, ge=INTERVAL_MIN_S, le=INTERVAL_MAX_S)

    def of(self, subject: SubjectRef) -> "Registration":
        """What of it can be said of this subject: an integration is behind none."""
        return self.model_copy(update={"integration": None}) if subject.type == "integration" else self

    def statement(self, heard: control.Heard | None = None) -> control.Register:
        """What the subject's shard is told, with what it should know of the subject's heartbeats."""
        return control.Register(
            name=self.name,
            integration=self.integration,
            space=self.space,
            model=self.model,
            interval_s=self.interval_s,
            heard=heard,
        )


@dataclass(frozen=True, slots=True)
class Present:
    """What is known of a subject before it is entered: what the registry says of it, if it does, and its heartbeats."""

    registration: Registration | None = None
    heard: control.Heard = control.NOTHING_HEARD

    @property
    def left_open(self) -> control.Heard | None:
        """What counts where the registry says less of it from now on. Of one that is not entered its shard knows better
        what it has said, if it has not just been removed."""
        return None if self.registration is None else self.heard


class Entering(StrEnum):
    """What entering a subject comes to. `unchanged` writes nothing."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Refused:
    """A subject that is not entered: which field broke which rule."""

    field: str
    rule: str


def entering(subject: SubjectRef, said: Registration, present: Present, policy: HealthPolicy) -> Entering | Refused:
    """What becomes of `said` under the org's newest policy.

    Refused is an interval above the timeout that the policy sets for the subject: it would be silent between two
    heartbeats. Integration and model are what is said now, else what was heard.
    """
    if said.interval_s is not None and any(timeout_s is not None for timeout_s in policy.timeouts.values()):
        integration, model = said.integration or present.heard.integration, said.model or present.heard.model
        rules = effective(policy, integration, model, subject)
        if rules.timeout_s is not None and said.interval_s > rules.timeout_s:
            source = rules.sources["timeout_s"]
            return Refused(
                "interval_s",
                f"interval_s {said.interval_s} is above timeout_s {rules.timeout_s}, which is set for "
                f"{'the org' if source == 'org' else source}: the subject would be silent between two heartbeats",
            )
    if present.registration is None:
        return Entering.ADDED
    return Entering.UNCHANGED if present.registration == said else Entering.CHANGED
