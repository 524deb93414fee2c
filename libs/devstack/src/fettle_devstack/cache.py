"""The cache folder that clones share: whole entries only, made by one process at a time."""

import contextlib
import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Holds the folder's lock; a second process or thread blocks here until the first is done or dead."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def entry(folder: Path, name: str, fill: Callable[[Path], None]) -> Path:
    """The entry `name` of the cache, made on first use by `fill(empty folder)`.

    It appears whole or not at all: whoever is killed while filling leaves nothing that a later call would believe.
    Blocks while another process makes the same or another entry. What `fill` raises passes through.
    """
    made = folder / name
    if made.is_dir():
        return made
    with only_one(folder):
        if not made.is_dir():
            half = folder / f".half-{name}"
            shutil.rmtree(half, ignore_errors=True)
            half.mkdir()
            fill(half)
            half.chmod(0o755)
            half.rename(made)
    return made
