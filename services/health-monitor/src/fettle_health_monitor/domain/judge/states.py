"""What can be the matter with a subject, and what moves it from one state to the next.

Two kinds of events move a subject. Its *reading* turns: a heartbeat says something else, or the silence has become too
long. Or the reading has stayed what it is for a whole *debounce*. The two tables below are all there is, but for
three things that are in `judge.py`: a subject first heard of as unhealthy begins as pending; one that fires for one
condition, while another has lasted for the debounce, fires on for the other; and a subject whose reading turns, or
which is confirmed by a debounce, too often within the flap window flaps instead of going where the tables say, until
its reading has stayed what it is for the whole stable window. How often is counted in `flaps.py`.
"""

from collections.abc import Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType


class State(IntEnum):
    """The states of a subject that one shard can tell. Stored as one byte a subject; the value of a published state is
    never given to another.

    The sixth that the world sees, `unknown`, is not among them: that everybody is silent is a fact about an org, and no
    shard sees an org. The correlator lays it over these (`domain/correlator/unseen.py`, decision 46)."""

    HEALTHY = 0
    PENDING_OPEN = 1
    FIRING = 2
    PENDING_RESOLVE = 3
    FLAPPING = 4

    @property
    def word(self) -> str:
        return self.name.lower()


class Reading(IntEnum):
    """What the last heartbeat, or the silence since then, says of a subject."""

    OK = 0
    SILENT = 1
    OFFLINE = 2
    UNREACHABLE = 3
    CREDENTIALS_INVALID = 4

    @property
    def word(self) -> str:
        return self.name.lower()


class Condition(IntEnum):
    """What is wrong with a subject that is not healthy."""

    NONE = 0
    DEVICE_OFFLINE = 1
    INTEGRATION_UNREACHABLE = 2
    INTEGRATION_CREDENTIALS_INVALID = 3

    @property
    def word(self) -> str | None:
        return self.name.lower() if self else None


class Reason(StrEnum):
    """Why a subject changed."""

    FIRST_HEARD = "first_heard"
    REGISTERED = "registered"
    FORGOTTEN = "forgotten"
    REPORTED = "reported"
    """A heartbeat said so."""
    SILENT = "silent"
    """Nothing was heard for the subject's whole timeout."""
    DEBOUNCE_PASSED = "debounce_passed"
    """The reading has stayed as it is for the whole debounce."""
    CONDITION_CHANGED = "condition_changed"
    """Something else than what it fires for has been wrong for the whole open debounce."""
    CHANGED_TOO_OFTEN = "changed_too_often"
    """Too many confirmed changes within the flap window."""
    FLIPPED_TOO_OFTEN = "flipped_too_often"
    """Too many flips of the reading within the flap window."""
    STABLE = "stable"
    """The reading has stayed as it is for the whole stable window."""
    POLICY_CHANGED = "policy_changed"
    """Under the new policy the silence is not too long yet."""
    REGISTRATION_CHANGED = "registration_changed"
    """By what the registry now says of the subject the silence is not too long yet."""
    JUDGED_AGAIN = "judged_again"
    """What was heard while the shard could not judge now counts."""


WHEN_READING_TURNS: Mapping[tuple[State, bool], State] = MappingProxyType(
    {
        # (state, the reading is now healthy) -> state
        (State.HEALTHY, False): State.PENDING_OPEN,
        (State.PENDING_OPEN, True): State.HEALTHY,
        (State.FIRING, True): State.PENDING_RESOLVE,
        (State.PENDING_RESOLVE, False): State.FIRING,
    }
)

WHEN_DEBOUNCE_PASSES: Mapping[State, State] = MappingProxyType(
    {
        State.PENDING_OPEN: State.FIRING,
        State.PENDING_RESOLVE: State.HEALTHY,
    }
)

_OF_DEVICES = MappingProxyType(
    {
        Reading.OK: Condition.NONE,
        Reading.SILENT: Condition.DEVICE_OFFLINE,
        Reading.OFFLINE: Condition.DEVICE_OFFLINE,
    }
)
_OF_INTEGRATIONS = MappingProxyType(
    {
        Reading.OK: Condition.NONE,
        Reading.SILENT: Condition.INTEGRATION_UNREACHABLE,
        Reading.UNREACHABLE: Condition.INTEGRATION_UNREACHABLE,
        Reading.CREDENTIALS_INVALID: Condition.INTEGRATION_CREDENTIALS_INVALID,
    }
)
CONDITIONS: Mapping[str, Mapping[Reading, Condition]] = MappingProxyType(
    {"device": _OF_DEVICES, "integration": _OF_INTEGRATIONS}
)
"""The condition that a reading means, by the type of its subject; a reading that is not there cannot be reported."""

SILENCE_SAYS_MORE = frozenset({Reading.OK, Reading.CREDENTIALS_INVALID})
"""The readings that silence turns; after the others it says what is known."""
