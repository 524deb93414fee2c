"""Why there is or is not a ticket, as the pages say it: the answer of the health monitor with its evidence in words."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.views.words import HEALTH, condition, length
from fettle_contracts.times import parse_time
from fettle_contracts.transitions import HealthState

_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")

_TIMERS = {
    "silence": "Timeout",
    "open_debounce": "Open debounce",
    "resolve_debounce": "Resolve debounce",
    "stable_window": "Stable window",
    "condition": "Debounce of the new condition",
}

_RULES = {
    "timeout_s": "timeout",
    "default_interval_s": "interval where none is known",
    "open_debounce_s": "open debounce",
    "resolve_debounce_s": "resolve debounce",
    "flap_threshold": "changes until it flaps",
    "flap_flips_threshold": "flips until it flaps",
    "flap_window_s": "flap window",
    "flap_stable_s": "stable window",
    "rollup_threshold": "devices until they share a ticket",
    "rollup_window_s": "rollup window",
    "enabled": "judging",
    "publish_tickets": "publishing of tickets",
    "discover": "discovery",
    "subject_cap": "subject cap",
}

_BLIND = {"unobserved": "Nobody was observed", "stalled": "Judging stood still"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One piece of evidence: a name, and a text or a moment."""

    name: str
    value: str | datetime


@dataclass(frozen=True, slots=True)
class Rule:
    """One value of the policy that held, and which of its layers set it."""

    name: str
    value: str
    set_by: str


@dataclass(frozen=True, slots=True)
class Why:
    """The answer. `because` is a sentence in parts, its instants between the texts; `changes` are the single changes
    that would have decided otherwise, the smallest first, and without one `no_change` says why."""

    at: datetime
    because: Sequence[str | datetime]
    ticket: int | None
    facts: Sequence[Fact]
    rules: Sequence[Rule]
    policy_version: int | None
    changes: Sequence[str]
    no_change: str

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> "Why":
        policy = answer.get("policy") or {}
        changes = [answer["change"], *answer.get("others", ())] if answer.get("change") else []
        return cls(
            at=parse_time(answer["at"]),
            because=_with_times(answer["because"]),
            ticket=(answer.get("ticket") or {}).get("number"),
            facts=_facts(answer),
            rules=[
                Rule(_rule(name), _value(name, number["value"]), number["set_by"])
                for name, number in (policy.get("numbers") or {}).items()
            ],
            policy_version=policy.get("version"),
            changes=[_change(change) for change in changes],
            no_change=_sentence(answer.get("no_change") or ""),
        )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _with_times(sentence: str) -> list[str | datetime]:
    """The sentence with each of its instants as a time."""
    parts: list[str | datetime] = []
    last = 0
    for found in _INSTANT.finditer(sentence):
        parts += [sentence[last : found.start()], parse_time(found[0])]
        last = found.end()
    return [*parts, sentence[last:]]


def _facts(answer: Mapping[str, Any]) -> list[Fact]:
    state, wrong = answer.get("state"), answer.get("condition")
    told = [
        ("State", HEALTH[HealthState(state)] if state else None),
        ("Condition", condition(wrong) if wrong else None),
        ("Since", answer.get("since")),
        ("Last heard", answer.get("last_heard")),
        ("It reported", answer.get("reported")),
    ]
    if timer := answer.get("timer"):
        told.append((f"{_TIMERS[timer['what']]} {'ran out' if timer['ran_out'] else 'ends'}", timer["at"]))
    told += [(_BLIND[stretch["kind"]], stretch["since"]) for stretch in answer.get("blind", ())]
    return [Fact(name, _moment(value)) for name, value in told if value]


def _moment(value: str) -> str | datetime:
    return parse_time(value) if _INSTANT.fullmatch(value) else value


def _rule(name: str) -> str:
    return _RULES.get(name, name.replace("_", " "))


def _value(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    if not name.endswith("_s") or not isinstance(value, int | float):
        return str(value)
    return length(value) if value == int(value) else f"{value:g} s"


def _change(change: Mapping[str, Any]) -> str:
    """`open debounce 6 min instead of 10 min`; a silence, and what would have had to hold all along, in words of their
    own."""
    what, early = change["what"], change["from_the_beginning"]
    if what == "silence":
        return f"a silence of {length(change['length_s'])}" if change["wanted"] else "no silence"
    if what == "discover":
        wanted, present = "watching newcomers", "only listing them"
    else:
        present, wanted = (_value(what, change[which]) for which in ("present", "wanted"))
        wanted = f"{_rule(what)} {wanted}"
    return f"{wanted} from the beginning" if early else f"{wanted} instead of {present}"
