"""The registry: subjects that people have entered, and what is said of them there."""

from typing import Annotated

from pydantic import AfterValidator, Field

from fettle_contracts.heartbeat import INTERVAL_MAX_S, INTERVAL_MIN_S
from fettle_contracts.identity import SPACE_MAX_BYTES, SUBJECT_ID_MAX_BYTES, SubjectId
from fettle_contracts.message import Message
from fettle_health_monitor.domain import control


def _within(limit: int) -> AfterValidator:
    def check(text: str) -> str:
        if len(text.encode()) > limit:
            raise ValueError(f"must have at most {limit} bytes")
        if not text.isprintable():
            raise ValueError("must have no control characters")
        return text

    return AfterValidator(check)


Text = Annotated[str, Field(min_length=1), _within(SUBJECT_ID_MAX_BYTES)]
Place = Annotated[str, Field(min_length=1), _within(SPACE_MAX_BYTES)]


class Registration(Message):
    """What the registry says of a subject. A field left out is left to its heartbeats."""

    name: Text | None = None
    integration: SubjectId | None = None
    space: Place | None = None
    model: Text | None = None
    interval_s: int | None = Field(default=None, ge=INTERVAL_MIN_S, le=INTERVAL_MAX_S)

    def statement(self) -> control.Register:
        """What the subject's shard is told."""
        return control.Register(
            name=self.name,
            integration=self.integration,
            space=self.space,
            model=self.model,
            interval_s=self.interval_s,
        )
