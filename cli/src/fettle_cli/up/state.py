"""What `fettle up` says about itself in `.fettle/up.json`, and the lock that tells a running one from a dead one."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from fettle_cli.failures import CliError
from fettle_cli.installation import STATE
from fettle_cli.up.secrets import keep

LOCK = "up.lock"

Phase = Literal["starting", "ready", "stopping"]


@dataclass(slots=True)
class ProcessState:
    """One process as `fettle status` shows it. `url` None: it does not listen."""

    name: str
    log: str
    url: str | None = None
    pid: int | None = None
    restarts: int = 0
    last_exit: int | None = None


@dataclass(slots=True)
class UpState:
    """The whole installation. `environment` is what its services were told, without secrets."""

    pid: int
    url: str
    started_at: str
    phase: Phase = "starting"
    environment: dict[str, str] = field(default_factory=dict)
    processes: list[ProcessState] = field(default_factory=list)

    def write(self, home: Path) -> None:
        keep(home / STATE, json.dumps(asdict(self), indent=2))


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Holds the home folder's lock until the block ends, also by kill −9. Raises CliError when another has it."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CliError(f"Fettle is already up in {home}: see `fettle status`, stop it with `fettle down`") from None
        yield
        (home / STATE).unlink(missing_ok=True)


def is_up(home: Path) -> bool:
    """Whether a `fettle up` that uses this home folder is alive."""
    try:
        with (home / LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def ask_to_stop(state: dict[str, Any], signal_number: int) -> bool:
    """Signals the running `fettle up`. False when its process is gone."""
    try:
        os.kill(int(state["pid"]), signal_number)
    except (ProcessLookupError, KeyError):
        return False
    return True
