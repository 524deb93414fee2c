"""Texts that a browser keeps for us and gives back: signed, so that only what we gave out counts.

`<text>.<MAC>`, HMAC-SHA256 with a key of its own per purpose, so that one cookie is never another.
"""

import base64
import hmac
from collections.abc import Sequence

from fettle_chassis.signing import SigningKey


class Seal:
    """Signs with the first (newest) key; what any of the keys has signed counts."""

    def __init__(self, keys: Sequence[SigningKey], purpose: str) -> None:
        label = f"fettle {purpose}".encode()
        self._keys = [hmac.digest(key.secret, label, "sha256") for key in keys]

    def sign(self, text: str) -> str:
        return f"{text}.{_mac(self._keys[0], text)}"

    def text_of(self, signed: str) -> str | None:
        """What was signed, or None when that was not us."""
        text, _, mac = signed.rpartition(".")
        given = mac.encode()
        known = [hmac.compare_digest(_mac(key, text).encode(), given) for key in self._keys]
        return text if any(known) else None


def _mac(key: bytes, text: str) -> str:
    return base64.urlsafe_b64encode(hmac.digest(key, text.encode(), "sha256")).rstrip(b"=").decode()
