"""Secrets of an org."""

from typing import TypedDict


class Secret(TypedDict):
    """What may be known of a secret; its value is never shown. `key_id` names the key that it is sealed under."""

    name: str
    key_id: str
    saved_at: str
    saved_by: str
