"""What comes of folding a batch of records. (How verdicts end, their outcomes, is the correlator's.)"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from fettle_health_monitor.domain.control import Pulse
from fettle_health_monitor.domain.judge.refusals import Refusal
from fettle_health_monitor.domain.judgements import Judgement


class Ignored(StrEnum):
    """Why a record that is as it should be was not judged; counted, never dead-lettered."""

    UNKNOWN_ORG = "unknown_org"
    SWITCHED_OFF = "switched_off"
    LIST_ONLY = "list_only"
    SUBJECT_CAP = "subject_cap"
    CONTROL_REPEATED = "control_repeated"
    BEFORE_HELLO = "before_hello"


@dataclass(slots=True)
class Folded:
    """`judgements` in the order of their places, `refusals` to be dead-lettered, `ignored` to be counted, `pulse` the
    last one read."""

    judgements: list[Judgement] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    ignored: Counter[Ignored] = field(default_factory=Counter)
    pulse: Pulse | None = None
