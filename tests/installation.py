"""A whole Fettle as real processes, for tests that cross service borders.

Nothing here knows how a service works inside: processes are started as `fettle up` starts them, spoken to over HTTP
and Kafka, and ended by signals.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from fettle_devstack.ports import free_port

T = TypeVar("T")

SERVICES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "console": (("fettle_console",), "FETTLE_HTTP_PORT"),
    "tickets": (("fettle_ticket_service",), "FETTLE_TICKETS_PORT"),
    "tickets-relay": (("fettle_ticket_service", "relay"), "FETTLE_TICKETS_RELAY_PORT"),
    "judge": (("fettle_health_monitor", "judge"), "FETTLE_JUDGE_PORT"),
    "correlator": (("fettle_health_monitor", "correlator"), "FETTLE_HEALTH_PORT"),
    "workflows": (("fettle_workflow_engine",), "FETTLE_WORKFLOWS_PORT"),
}

BRISK_POLICY: Mapping[str, Any] = {
    "enabled": True,
    "publish_tickets": True,
    "timeout_s": 3,
    "open_debounce_s": 2,
    "resolve_debounce_s": 2,
}
"""A health policy that turns silence into a ticket after five seconds."""


def eventually(probe: Callable[[], T | None], what: str, within_s: float = 60.0) -> T:
    """The first value of `probe` that is neither None, False nor empty.

    Raises AssertionError naming `what`, with the last value seen, when none comes in time.
    """
    deadline = time.monotonic() + within_s
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {within_s:.0f} s; last seen: {value!r}")
        time.sleep(0.05)


class Installation:
    """The six processes of one Fettle over one pair of servers, and replicas of them.

    `environment` holds every `FETTLE_*` setting. Logs go to `folder`, one file a process, appended over restarts.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        self.environment = {**environment, "FETTLE_BOOTSTRAP_TOKEN": secrets.token_urlsafe(32)}
        self.folder = folder
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.replicas: dict[str, tuple[str, str]] = {}
        self.url = f"http://127.0.0.1:{environment['FETTLE_HTTP_PORT']}"
        # Services let go of a connection that nobody used for five seconds.
        limits = httpx2.Limits(keepalive_expiry=4.0)
        self.http = httpx2.Client(base_url=self.url, timeout=30.0, limits=limits)

    def replicate(self, service: str, name: str) -> None:
        """`name` is one more process of the service from now on, with a port of its own; starts nothing."""
        self.replicas[name] = (service, str(free_port()))

    def _about(self, name: str) -> tuple[tuple[str, ...], str, str]:
        """Its module with arguments, the setting of its port, and the port."""
        service, port = self.replicas.get(name, (name, ""))
        module, setting = SERVICES[service]
        return module, setting, port or self.environment[setting]

    def start(self, *names: str) -> None:
        """Starts the named processes (all of them when none is named) without waiting until they are ready."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
        for name in names or SERVICES:
            module, setting, port = self._about(name)
            with (self.folder / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, "-m", *module],
                    env={**inherited, **self.environment, setting: port},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )

    def wait_ready(self, *names: str, within_s: float = 100.0) -> None:
        """Raises AssertionError with what a process last answered and logged."""
        for name in names or self.processes:
            deadline = time.monotonic() + within_s
            while (said := self._not_ready(name)) is not None:
                if time.monotonic() > deadline:
                    raise AssertionError(f"{name} is not ready after {within_s:.0f} s: {said}\n{self.tail(name)}")
                time.sleep(0.1)

    def _not_ready(self, name: str) -> str | None:
        process = self.processes[name]
        if process.poll() is not None:
            raise AssertionError(f"{name} ended with status {process.returncode}:\n{self.tail(name)}")
        _, _, port = self._about(name)
        try:
            answer = httpx2.get(f"http://127.0.0.1:{port}/readyz", timeout=5.0)
        except httpx2.HTTPError as error:
            return repr(error)
        return None if answer.status_code == 200 else answer.text

    def tail(self, name: str, lines: int = 15) -> str:
        log = self.folder / f"{name}.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    def signal(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def kill(self, name: str) -> None:
        """Ends the process as a crash would (SIGKILL) and waits until it is gone."""
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self, name: str, within_s: float = 30.0) -> None:
        """Asks the process to stop and waits until it has; it is no part of the installation any more."""
        process = self.processes[name]
        process.terminate()
        process.wait(within_s)
        del self.processes[name]

    def stop(self) -> None:
        """Asks all processes to stop; what has not gone after 30 s is killed."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + 30
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, deadline - time.monotonic()))
            if process.poll() is None:
                process.kill()
                process.wait()
        self.http.close()

    def topic(self, name: str) -> str:
        return self.environment["FETTLE_TOPIC_PREFIX"] + name

    def create_org(self, org: str, policy: Mapping[str, Any] = BRISK_POLICY) -> OrgApi:
        """A new org under `policy`, with an admin's token."""
        installer = {"authorization": f"Bearer {self.environment['FETTLE_BOOTSTRAP_TOKEN']}"}
        self.http.post("/api/v1/orgs", json={"org": org, "name": org.title()}, headers=installer).raise_for_status()
        token = self.http.post(f"/api/v1/orgs/{org}/tokens", json={"role": "admin"}, headers=installer)
        token.raise_for_status()
        api = OrgApi(self.http, org, token.json()["token"])
        eventually(lambda: api.try_get("/health-policy"), "the monitor knows the org")
        eventually(lambda: api.try_get("/ticket-policy"), "the ticket service knows the org")
        if "workflows" in self.processes:
            eventually(lambda: (api.try_get("/workflows") or {}).get("items"), "the org has its ready-made workflows")
        answer = api.put("/health-policy", {**policy})
        assert answer.status_code in (200, 202), answer.text
        return api


