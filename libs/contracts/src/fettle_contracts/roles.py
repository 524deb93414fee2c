"""Who a request speaks for, and what that allows."""

from dataclasses import dataclass
from enum import StrEnum


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
