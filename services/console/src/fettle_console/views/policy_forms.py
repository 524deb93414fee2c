"""What is typed into the forms of the policies page, put into the policy that is there."""

from collections.abc import Mapping
from typing import Any

from fettle_contracts.health_policy import RULES

AUTO = "auto"


class Mistyped(Exception):
    """Something that is no value of its field."""


def with_rules(policy: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """The policy with the org's own rules as typed; an empty field is the platform's. Raises Mistyped."""
    wanted = {name: value for name, value in policy.items() if name not in RULES}
    wanted |= _rules(typed)
    if typed.get("discover"):
        wanted["discover"] = typed["discover"]
    if typed.get("subject_cap", "").strip():
        wanted["subject_cap"] = _number("subject_cap", typed["subject_cap"])
    return wanted


def with_override(policy: Mapping[str, Any], place: int | None, typed: Mapping[str, str]) -> dict[str, Any]:
    """The policy with an override in the place of the one there, or behind all; an empty field is not overridden.
    Raises Mistyped."""
    kind, value = typed.get("kind", ""), typed.get("value", "").strip()
    if not value:
        raise Mistyped("value: say which integration, model or subject this is for")
    override = {"match": {kind: value}, **_rules(typed)}
    present = list(policy.get("overrides", ()))
    if place is None or not 0 <= place < len(present):
        present.append(override)
    else:
        present[place] = override
    return {**policy, "overrides": present}


def without_override(policy: Mapping[str, Any], place: int | None) -> dict[str, Any]:
    """The policy without the override there. Raises Mistyped."""
    present = list(policy.get("overrides", ()))
    if place is None or place >= len(present):
        raise Mistyped("There is no such override. Load the page again")
    return {**policy, "overrides": present[:place] + present[place + 1 :]}


def with_switch(policy: Mapping[str, Any], typed: Mapping[str, str]) -> dict[str, Any]:
    """The policy with one of its switches as typed. Raises Mistyped."""
    name, on = typed.get("switch", ""), typed.get("on") == "true"
    if name not in ("enabled", "publish_tickets"):
        raise Mistyped("switch: must be enabled or publish_tickets")
    existing = {"publish_existing": True} if on and typed.get("existing") else {}
    return {**policy, name: on, **existing}


def ticket_policy(typed: Mapping[str, str]) -> dict[str, Any]:
    """The ticket policy as typed. A link pattern is a line: the pattern, a blank, the address. Raises Mistyped."""
    lines = [line.strip() for line in typed.get("link_patterns", "").splitlines() if line.strip()]
    patterns = []
    for line in lines:
        pattern, _, url = line.rpartition(" ")
        if not pattern.strip():
            raise Mistyped(f"link_patterns: {line} must be a pattern and the address that it leads to")
        patterns.append({"pattern": pattern.strip(), "url": url})
    return {
        "reopen_window_s": _number("reopen_window_s", typed.get("reopen_window_s", "")),
        "retention_days": _number("retention_days", typed.get("retention_days", "")),
        "report_issue_enabled": typed.get("report_issue_enabled") == "true",
        "link_patterns": patterns,
    }


def _rules(typed: Mapping[str, str]) -> dict[str, Any]:
    said = {name: typed.get(name, "").strip() for name in RULES}
    found: dict[str, Any] = {}
    for name, text in said.items():
        if name == "timeout_s" and text.lower() == AUTO:
            found[name] = None
        elif text:
            found[name] = _number(name, text)
    return found


def _number(name: str, text: str) -> int:
    if not text.strip().isdecimal():
        raise Mistyped(f"{name}: must be a whole number")
    return int(text)
