"""Channels of an org."""

from typing import Any, Literal, TypedDict

from fettle_client.shapes.workflows import Reason

ChannelKind = Literal["email", "slack", "teams", "webhook", "apprise"]


class Channel(TypedDict):
    """Where messages go. `settings` are those of its kind, secrets in them by name. `sent_last_hour` counts for
    `hourly_cap`, `held_back` waits for a digest; `digest_error` is why that could not be sent last."""

    name: str
    kind: ChannelKind
    settings: dict[str, Any]
    hourly_cap: int
    saved_at: str
    saved_by: str
    sent_last_hour: int
    held_back: int
    digest_error: Reason | None


class Trial(TypedDict):
    """What became of a test message; `refused` are recipients that the mail server did not take it for."""

    outcome: Literal["sent", "failed"]
    error: Reason | None
    refused: list[str]
