"""Short-lived signed internal tokens: who calls, checked by the console once and trusted by services behind it."""

import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import jwt

from fettle_chassis.signing import SigningKey
from fettle_contracts.roles import Caller, Role

__all__ = ["Caller", "Role", "TokenRefused", "issue", "verify"]

_ALGORITHM = "HS256"
_ISSUER = "fettle/console"
_LEEWAY = timedelta(seconds=5)


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
