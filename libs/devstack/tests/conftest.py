"""A Maven repository on this machine, and waiting for processes to be gone."""

import functools
import hashlib
import http.server
import os
import select
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fettle_devstack.artifacts import Pinned


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: Any) -> None:
        return


class Repository:
    """Serves `folder` as a Maven repository under `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def publish(self, artifact: str, content: bytes) -> Pinned:
        """Puts a file there and returns what a lock file would say about it."""
        file = self.folder / "org" / "example" / artifact / "1.0" / f"{artifact}-1.0.jar"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return Pinned("org.example", artifact, "1.0", len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    folder = tmp_path / "repository"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield Repository(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
        thread.join()


def wait_until_gone(pid: int, within_s: float = 30.0) -> None:
    """Returns when no process has this id any more; fails the test when one still has after `within_s`."""
    deadline = time.monotonic() + within_s
    try:
        handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
    except ProcessLookupError:
        return
    if handle is not None:
        ended, _, _ = select.select([handle], [], [], within_s)
        os.close(handle)
        assert ended, f"process {pid} still runs after {within_s:.0f} s"
        return
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    pytest.fail(f"process {pid} still runs after {within_s:.0f} s")


@pytest.fixture
def gone() -> Callable[[int], None]:
    return wait_until_gone
