"""Times of a health policy that would both hold for some subject and cannot: timeouts and intervals, debounces and
rollup windows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]

_DEBOUNCE, _WINDOW = "open_debounce_s", "rollup_window_s"


@dataclass(frozen=True, slots=True)
class Said:
    """The rules that the org, or an override, sets. `place`: where they stand in the policy; `of`: whose they are, for
    people."""

    place: Place
    of: str
    rules: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Conflict:
    """The field that brings the two together, and why that cannot be."""

    place: Place
    message: str


def first_conflict(levels: Sequence[Iterable[Said]]) -> Conflict | None:
    """The first `timeout_s` under the `default_interval_s` that holds with it for a subject that there could be.

    A later level wins field by field, and of each level at most one applies to a subject: so what is set at one meets
    the shortest timeout and the longest interval of the levels before it. What nobody says conflicts with nothing. It
    takes time in proportion to what is said.
    """
    shortest: Said | None = None
    longest: Said | None = None
    for level in levels:
        before = shortest, longest
        for one in level:
            timeout = one if "timeout_s" in one.rules else before[0]
            interval = one if "default_interval_s" in one.rules else before[1]
            if (one is timeout or one is interval) and (found := _conflict(one, timeout, interval)) is not None:
                return found
            if one.rules.get("timeout_s") is not None:
                shortest = _least(shortest, one, "timeout_s", 1)
            if one.rules.get("default_interval_s") is not None:
                longest = _least(longest, one, "default_interval_s", -1)
    return None


def first_debounce_conflict(
    own: Said, integrations: Iterable[Said], others: Iterable[Said], *, field: str
) -> Conflict | None:
    """The first `open_debounce_s` that is not below the `rollup_window_s` of the org, or of an integration that the
    subject could be behind. `own` has both, as the platform's defaults hold too; `field` is the one to name of it.

    Lost heartbeats go by the org's window, whatever integrations have; shared tickets by the integration's.
    """
    if (found := _late(own, own, own, field)) is not None:
        return found
    shortest: Said | None = None
    for one in integrations:
        debounce = one if _DEBOUNCE in one.rules else own
        for window in (own, one):
            if _WINDOW in window.rules and not debounce is window is own:
                name = _DEBOUNCE if debounce is one else _WINDOW
                if (found := _late(one, debounce, window, name)) is not None:
                    return found
        if _WINDOW in one.rules:
            shortest = _least(shortest, one, _WINDOW, 1)
    for one in others:
        for window in (own,) if shortest is None else (own, shortest):
            if _DEBOUNCE in one.rules and (found := _late(one, one, window, _DEBOUNCE)) is not None:
                return found
    return None


def _late(one: Said, debounce: Said, window: Said, field: str) -> Conflict | None:
    lasting_s, window_s = debounce.rules[_DEBOUNCE], window.rules[_WINDOW]
    if lasting_s < window_s:
        return None
    return Conflict(
        (*one.place, field),
        f"{_DEBOUNCE} {lasting_s} is not below {_WINDOW} {window_s} for {_whose(one, window, debounce)}: devices that "
        "fail together would share no ticket, and lost heartbeats would not be noticed",
    )


def _conflict(one: Said, timeout: Said | None, interval: Said | None) -> Conflict | None:
    if timeout is None or interval is None:
        return None
    silent_s, interval_s = timeout.rules["timeout_s"], interval.rules["default_interval_s"]
    if silent_s is None or silent_s >= interval_s:
        return None
    return Conflict(
        (*one.place, "timeout_s" if timeout is one else "default_interval_s"),
        f"timeout_s {silent_s} is under default_interval_s {interval_s} for {_whose(one, timeout, interval)}: "
        "every subject would be silent between two heartbeats",
    )


def _whose(one: Said, left: Said, right: Said) -> str:
    other = right if left is one else left
    return one.of if other is one else f"{one.of} (with what is set for {other.of})"


def _least(known: Said | None, one: Said, rule: str, sign: int) -> Said:
    return one if known is None or sign * one.rules[rule] < sign * known.rules[rule] else known
