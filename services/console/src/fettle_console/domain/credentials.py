"""API tokens and what they stand for. A token's text is shown once; only its hash is kept."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from fettle_contracts.roles import Caller, Role

PREFIX = "ftl_"
TOKEN = "token"  # noqa: S105 - a word
"""What the id of an actor who is a token begins with, before a `/`."""
SECRET_BYTES = 32

DEFAULT_LIFE = timedelta(days=90)
LONGEST_LIFE = timedelta(days=366)


def token_text(secret: bytes) -> str:
    """What its holder is given: the prefix (so that scanners know it) and 256 random bits."""
    if len(secret) != SECRET_BYTES:
        raise ValueError(f"a token is made of {SECRET_BYTES} random bytes")
    return PREFIX + base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def hash_of(text: str) -> str:
    """What is kept: SHA-256 in hex. A fast hash is enough for 256 random bits, which nobody can guess."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Token:
    """One API token of one org."""

    id: str
    org: str
    role: Role
    name: str
    created_at: datetime
    expires_at: datetime
    created_by: str
    used_at: datetime | None = None
    """When it was last used, to a few minutes."""

    def alive(self, now: datetime) -> bool:
        return now < self.expires_at

    def caller(self) -> Caller:
        """Whom the services are told of: the token's name is the name under which its holder acts."""
        return Caller(org=self.org, role=self.role, actor_id=f"{TOKEN}/{self.id}", actor_name=self.name)


@dataclass(frozen=True, slots=True)
class Installer:
    """The holder of the installation's bootstrap token: creates orgs, mints and revokes tokens in any org."""

    actor_id: str = "installation"


Bearer = Caller | Installer