class OrgApi:
    """The HTTP API of one org with one token."""

    def __init__(self, http: httpx2.Client, org: str, token: str) -> None:
        self.http, self.org, self.token = http, org, token

    def _call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        return self.http.request(method, f"/api/v1/orgs/{self.org}{path}", headers=headers, **more)

    def get(self, path: str, **query: Any) -> Any:
        answer = self._call("GET", path, params=query)
        answer.raise_for_status()
        return answer.json()

    def text(self, path: str) -> str:
        """An answer that is no one piece of JSON."""
        return self._call("GET", path).text

    def try_get(self, path: str, **query: Any) -> Any:
        """The body, or None while the answer is an error or nobody answers."""
        with contextlib.suppress(httpx2.HTTPError):
            answer = self._call("GET", path, params=query)
            return answer.json() if answer.status_code == 200 else None
        return None

    def put(self, path: str, body: Any, **headers: str) -> httpx2.Response:
        return self._call("PUT", path, json=body, headers=headers)

    def post(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        return self._call("POST", path, json=body or {}, headers=headers)

    def post_yaml(self, path: str, text: str) -> httpx2.Response:
        return self._call("POST", path, content=text.encode(), headers={"content-type": "application/yaml"})

    def put_yaml(self, path: str, text: str) -> httpx2.Response:
        return self._call("PUT", path, content=text.encode(), headers={"content-type": "application/yaml"})

    def new_token(self, role: str, name: str) -> str:
        """Another token of the org, for somebody called `name`."""
        made = self.post("/tokens", {"role": role, "name": name})
        made.raise_for_status()
        token: str = made.json()["token"]
        return token

    def tickets(self, **query: Any) -> list[dict[str, Any]]:
        """All tickets that match, over all pages."""
        return list(self._pages("/tickets", {"state": "all", "limit": 200, **query}))

    def runs(self, workflow: str, **query: Any) -> list[dict[str, Any]]:
        """All runs of a workflow that match, over all pages."""
        return list(self._pages(f"/workflows/{workflow}/runs", {"limit": 200, **query}))

    def timeline(self, number: int) -> list[dict[str, Any]]:
        return list(self._pages(f"/tickets/{number}/timeline", {"limit": 200}))

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        while True:
            page = self.get(path, **query)
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            query = {**query, "cursor": page["next_cursor"]}
