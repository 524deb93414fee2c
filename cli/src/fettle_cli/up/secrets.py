"""What `fettle up` makes up once and keeps under `.fettle/`, readable by its owner alone."""

import base64
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from fettle_cli.installation import BOOTSTRAP_TOKEN, SECRET_KEYS, SIGNING_KEYS

OWNER_ONLY = 0o600


def signing_keys(home: Path) -> str:
    """The installation's signing keys as `FETTLE_SIGNING_KEYS` wants them; made at the first call.

    They must outlive a restart: records signed with them are read again for as long as heartbeats are kept.
    """
    return _kept(home / SIGNING_KEYS, _key)


def secret_keys(home: Path) -> str:
    """What seals the orgs' secrets, as `FETTLE_SECRET_KEYS` wants it; made at the first call. Lost, they are lost."""
    return _kept(home / SECRET_KEYS, _key)


def bootstrap_token(home: Path) -> str:
    """The installation's own token, with which orgs and their first tokens are made; made at the first call."""
    return _kept(home / BOOTSTRAP_TOKEN, lambda: secrets.token_urlsafe(32))


def keep(path: Path, text: str) -> None:
    """Writes a file that only its owner can read; whoever looks sees the old text or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f"{path.name}.half")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as file:
        file.write(text + "\n")
    half.replace(path)


def _key() -> str:
    return f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _kept(path: Path, made: Callable[[], str]) -> str:
    if path.exists():
        return path.read_text().strip()
    text = made()
    keep(path, text)
    return text
