"""HMAC-SHA256 signatures over Fettle's own commands, events and control records, with key ids.

On Kafka a consumer cannot see who produced; what counts as Fettle's own counts only with a valid signature.
Header `fettle-signature: <key id>:<base64url mac>`. Pure: no clock, no I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from fettle_contracts.cloudevents import CloudEvent

SIGNATURE_HEADER = "fettle-signature"

RefusalCode = Literal["unsigned", "bad_signature", "unknown_key", "stale"]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with its id. `secret` is 32 bytes or more and never shown in a repr."""

    id: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verified:
    """The signature is right; `key_id` made it."""

    key_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The signature does not count, and why."""

    code: RefusalCode
    message: str


class Signer:
    """Signs with the first (newest) key."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        raise NotImplementedError

    def sign_event(self, event: CloudEvent) -> CloudEvent:
        """The same event with `signature` set, over id, source, type, time (ms), key and data."""
        raise NotImplementedError

    def sign_control(self, *, topic: str, partition: int, key: bytes, number: int, body: bytes) -> str:
        """The `fettle-signature` value of a control record, over exactly these five.

        `topic` is the name on the broker (`settings.topic(...)`), so that a record cannot be replayed elsewhere.
        """
        raise NotImplementedError


class Verifier:
    """Verifies with every key it knows, so that keys can be rotated."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        raise NotImplementedError

    def verify_event(self, event: CloudEvent, now: datetime) -> Verified | Refused:
        """Checks `event.signature`. `now` is aware; an event whose `time` is more than 7 d before it is `stale`."""
        raise NotImplementedError

    def verify_control(
        self, *, topic: str, partition: int, key: bytes, number: int, body: bytes, signature: str | None
    ) -> Verified | Refused:
        """Checks a control record. Never `stale`: a control record holds as long as the log does."""
        raise NotImplementedError
