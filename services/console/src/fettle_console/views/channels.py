"""Channels and secrets as the page shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fettle_console.domain.channel_forms import KINDS
from fettle_contracts.times import parse_time


@dataclass(frozen=True, slots=True)
class ShownChannel:
    """Where messages go. `where` says it as far as it is no secret; `problem` is why its digest could not be sent."""

    name: str
    kind: str
    where: str
    sent: int
    cap: int
    held_back: int
    problem: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "ShownChannel":
        return cls(
            name=item["name"],
            kind=KINDS.get(item["kind"], item["kind"]),
            where=_where(item["settings"]),
            sent=item["sent_last_hour"],
            cap=item["hourly_cap"],
            held_back=item["held_back"],
            problem=str((item["digest_error"] or {}).get("message", "")),
        )


def _where(settings: Mapping[str, Any]) -> str:
    if settings.get("host"):
        whom = ", ".join(settings.get("to") or ()) or "whom the message names"
        return f"{whom}, by {settings['host']}"
    url = settings.get("url")
    return f"the address in the secret {url['secret']}" if isinstance(url, Mapping) else str(url or "")


@dataclass(frozen=True, slots=True)
class NamedSecret:
    """A secret by its name; its value is shown to nobody."""

    name: str
    saved_at: datetime
    saved_by: str

    @classmethod
    def of(cls, item: Mapping[str, Any]) -> "NamedSecret":
        return cls(item["name"], parse_time(item["saved_at"]), item["saved_by"])


def outcome(name: str, trial: Mapping[str, Any]) -> str:
    """What became of a trial of the channel."""
    if trial["outcome"] == "sent":
        refused = f" It was refused for {', '.join(trial['refused'])}." if trial["refused"] else ""
        return f"A test was sent over {name}.{refused}"
    return f"The test of {name} was not sent: {(trial['error'] or {}).get('message', 'No reason was given.')}"
