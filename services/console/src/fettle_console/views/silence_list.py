"""Silences as their list shows them: whom, when, how often again, and what each has held back."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fettle_console.views.words import condition
from fettle_contracts.times import parse_time

TABS = (("active", "Active"), ("upcoming", "Coming"), ("ended", "Ended"))

_FREQUENCIES = {"HOURLY": "hour", "DAILY": "day", "WEEKLY": "week", "MONTHLY": "month", "YEARLY": "year"}
_DAYS = {"MO": "Mon", "TU": "Tue", "WE": "Wed", "TH": "Thu", "FR": "Fri", "SA": "Sat", "SU": "Sun"}
_TOLD = {"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY"}


@dataclass(frozen=True, slots=True)
class ListedSilence:
    """One row: a silence, or a selection (`subjects` of it). `path` leads to its subject, or to all of the selection;
    `since` and `until` are the occurrence under way or next, of what is over the first start and the end."""

    ends: str
    state: str
    name: str
    subject: str
    path: str
    subjects: int
    since: datetime
    until: datetime
    last: datetime
    again: str
    reason: str
    made_by: str
    removed_by: str
    held: int
    held_words: str

    @classmethod
    def of(cls, org: str, item: Mapping[str, Any], *, alone: bool) -> "ListedSilence":
        """`alone`: not as part of its selection, though it may be of one."""
        ended = parse_time(item["removed_at"] or item["ends_at"])
        many = item["subjects"] > 1 and not alone
        type_, _, id_ = item["subject"].partition("/")
        one = f"/orgs/{org}/health/{type_}/{quote(id_)}"
        return cls(
            ends=item["selection"] if many else item["id"],
            state=item["state"],
            name=item.get("name") or id_,
            subject=item["subject"],
            path=f"/orgs/{org}/health/silences?selection={item['selection']}" if many else one,
            subjects=item["subjects"] if many else 1,
            since=parse_time(item["from"] or item["starts_at"]),
            until=parse_time(item["until"]) if item["until"] else ended,
            last=ended,
            again=recurrence(item["rrule"], item["zone"]) if item["rrule"] else "",
            reason=item["reason"] or "",
            made_by=item["made_by"],
            removed_by=item["removed_by"] or "",
            held=item["held"]["count"],
            held_words=", ".join(condition(one["condition"]) for one in item["held"]["latest"][:3]),
        )


def recurrence(rule: str, zone: str | None) -> str:
    """An RFC 5545 rule in words; one that says more than these words can stands as it is."""
    parts = dict(part.split("=", 1) for part in rule.removeprefix("RRULE:").split(";") if "=" in part)
    frequency = _FREQUENCIES.get(parts.get("FREQ", ""))
    days = [_DAYS.get(day, "") for day in parts.get("BYDAY", "").split(",") if day]
    clock = f", by the clock of {zone}" if zone else ""
    if frequency is None or not set(parts) <= _TOLD or not all(days):
        return f"again by {rule}{clock}"
    every = int(parts.get("INTERVAL", "1"))
    words = f"every {frequency}" if every == 1 else f"every {every} {frequency}s"
    if days:
        words += f" on {', '.join(days)}"
    if "COUNT" in parts:
        words += f", {parts['COUNT']} times"
    if "UNTIL" in parts:
        until = parts["UNTIL"]
        words += f", until {until[:4]}-{until[4:6]}-{until[6:8]}"
    return words + clock


@dataclass(frozen=True, slots=True)
class Cover:
    """What a silence would come to, in words: whom (`12 devices`), the first few of them by name, and when."""

    whom: str
    few: str
    more: int
    occurrences: list[tuple[datetime, datetime]]
    ends_at: datetime
    starts_now: bool

    @classmethod
    def of(cls, answer: Mapping[str, Any], now: datetime) -> "Cover":
        preview = answer["preview"]
        kinds = [(preview["devices"], "device"), (preview["integrations"], "integration")]
        whom = " and ".join(f"{count:,} {noun}{'' if count == 1 else 's'}" for count, noun in kinds if count)
        first = [one["name"] or one["id"] for one in preview["first"]]
        occurrences = [(parse_time(one["from"]), parse_time(one["until"])) for one in preview["occurrences"]]
        return cls(
            whom=whom or "Nobody",
            few=", ".join(first),
            more=answer["count"] - len(first),
            occurrences=occurrences,
            ends_at=parse_time(preview["ends_at"]),
            starts_now=bool(occurrences) and occurrences[0][0] <= now,
        )
