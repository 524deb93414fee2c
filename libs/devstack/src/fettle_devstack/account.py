"""PostgreSQL refuses to run as root. Root therefore runs it as another user, and gives that user what it needs."""

import os
import pwd
import stat
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from fettle_devstack.failures import DevstackError

_NAMES = ("postgres", "nobody")
SYSTEM_CACHE = Path("/var/cache/fettle")
SYSTEM_DATA = Path("/var/lib/fettle")


@dataclass(frozen=True)
class Account:
    name: str
    uid: int
    gid: int


def server_account() -> Account | None:
    """Who runs PostgreSQL: None (whoever calls), or for root the first of `postgres` and `nobody` that exists."""
    if os.geteuid() != 0:
        return None
    for name in _NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise DevstackError(f"As root PostgreSQL needs a user named {' or '.join(_NAMES)} to run as; there is none.")


def can_enter(folder: Path, account: Account) -> bool:
    """Whether `account` may pass through `folder` (resolved, as far as it exists) and all folders above it."""
    real = folder.resolve()
    # From the top: behind a folder that stops the account, this process may see nothing either.
    return all(_may_pass(part.stat(), account) for part in (*reversed(real.parents), real) if part.exists())


def _may_pass(folder: os.stat_result, account: Account) -> bool:
    if folder.st_uid == account.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == account.gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)


def program_folder(cache: Path, account: Account | None) -> Path:
    """Where programs for `account` are unpacked, made if missing: the cache, or /var/cache if it cannot enter that."""
    folder = cache if account is None or can_enter(cache, account) else SYSTEM_CACHE
    return _open_to_all(folder) if folder is SYSTEM_CACHE else folder


def data_folder(home: Path, name: str, account: Account | None) -> Path:
    """The folder `name` of `home` for a server that runs as `account`, made if missing; private to that account.

    If the account cannot enter `home` (a clone under root's own folder, say), the data stands under /var/lib/fettle
    and `home` holds a link to it. Raises `DevstackError` if the folder belongs to somebody else.
    """
    folder = home / name
    if account is not None and not can_enter(home, account) and not folder.exists():
        apart = SYSTEM_DATA / f"{name}-{sha256(str(home.resolve()).encode()).hexdigest()[:12]}"
        _open_to_all(SYSTEM_DATA)
        folder.unlink(missing_ok=True)
        apart.mkdir(mode=0o700, exist_ok=True)
        folder.symlink_to(apart)
    folder.mkdir(mode=0o700, exist_ok=True)
    real = folder.resolve()
    uid = os.geteuid() if account is None else account.uid
    owner = real.stat().st_uid
    if owner not in (uid, os.geteuid()):
        raise DevstackError(
            f"{folder} was made by user {owner}. Run as that user, or set FETTLE_HOME to another folder."
        )
    if account is not None and owner != uid:
        os.chown(real, account.uid, account.gid)
    return real


def _open_to_all(folder: Path) -> Path:
    """Makes the folder enterable for everybody whatever the umask says; it stays root's to write."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    return folder
