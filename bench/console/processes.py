"""The console as the process that it is, on servers of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2

from bench.tickets.processes import wait_ready

_OWN_TOKEN = "the-token-of-this-benchmark"


@contextmanager
def console(environment: Mapping[str, str]) -> Iterator[Desk]:
    """A ready console; it ends with the block."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
    own = {**inherited, **environment, "FETTLE_BOOTSTRAP_TOKEN": _OWN_TOKEN}
    process = subprocess.Popen([sys.executable, "-m", "fettle_console"], env=own, stdout=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{environment['FETTLE_HTTP_PORT']}"
    try:
        wait_ready(f"{url}/readyz")
        yield Desk(url, process.pid)
    finally:
        process.terminate()
        process.wait(30)


class Desk:
    """A running console at `url`, and what a benchmark asks of it before it begins."""

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid

    def viewer(self, org: str) -> str:
        """The text of a viewer's token of an org that is made if need be. Blocks."""
        self._post("/api/v1/orgs", {"org": org, "name": org})
        return str(self._post(f"/api/v1/orgs/{org}/tokens", {"role": "viewer"})["token"])

    def cookie(self, token: str) -> str:
        """The cookie of a person who has signed in with the token. Blocks."""
        answer = httpx2.post(f"{self.url}/sign-in", data={"token": token}, headers={"origin": self.url})
        [(name, value)] = answer.cookies.items()
        return f"{name}={value}"

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = httpx2.post(self.url + path, json=body, headers={"authorization": f"Bearer {_OWN_TOKEN}"})
        answer.raise_for_status()
        return answer.json()
