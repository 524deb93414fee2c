"""Short-lived signed internal tokens: who calls, checked by the console once and trusted by services behind it."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import jwt

from fettle_chassis.signing import SigningKey

_ALGORITHM = "HS256"
_ISSUER = "fettle/console"
_LEEWAY = timedelta(seconds=5)


class Role(StrEnum):
    """viewer < operator < admin; `ingest` is apart: it may send heartbeats and signals and nothing else."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    INGEST = "ingest"

    def covers(self, needed: "Role") -> bool:
        """Whether a caller with this role may do what `needed` may. Only INGEST and ADMIN cover INGEST."""
        if needed is Role.INGEST:
            return self in (Role.INGEST, Role.ADMIN)
        return self is not Role.INGEST and _RANKS[self] >= _RANKS[needed]


_RANKS = {Role.VIEWER: 0, Role.OPERATOR: 1, Role.ADMIN: 2}


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom a request speaks for."""

    org: str
    role: Role
    actor_id: str
    actor_name: str | None = None


class TokenRefused(Exception):
    """The token is malformed, expired, or signed by nobody we know. `code` is stable."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def issue(keys: Sequence[SigningKey], caller: Caller, now: datetime, *, ttl_s: int = 60) -> str:
    """A token (JWT, HS256, `kid`) signed with the first key."""
    claims = {
        "iss": _ISSUER,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + ttl_s,
        "org": caller.org,
        "role": caller.role.value,
        "sub": caller.actor_id,
        "name": caller.actor_name,
    }
    return jwt.encode(claims, _secret(keys[0]), algorithm=_ALGORITHM, headers={"kid": keys[0].id})


def verify(keys: Sequence[SigningKey], token: str, now: datetime) -> Caller:
    """Raises `TokenRefused`. Allows 5 s of clock difference."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        key = next((key for key in keys if key.id == key_id), None)
        if key is None:
            raise TokenRefused("token_invalid", "The token is signed with a key that is not known.")
        claims = jwt.decode(
            token,
            _secret(key),
            algorithms=[_ALGORITHM],
            issuer=_ISSUER,
            options={"require": ["exp", "iat", "sub", "iss"], "verify_exp": False, "verify_iat": False},
        )
        ends = datetime.fromtimestamp(int(claims["exp"]), UTC)
        if now > ends + _LEEWAY:
            raise TokenRefused("token_invalid", "The token has ended.")
        return Caller(str(claims["org"]), Role(claims["role"]), claims["sub"], claims.get("name"))
    except (jwt.InvalidTokenError, KeyError, ValueError) as error:
        raise TokenRefused("token_invalid", f"The token is not valid: {error}") from None


def _secret(key: SigningKey) -> bytes:
    """A key of its own for tokens, so that a token is never the signature of something else."""
    return hmac.digest(key.secret, b"fettle internal token", "sha256")
