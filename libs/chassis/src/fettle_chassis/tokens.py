"""Short-lived signed internal tokens: who calls, checked by the console once and trusted by services behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fettle_chassis.signing import SigningKey


class Role(StrEnum):
    """viewer < operator < admin; `ingest` is apart: it may send heartbeats and signals and nothing else."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    INGEST = "ingest"

    def covers(self, needed: "Role") -> bool:
        """Whether a caller with this role may do what `needed` may. Only INGEST and ADMIN cover INGEST."""
        raise NotImplementedError


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
    raise NotImplementedError


def verify(keys: Sequence[SigningKey], token: str, now: datetime) -> Caller:
    """Raises `TokenRefused`. Allows 5 s of clock difference."""
    raise NotImplementedError
