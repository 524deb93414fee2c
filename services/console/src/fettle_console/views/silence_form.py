"""What the form for a new silence holds, and what is asked of the health monitor by it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from fettle_console.domain.zones import zone_of
from fettle_console.views.silences import LENGTH_S
from fettle_contracts.times import NoSuchTime, instant_of, rfc3339

UNITS = ((60, "minutes"), (3600, "hours"), (86_400, "days"))
RULES = (
    ("", "Just once"),
    ("FREQ=DAILY", "Every day"),
    ("FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "Monday to Friday"),
    ("FREQ=WEEKLY", "Every week"),
    ("FREQ=MONTHLY", "Every month"),
    ("custom", "By a rule (RFC 5545)"),
)


class Unclear(Exception):
    """Something typed that cannot be sent as it is: which field, and what it must be."""

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.field, self.rule = field, rule


@dataclass(frozen=True, slots=True)
class SilenceForm:
    """As typed. `whom` is `subject` or `selection`; `length` seconds, or `other`: then `number` of `unit` seconds."""

    whom: str = "subject"
    subject: str = ""
    type: str = ""
    integration: str = ""
    space: str = ""
    model: str = ""
    start: str = ""
    zone: str = "UTC"
    length: str = str(LENGTH_S)
    number: str = ""
    unit: str = "3600"
    rule: str = ""
    custom: str = ""
    times: str = ""
    reason: str = ""

    @classmethod
    def read(cls, said: Mapping[str, Any], home: str = "UTC") -> "SilenceForm":
        """Of a form or an address; without a zone it is by the clock of `home`. One that names a filter and no subject
        is about a selection."""
        fields = {name: str(said[name]).strip() for name in cls.__dataclass_fields__ if said.get(name) is not None}
        fields["zone"] = fields.get("zone") or home
        if "whom" not in fields and not fields.get("subject"):
            narrowed = any(fields.get(name) for name in ("type", "integration", "space", "model"))
            fields["whom"] = "selection" if narrowed else "subject"
        return cls(**fields)

    @property
    def digest(self) -> str:
        """Names what was typed, so that nothing else is made than what was shown."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def says_whom(self) -> bool:
        if self.whom == "subject":
            return bool(self.subject)
        return bool(self.type or self.integration or self.space or self.model)

    def body(self) -> dict[str, Any]:
        """What is sent. Raises Unclear."""
        body: dict[str, Any] = {"length_s": self._length()}
        if self.whom == "subject":
            body["subject"] = self.subject
        else:
            named = {name: getattr(self, name) for name in ("type", "integration", "space", "model")}
            body["filter"] = {name: value for name, value in named.items() if value}
        if self.start:
            body["starts_at"] = self._start()
        if rule := self._rule():
            body["rrule"], body["zone"] = rule, self.zone
        if self.reason:
            body["reason"] = self.reason
        return body

    def _length(self) -> int:
        try:
            if self.length != "other":
                return int(self.length)
            return round(float(self.number.replace(",", ".")) * int(self.unit))
        except (ValueError, OverflowError):
            raise Unclear("length", "must be a number, such as 90 minutes") from None

    def _start(self) -> str:
        zone = zone_of(self.zone)
        if zone is None:
            raise Unclear("zone", f"there is no time zone {self.zone}; one is for instance Europe/Oslo")
        try:
            local = datetime.fromisoformat(self.start)
            return rfc3339(local.astimezone(UTC) if local.tzinfo else instant_of(local, zone))
        except NoSuchTime as error:
            raise Unclear("start", f"{error}; {error.way_out}") from None
        except (ValueError, OverflowError):
            raise Unclear("start", "must be a date and time") from None

    def _rule(self) -> str:
        rule = self.custom if self.rule == "custom" else self.rule
        if not rule or not self.times:
            return rule
        if not self.times.isdecimal():
            raise Unclear("times", "must be a whole number")
        return f"{rule};COUNT={int(self.times)}"
