"""Downloads: pinned, whole or not at all, shared, and told of."""

import functools
import gc
import hashlib
import http.server
import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fettle_devstack import DevstackSettings, DownloadFailed, Interrupted, Progress
from fettle_devstack.artifacts import Pinned, fetched, pinned
from fettle_devstack.download import certificates_of_the_system
from fettle_devstack.kafka import VERSION as KAFKA
from fettle_devstack.postgres import PLATFORMS
from fettle_devstack.postgres import VERSION as POSTGRES
from fettle_devstack.progress import Arriving

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """jgo leaves the sockets of answers that it does not read to the collector; they must not bother later tests, nor
    what those before have left this one."""
    yield
    gc.collect()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *words: Any) -> None:
        return


class Repository:
    """Serves `folder` as a Maven repository under `url`."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url

    def publish(self, artifact: str, content: bytes, kind: str = "jar") -> Pinned:
        """Puts a file there and returns what a lock file would say about it."""
        file = self.folder / "org" / "example" / artifact / "1.0" / f"{artifact}-1.0.{kind}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return Pinned("org.example", artifact, "1.0", len(content), hashlib.sha256(content).hexdigest(), kind)


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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def settings(repository: Repository, tmp_path: Path) -> DevstackSettings:
    return DevstackSettings.load({"FETTLE_CACHE": str(tmp_path / "cache"), "FETTLE_MAVEN_REPOSITORY": repository.url})


def fetch(settings: DevstackSettings, *wanted: Pinned, out: io.StringIO | None = None) -> Path:
    return fetched("things", wanted, settings, Progress(out or io.StringIO()))


def kept(settings: DevstackSettings) -> Sequence[str]:
    return [path.name for path in settings.cache.iterdir() if not path.name.startswith(".")]


@pytest.mark.rule("OP-3")
def test_files_are_fetched_once(repository: Repository, settings: DevstackSettings) -> None:
    wanted = [repository.publish(name, name.encode() * 1000) for name in ("one", "two")]
    folder = fetch(settings, *wanted)
    assert {path.name: path.read_bytes()[:3] for path in folder.iterdir()} == {
        "one-1.0.jar": b"one",
        "two-1.0.jar": b"two",
    }
    repository.publish("one", b"changed since")
    assert fetch(settings, *wanted) == folder
    assert (folder / "one-1.0.jar").read_bytes() == b"one" * 1000


@pytest.mark.rule("OP-3")
def test_what_is_no_jar_is_fetched_under_its_own_name(repository: Repository, settings: DevstackSettings) -> None:
    wanted = repository.publish("three", b"packed", "zip")
    assert Pinned.parse(f"{wanted.coordinate} {wanted.size} {wanted.sha256}") == wanted
    assert [path.name for path in fetch(settings, wanted).iterdir()] == ["three-1.0.zip"]


@pytest.mark.rule("OP-3")
def test_a_file_that_is_not_the_pinned_one_is_refused(repository: Repository, settings: DevstackSettings) -> None:
    wanted = repository.publish("one", b"what was pinned")
    repository.publish("one", b"what arrives")
    with pytest.raises(
        DownloadFailed, match=r"org\.example:one:1\.0 arrived with SHA-256 .* is pinned; it is not used"
    ):
        fetch(settings, wanted)
    assert kept(settings) == []


@pytest.mark.rule("OP-3")
def test_another_pin_is_another_entry(repository: Repository, settings: DevstackSettings) -> None:
    old, new = repository.publish("one", b"old"), repository.publish("two", b"new")
    assert fetch(settings, old) != fetch(settings, new)


@pytest.mark.rule("OP-4")
def test_a_missing_file_is_named_with_the_way_out(repository: Repository, settings: DevstackSettings) -> None:
    there = repository.publish("one", b"one")
    with pytest.raises(DownloadFailed) as raised:
        fetch(settings, there, replace(there, artifact="two"))
    assert str(raised.value) == (
        "org.example:two:1.0 could not be downloaded (not found there). Try again when the network is there, set "
        "FETTLE_MAVEN_REPOSITORY to a mirror, or name servers that run in FETTLE_KAFKA_BOOTSTRAP_SERVERS and "
        "FETTLE_DATABASE_URL."
    )
    assert kept(settings) == []


@pytest.mark.rule("OP-4")
def test_after_a_failed_download_the_next_one_starts_afresh(repository: Repository, settings: DevstackSettings) -> None:
    wanted = repository.publish("one", b"one")
    nowhere = replace(settings, maven_repository="http://127.0.0.1:9")
    with pytest.raises(DownloadFailed, match="no connection"):
        fetch(nowhere, wanted)
    assert (fetch(settings, wanted) / "one-1.0.jar").read_bytes() == b"one"


@pytest.mark.rule("OP-4")
def test_without_a_network_the_command_says_so_in_one_line_and_fails(tmp_path: Path) -> None:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("FETTLE_")},
        "FETTLE_HOME": str(tmp_path / "home"),
        "FETTLE_CACHE": str(tmp_path / "cache"),
        "FETTLE_MAVEN_REPOSITORY": "http://127.0.0.1:9",
        "FETTLE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9",
    }
    command = [sys.executable, "-m", "fettle_devstack"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    *progress, last = done.stderr.splitlines()
    assert all(line.startswith("downloading ") for line in progress)
    assert last.startswith("fettle: ")
    assert "could not be downloaded (no connection)" in last


@pytest.mark.rule("OP-5")
def test_two_who_need_the_same_files_at_once_download_them_once(
    repository: Repository, settings: DevstackSettings
) -> None:
    wanted, out = repository.publish("one", b"1" * 100_000), io.StringIO()
    threads = [threading.Thread(target=fetch, args=(settings, wanted), kwargs={"out": out}) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert out.getvalue().count("downloaded things") == 1


@pytest.mark.rule("OP-6")
def test_a_pipe_gets_lines_that_say_what_is_downloaded(repository: Repository, settings: DevstackSettings) -> None:
    out = io.StringIO()
    fetch(settings, repository.publish("one", b"1" * 1_500_000), out=out)
    first, last = out.getvalue().splitlines()
    assert (first, last) == ("downloading things (1.5 MB, once for all clones)", "downloaded things")


@pytest.mark.rule("OP-6")
@pytest.mark.parametrize(("out", "mark"), [(Terminal(), "\r\x1b[K"), (io.StringIO(), "")])
def test_a_download_says_how_far_it_is(out: io.StringIO, mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("fettle_devstack.progress.time.monotonic", lambda: now)
    arriving = Arriving("things", 10_000_000, Progress(out))
    for _ in range(4):
        now += 1.6
        arriving.advance(2_500_000)
    shown = [line for line in out.getvalue().replace("\n", mark or "\n").split(mark or "\n") if " of " in line]
    assert shown[-1] == "downloading things: 10.0 MB of 10.0 MB"
    assert len(shown) == (4 if mark else 2)


def test_an_interrupted_download_ends_and_leaves_nothing(repository: Repository, settings: DevstackSettings) -> None:
    progress = Progress(io.StringIO())
    progress.interrupt()
    with pytest.raises(Interrupted):
        fetched("things", [repository.publish("one", b"one")], settings, progress)
    assert not settings.cache.exists() or kept(settings) == []


@pytest.mark.rule("OP-3")
def test_every_download_is_pinned() -> None:
    names = [f"kafka-{KAFKA}", *(f"postgres-{POSTGRES}-{platform}" for platform in PLATFORMS)]
    for name in names:
        files = pinned(name)
        assert files, name
        assert all(len(one.sha256) == 64 and one.size > 0 for one in files)
    assert len(pinned(names[0])) > 40


def test_the_certificates_that_the_system_names_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    roots = tmp_path / "roots.pem"
    roots.touch()
    monkeypatch.setenv("SSL_CERT_FILE", str(roots))
    with certificates_of_the_system():
        assert os.environ["REQUESTS_CA_BUNDLE"] == str(roots)
    assert "REQUESTS_CA_BUNDLE" not in os.environ


def test_a_system_without_certificates_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with certificates_of_the_system():
        assert "REQUESTS_CA_BUNDLE" not in os.environ
