"""HMAC-SHA256 signatures over Fettle's own commands, events and control records, with key ids.

On Kafka a consumer cannot see who produced; what counts as Fettle's own counts only with a valid signature.
Header `fettle-signature: <key id>:<base64url of the MAC>`. Pure: no clock, no I/O.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.times import rfc3339

RefusalCode = Literal["unsigned", "bad_signature", "unknown_key", "stale"]
"""Also the code of the dead letter that a refused record becomes (`DeadLetterCode`)."""

STALE_AFTER = timedelta(days=7)
_MINIMUM_SECRET = 32


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with its id (no `:`, no `,`). `secret` is 32 bytes or more and never shown in a repr."""

    id: str
    secret: bytes = field(repr=False)

    @classmethod
    def parse_all(cls, text: str) -> "tuple[SigningKey, ...]":
        """Reads `id:base64,id2:base64`, newest first. Raises ValueError without ever quoting a secret."""
        keys = tuple(cls._parse(entry.strip()) for entry in text.split(","))
        if len({key.id for key in keys}) < len(keys):
            raise ValueError("holds the same key id twice")
        return keys

    @classmethod
    def _parse(cls, entry: str) -> "SigningKey":
        key_id, separator, encoded = entry.partition(":")
        if not (key_id and separator):
            raise ValueError("must be id:base64, separated by commas, newest first")
        try:
            secret = base64.b64decode(encoded, validate=True)
        except binascii.Error:
            raise ValueError(f"holds a key ({key_id}) that is not base64") from None
        if len(secret) < _MINIMUM_SECRET:
            raise ValueError(f"holds a key ({key_id}) of less than {_MINIMUM_SECRET} bytes")
        return cls(key_id, secret)


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
        self._key = keys[0]

    def sign_event(self, event: CloudEvent) -> CloudEvent:
        """The same event with `signature` set, over id, source, type, time (ms), key and data."""
        return replace(event, signature=self._signature(_event_text(event)))

    def sign_control(self, *, topic: str, partition: int, key: bytes, number: int, body: bytes) -> str:
        """The `fettle-signature` value of a control record, over exactly these five.

        `topic` is the name on the broker (`settings.topic(...)`), so that a record cannot be replayed elsewhere.
        """
        return self._signature(_control_text(topic, partition, key, number, body))

    def _signature(self, text: bytes) -> str:
        mac = base64.urlsafe_b64encode(_mac(self._key, text)).decode()
        return f"{self._key.id}:{mac}"


class Verifier:
    """Verifies with every key it knows, so that keys can be rotated."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = {key.id: key for key in keys}

    def verify_event(self, event: CloudEvent, now: datetime) -> Verified | Refused:
        """Checks `event.signature`. `now` is aware; an event whose `time` is more than 7 d before it is `stale`."""
        verdict = self._verify(_event_text(event), event.signature)
        if isinstance(verdict, Verified) and now - event.time > STALE_AFTER:
            return Refused("stale", f"signed for {rfc3339(event.time)}, more than {STALE_AFTER.days} days ago")
        return verdict

    def verify_control(
        self, *, topic: str, partition: int, key: bytes, number: int, body: bytes, signature: str | None
    ) -> Verified | Refused:
        """Checks a control record. Never `stale`: a control record holds as long as the log does."""
        return self._verify(_control_text(topic, partition, key, number, body), signature)

    def _verify(self, text: bytes, signature: str | None) -> Verified | Refused:
        if not signature:
            return Refused("unsigned", "a signature is needed here")
        key_id, _, encoded = signature.rpartition(":")
        key = self._keys.get(key_id)
        if key is None:
            return Refused("unknown_key", f"no key {key_id!r} is known")
        try:
            given = base64.b64decode(encoded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            given = b""
        if not hmac.compare_digest(given, _mac(key, text)):
            return Refused("bad_signature", f"the signature by key {key_id!r} does not fit")
        return Verified(key_id)


def _mac(key: SigningKey, text: bytes) -> bytes:
    return hmac.digest(key.secret, text, hashlib.sha256)


def _event_text(event: CloudEvent) -> bytes:
    return _text(
        b"event",
        event.id.encode(),
        event.source.encode(),
        event.type.encode(),
        rfc3339(event.time).encode(),
        b"" if event.key is None else event.key.encode(),
        event.data,
    )


def _control_text(topic: str, partition: int, key: bytes, number: int, body: bytes) -> bytes:
    return _text(b"control", topic.encode(), str(partition).encode(), key, str(number).encode(), body)


def _text(*parts: bytes) -> bytes:
    """Each part behind its length: no two lists of parts give the same text."""
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)
