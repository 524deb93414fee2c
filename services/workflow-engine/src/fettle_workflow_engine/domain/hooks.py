"""Whether a request to a hook is genuine: signed after Standard Webhooks or as GitHub does, or with the secret itself.

Source: Standard Webhooks 1.0 (symmetric signatures, `v1`); GitHub's "Validating webhook deliveries".
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

TOLERANCE_S = 5 * 60
SECRET_PREFIX = "whsec_"  # noqa: S105 - what every secret begins with
SIGNATURES_LIMIT = 10
"""Senders that change their key sign with both."""

SECRET = "fettle-hook-secret"  # noqa: S105 - a header's name
ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
GITHUB_SIGNATURE, GITHUB_DELIVERY = "x-hub-signature-256", "x-github-delivery"
IDEMPOTENCY_KEY = "idempotency-key"

_NOBODYS = SECRET_PREFIX + "A" * 43 + "="


class Refusal(StrEnum):
    """Why a request does not count."""

    UNSIGNED = "unsigned"
    BAD_SIGNATURE = "bad_signature"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Genuine:
    """Whoever sent this has the secret. `id` is by what a repeat is known, None if the request does not say."""

    id: str | None


def examine(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: datetime) -> Genuine | Refusal:
    """Judges a request by the strictest that it offers: a signature before the bare secret. `headers` by lower-case
    name; `secrets` are those that hold now, none for a hook that there is not: that takes as long as a wrong one."""
    known = secrets or (_NOBODYS,)
    if SIGNATURE in headers:
        signed = _standard(headers, body, known)
    elif GITHUB_SIGNATURE in headers:
        expected = [f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}" for secret in known]
        signed = _any_equal([headers[GITHUB_SIGNATURE]], expected)
    elif SECRET in headers:
        signed = _any_equal([headers[SECRET]], known)
    else:
        return Refusal.UNSIGNED
    if not (signed and secrets):
        return Refusal.BAD_SIGNATURE
    if SIGNATURE in headers and abs(int(headers[TIMESTAMP]) - now.timestamp()) > TOLERANCE_S:
        return Refusal.STALE
    return Genuine(next((headers[name] for name in (ID, IDEMPOTENCY_KEY, GITHUB_DELIVERY) if headers.get(name)), None))


def _standard(headers: Mapping[str, str], body: bytes, secrets: Sequence[str]) -> bool:
    id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not id or not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        return False
    given = headers[SIGNATURE].split()[:SIGNATURES_LIMIT]
    signed = b".".join((id.encode(), timestamp.encode(), body))
    return _any_equal(given, [f"v1,{_mac(_key(secret), signed)}" for secret in secrets])


def _any_equal(given: Sequence[str], expected: Sequence[str]) -> bool:
    """Compares all of them, each in a time that does not depend on where they differ."""
    equal = [hmac.compare_digest(one.encode(), other.encode()) for one in given for other in expected]
    return any(equal)


def _mac(key: bytes, text: bytes) -> str:
    return base64.b64encode(hmac.digest(key, text, "sha256")).decode()


def _key(secret: str) -> bytes:
    """The key itself, which the secret's text holds as base64."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("a hook's secret is whsec_ and base64") from None
