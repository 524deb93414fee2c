"""The programs for other teams, run as they stand in `examples/`."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from fettle_client import Fettle, Refused
from fettle_devstack import Servers
from tests.installation import Installation, OrgApi, eventually
from tests.outside import producer, read_all, wait_for

EXAMPLES = Path(__file__).parents[2] / "examples"
NEWS = re.compile(r"#(\d+) (\w+) version (\d+)")


def program(
    installation: Installation, org: OrgApi, name: str, *arguments: str, url: str | None = None
) -> subprocess.Popen[str]:
    """The example, started in the environment that its page names; `url` is another way to the API."""
    names = ("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "FETTLE_TOPIC_PREFIX")
    environment = {
        "PATH": os.environ["PATH"],
        **{setting: installation.environment[setting] for setting in names},
        "FETTLE_URL": url or installation.url,
        "FETTLE_TOKEN": org.token,
        "FETTLE_ORG": org.org,
    }
    command = [sys.executable] if name.endswith(".py") else ["sh", "-eu"]
    return subprocess.Popen(
        [*command, str(EXAMPLES / name), *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )


def run(installation: Installation, org: OrgApi, name: str, *arguments: str) -> str:
    started = program(installation, org, name, *arguments)
    said, _ = started.communicate(timeout=60)
    assert started.returncode == 0, f"{name} ended with status {started.returncode}: {said}"
    return said


@pytest.mark.rule("CL-11")
def test_each_producer_does_what_it_says(tools: None, installation: Installation) -> None:
    acme = installation.create_org("acme")
    run(installation, acme, "heartbeats.py", "acme/device/a", "acme/device/gw/7")
    assert '"accepted":1' in run(installation, acme, "heartbeat_with_curl.sh", "c")
    for _ in range(2):
        run(installation, acme, "report_issue.py", "acme", "call-4711", "Lift 3 makes a noise")
    run(installation, acme, "heartbeat_with_kcat.sh", "acme/device/k")
    for device in ("a", "gw/7", "c", "k"):
        eventually(lambda device=device: acme.try_get(f"/subjects/device/{device}"), f"{device} is heard")  # type: ignore[misc]
    (ticket,) = eventually(lambda: acme.tickets(source="user"), "the issue is a ticket")
    run(installation, acme, "open_ticket_with_kcat.sh", "acme", "It rattles: 7 | 8")
    said = json.loads(run(installation, acme, "open_ticket_with_curl.sh", "other/hall/door-1", "It's open"))
    assert (said["title"], said["subject"]) == ("It's open", {"type": "other", "id": "hall/door-1"})
    eventually(lambda: len(acme.tickets(source="user")) == 3, "all three are tickets")
    [rattling] = [one for one in acme.tickets() if one["title"] == "It rattles: 7 | 8"]
    assert (rattling["subject"], rattling["opened_by"]["id"]) == ({"type": "other", "id": "lift-3"}, "ann@acme.test")
    assert (ticket["title"], ticket["subject"]) == ("Lift 3 makes a noise", {"type": "other", "id": "lift"})
    assert ticket["opened_by"] == {"type": "user", "id": "ann"}


@pytest.mark.rule("CL-13")
def test_a_producer_of_tickets_is_ten_lines_of_python() -> None:
    words = ast.get_docstring(ast.parse((EXAMPLES / "report_issue.py").read_text()), clean=False)
    lines = (EXAMPLES / "report_issue.py").read_text().replace(f'"""{words}"""', "").splitlines()
    assert len([line for line in lines if line.strip()]) == 10


@pytest.fixture
def tools() -> None:
    """Skips, loudly, where a program is missing that an example calls."""
    missing = [name for name in ("curl", "kcat") if shutil.which(name) is None]
    if missing:
        message = f"missing: apt-get install {' '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)


class Busy:
    """Somebody who opens, moves and comments tickets, one after the other, as chance has it."""

    def __init__(self, installation: Installation, org: OrgApi, seed: int) -> None:
        self._url, self._token, self._org = installation.url, org.token, org.org
        self._chance = random.Random(seed)
        self._open = list[int]()

    def work(self, times: int) -> None:
        with Fettle(self._url, self._token, self._org) as fettle:
            moves = (fettle.start_ticket, fettle.move_ticket_to_open, fettle.resolve_ticket, fettle.reopen_ticket)
            for _ in range(times):
                if len(self._open) < 3 or self._chance.random() < 0.2:
                    opened = fettle.open_ticket("Lift 3 makes a noise", {"type": "other", "id": "lift-3"})
                    self._open.append(opened["number"])
                    continue
                with contextlib.suppress(Refused):
                    self._chance.choice(moves)(self._chance.choice(self._open), comment="So be it.")


@contextlib.contextmanager
def slow_exports(installation: Installation, then: Callable[[], object]) -> Iterator[str]:
    """A way to the API on which, while an export is on its way, something happens that is not in it."""

    class Relay(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            headers = {"authorization": self.headers["authorization"]}
            answer = installation.http.get(self.path, headers=headers)
            then()
            self.send_response(answer.status_code)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Relay) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()


class Picture:
    """What a subscriber says of each ticket, the last of it."""

    def __init__(self, lines: Iterator[str]) -> None:
        self.tickets: dict[int, tuple[str, int]] = {}
        self.backwards: list[str] = []
        self._reading = threading.Thread(target=self._read, args=(lines,), daemon=True)
        self._reading.start()

    def _read(self, lines: Iterator[str]) -> None:
        for line in lines:
            number, state, version = NEWS.fullmatch(line.strip()).groups()  # type: ignore[union-attr]
            if self.tickets.get(int(number), ("", 0))[1] >= int(version):
                self.backwards.append(line)
            self.tickets[int(number)] = (state, int(version))


@pytest.mark.rule("CL-12")
def test_a_subscriber_that_starts_late_ends_with_the_right_picture(
    servers: Servers, installation: Installation
) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    acme, other = installation.create_org("acme"), installation.create_org("other")
    Busy(installation, other, seed).work(5)
    busy = Busy(installation, acme, seed)
    busy.work(60)
    seen = threading.Event()

    def write() -> None:
        """While the subscriber starts, however long that takes, and for a while then."""
        while not seen.is_set():
            busy.work(10)
        busy.work(200)

    writing = threading.Thread(target=write)
    writing.start()
    with slow_exports(installation, lambda: _open_behind(servers, installation, acme)) as url:
        subscriber = program(installation, acme, "late_subscriber.py", url=url)
        try:
            assert subscriber.stdout is not None
            picture = Picture(iter(subscriber.stdout))
            eventually(lambda: picture.tickets, "the export is read")
            seen.set()
            writing.join()
            _come_again_late(servers, installation.topic("ticket.events"))
            busy.work(5)
            truth = {one["number"]: (one["state"], one["version"]) for one in acme.tickets()}
            eventually(lambda: picture.tickets == truth, "the picture is right")
            assert picture.backwards == []
        finally:
            seen.set()
            writing.join()
            subscriber.kill()
            subscriber.communicate()


def _open_behind(servers: Servers, installation: Installation, org: OrgApi) -> None:
    """A ticket that nobody touches again; returns when its event is on its topic."""
    opened = org.post("/tickets", {"title": "Behind", "subject": {"type": "other", "id": "behind"}}).json()
    topic = installation.topic("ticket.events")
    wait_for(servers.kafka.bootstrap, topic, lambda record: record.json()["ticket"]["id"] == opened["id"])


def _come_again_late(servers: Servers, topic: str) -> None:
    """The first events of each ticket once more, as a producer that was unsure of them would send them."""
    again = producer(servers.kafka.bootstrap)
    for record in read_all(servers.kafka.bootstrap, topic)[:50]:
        headers = list(record.headers.items())
        again.produce(topic, key=record.key, value=record.value, headers=[*headers], partition=record.partition)
    assert again.flush(30) == 0
