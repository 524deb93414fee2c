"""`fettle up` and what belongs to it, with small services on the session's real servers."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fettle_devstack.ports import free_port

SMALL_FETTLE = Path(__file__).with_name("small_fettle.py")
ROOT = Path(__file__).parents[2]


@dataclass
class Small:
    """A small installation in a folder of its own."""

    home: Path
    environ: dict[str, str]
    kinds: str = "console,quiet"
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, str(SMALL_FETTLE), self.kinds, *arguments]

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self.command("up", *arguments), env=self.environ, text=True, stderr=subprocess.PIPE, cwd=ROOT
        )
        self.running.append(process)
        return process

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            self.command(*arguments), env=self.environ, text=True, capture_output=True, cwd=ROOT, check=False
        )

    def state(self) -> dict[str, Any]:
        path = self.home / "up.json"
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def ready(self) -> dict[str, Any]:
        _eventually(lambda: self.state().get("phase") == "ready", "ready")
        return self.state()

    def log(self, kind: str) -> list[str]:
        return (self.home / "logs" / f"{kind}.log").read_text().splitlines()


def _eventually(probe: Callable[[], object], what: str, within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not probe():
        assert time.monotonic() < deadline, f"{what} did not happen"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def small(servers: Any, tmp_path: Path) -> Iterator[Small]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")}
    environ |= servers.environment
    environ |= {
        "FETTLE_HOME": str(tmp_path / "home"),
        "FETTLE_HTTP_PORT": str(free_port()),
        "FETTLE_TICKETS_PORT": str(free_port()),
        "PYTHONPATH": str(ROOT),
    }
    made = Small(tmp_path / "home", environ)
    yield made
    for process in made.running:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


@pytest.mark.rule("OP-33", "OP-37")
def test_up_brings_everything_up_in_order_and_down_again(small: Small) -> None:
    up = small.begin()
    state = small.ready()
    assert [process["name"] for process in state["processes"]] == ["console", "quiet", "follower"]
    status = small.run("status", "--json")
    assert status.returncode == 0
    assert {item["state"] for item in json.loads(status.stdout)["items"]} == {"ready"}
    assert small.run("down").returncode == 0
    assert up.wait(60) == 0
    assert up.stderr is not None
    said = up.stderr.read()
    assert "Fettle is up after" in said
    assert state["url"] in said
    assert "heartbeat send device/x1" in said
    for kind in ("console", "quiet", "follower"):
        assert small.log(kind) == [f"{kind} begins", f"{kind} ends"]
    assert small.run("status").returncode == 1
    assert "not up" in small.run("down").stdout


@pytest.mark.rule("OP-33")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything(small: Small, number: signal.Signals) -> None:
    up = small.begin("--no-simulator")
    state = small.ready()
    assert [process["name"] for process in state["processes"]] == ["console", "quiet"]
    up.send_signal(number)
    assert up.wait(60) == 0
    assert [process["pid"] for process in state["processes"] if _alive(process["pid"])] == []
    assert not (small.home / "up.json").exists()


@pytest.mark.rule("OP-34")
def test_kill_nine_leaves_nothing_running_and_the_next_start_works(small: Small) -> None:
    up = small.begin()
    pids = [process["pid"] for process in small.ready()["processes"]]
    up.kill()
    up.wait()
    _eventually(lambda: not any(_alive(pid) for pid in pids), "everything gone")
    assert small.run("status").returncode == 1
    again = small.begin()
    _eventually(lambda: small.state().get("pid") == again.pid, "the state is the new one's")
    small.ready()


@pytest.mark.rule("OP-35")
def test_a_process_that_dies_is_started_again_and_status_says_so(small: Small) -> None:
    small.kinds = "console,crashing"
    small.begin("--no-simulator")
    state = small.ready()
    crashing = next(process for process in state["processes"] if process["name"] == "crashing")
    assert (crashing["restarts"], crashing["last_exit"]) == (1, 1)
    os.kill(crashing["pid"], signal.SIGKILL)

    def started_again() -> bool:
        process = small.state()["processes"][1]
        return process["restarts"] == 2 and process["pid"] not in (None, crashing["pid"])

    _eventually(started_again, "another start")
    _eventually(lambda: small.run("status").returncode == 0, "ready again")
    assert json.loads(small.run("status", "--json").stdout)["items"][1]["restarts"] == 2


@pytest.mark.rule("OP-35")
def test_a_service_that_refuses_its_settings_ends_everything_with_its_one_line(small: Small) -> None:
    small.kinds = "console,misset"
    up = small.begin()
    assert up.wait(60) == 2
    assert up.stderr is not None
    assert up.stderr.read().splitlines()[-1] == "fettle: quiet: FETTLE_SOMETHING must be a number"
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(small.environ["FETTLE_HTTP_PORT"])))


@pytest.mark.rule("OP-36")
def test_a_second_up_in_the_same_home_is_refused(small: Small) -> None:
    small.begin()
    small.ready()
    second = small.run("up")
    assert second.returncode == 1
    assert "already up" in second.stderr
    assert "fettle down" in second.stderr
    assert small.run("status").returncode == 0


@pytest.mark.rule("OP-36")
def test_a_taken_port_is_named_with_its_setting(small: Small) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(small.environ["FETTLE_TICKETS_PORT"])))
        taken.listen()
        up = small.run("up")
    assert up.returncode == 1
    assert small.environ["FETTLE_TICKETS_PORT"] in up.stderr
    assert "FETTLE_TICKETS_PORT" in up.stderr


@pytest.mark.rule("OP-36")
@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("FETTLE_HTTP_PORT", "web", "FETTLE_HTTP_PORT is 'web'"),
        ("FETTLE_TICKETS_PORT", "{FETTLE_HTTP_PORT}", "give each a port of its own"),
        ("FETTLE_DEVSTACK", "vagrant", "FETTLE_DEVSTACK"),
    ],
)
def test_a_setting_that_cannot_be_is_wrong_usage(small: Small, setting: str, value: str, said: str) -> None:
    small.environ[setting] = value.format(**small.environ)
    up = small.run("up")
    assert up.returncode == 2
    assert said in up.stderr


@pytest.mark.rule("OP-37")
def test_what_is_secret_is_readable_by_its_owner_alone_and_kept_between_runs(small: Small) -> None:
    kept: dict[str, str] = {}
    for _ in range(2):
        up = small.begin("--no-simulator")
        small.ready()
        for name in ("keys", "secret-keys", "bootstrap-token", "demo-token", "up.json"):
            path = small.home / name
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            if name != "up.json":
                assert kept.setdefault(name, path.read_text()) == path.read_text()
        text = (small.home / "up.json").read_text()
        assert not any(secret.strip() in text for secret in kept.values())
        up.terminate()
        assert up.wait(60) == 0


@pytest.mark.rule("OP-33")
def test_detached_returns_when_everything_is_ready_and_passes_failures_on(small: Small) -> None:
    # Detached starts the installed command, whose services are the real ones; that a wrong setting ends it is enough.
    small.environ["FETTLE_HTTP_PORT"] = "0"
    ended = small.run("up", "--detach")
    assert ended.returncode == 2
    assert "FETTLE_HTTP_PORT is '0'" in ended.stderr
