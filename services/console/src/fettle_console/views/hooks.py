"""Secrets of hooks as their page shows them: never their texts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_contracts.times import parse_time


@dataclass(frozen=True, slots=True)
class HookSecret:
    """One that holds, until `ends_at` if another one came after it. Not `usable`: its key is gone."""

    id: str
    made_at: datetime
    made_by: str
    ends_at: datetime | None
    usable: bool

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "HookSecret":
        ends_at = parse_time(item["ends_at"]) if item["ends_at"] else None
        return cls(item["id"], parse_time(item["made_at"]), item["made_by"], ends_at, item["usable"])
