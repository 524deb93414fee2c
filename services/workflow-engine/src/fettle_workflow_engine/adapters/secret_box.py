"""Sealing an org's secrets: AES-256-GCM, each bound to its org and name, under keys that are rotated by their ids."""

import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fettle_chassis.signing import SigningKey

_NONCE = 12


@dataclass(frozen=True, slots=True)
class Sealed:
    """A secret as it is kept."""

    key_id: str
    data: bytes


class Unreadable(Exception):
    """A secret whose key is not among the keys any more (or not yet), or that is not what was sealed here."""


class NoKeys(Exception):
    """The installation has no key to seal with."""


class SecretBox:
    """Seals under the first of its keys, opens what any of them has sealed."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = {key.id: _derived(key, b"fettle secrets") for key in keys}
        self._marks = [_derived(key, b"fettle secrets' marks") for key in keys]

    @property
    def newest(self) -> str:
        """The id of the key that seals. Raises NoKeys."""
        if not self._keys:
            raise NoKeys
        return next(iter(self._keys))

    def seal(self, org: str, name: str, value: str) -> Sealed:
        """Raises NoKeys. Another one each time."""
        nonce = os.urandom(_NONCE)
        sealed = AESGCM(self._keys[self.newest]).encrypt(nonce, value.encode(), _bound(org, name))
        return Sealed(self.newest, nonce + sealed)

    def open(self, org: str, name: str, sealed: Sealed) -> str:
        """Raises Unreadable."""
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise Unreadable(f"its key {sealed.key_id!r} is not in FETTLE_SECRET_KEYS")
        try:
            return AESGCM(key).decrypt(sealed.data[:_NONCE], sealed.data[_NONCE:], _bound(org, name)).decode()
        except InvalidTag:
            raise Unreadable("it is not what was sealed under this name") from None

    def mark(self, value: str) -> str:
        """The same for the same value, and nothing to whoever has no key. Raises NoKeys."""
        if not self._marks:
            raise NoKeys
        return hmac.digest(self._marks[0], value.encode(), "sha256").hex()


def _derived(key: SigningKey, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(key.secret)


def _bound(org: str, name: str) -> bytes:
    return f"{org}\n{name}".encode()
