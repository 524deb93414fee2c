"""Files from a Maven repository, pinned by coordinate and checksum.

`artifacts.lock` has one line per file: `group:artifact:version size sha256`, under a heading `[name]` per download.
`python -m fettle_devstack.relock` writes it anew. Where the files come from is jgo's choice (Maven Central) unless
`FETTLE_MAVEN_REPOSITORY` names a mirror; whether they are believed is decided here, by the pinned checksum alone.
"""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path

import requests
from jgo.maven import MavenContext, PythonResolver

from fettle_devstack import cache
from fettle_devstack.failures import DownloadFailed
from fettle_devstack.progress import Download, Progress
from fettle_devstack.settings import DevstackSettings

LOCK = "artifacts.lock"
_AT_ONCE = 8
_TRIES = 3
_TIMEOUT_S = 30


@dataclass(frozen=True)
class Pinned:
    """One file: where it is and what it has to be."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"

    @property
    def coordinate(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version}"

    @classmethod
    def parse(cls, line: str) -> "Pinned":
        coordinate, size, digest = line.split()
        group, artifact, version = coordinate.split(":")
        return cls(group, artifact, version, int(size), digest)


def pinned(name: str) -> tuple[Pinned, ...]:
    """The files of one download, by its heading in the lock file. Empty when there is no such heading."""
    found: list[Pinned] = []
    heading = ""
    for line in files("fettle_devstack").joinpath(LOCK).read_text().splitlines():
        if line.startswith("["):
            heading = line.strip("[]")
        elif line and heading == name:
            found.append(Pinned.parse(line))
    return tuple(found)


def fetched(name: str, wanted: Sequence[Pinned], settings: DevstackSettings, progress: Progress) -> Path:
    """The folder of the cache with all wanted files under their own names, downloaded on first use.

    Blocks meanwhile. Raises `DownloadFailed`, or `Interrupted`.
    """
    mark = hashlib.sha256("".join(sorted(one.sha256 for one in wanted)).encode()).hexdigest()[:8]
    return cache.entry(settings.cache, f"{name}-{mark}", partial(_fetch_all, name, wanted, settings, progress))


def _fetch_all(
    name: str, wanted: Sequence[Pinned], settings: DevstackSettings, progress: Progress, folder: Path
) -> None:
    repository = folder / ".repository"
    download = Download(name, sum(one.size for one in wanted), progress)
    context = MavenContext(
        resolver=PythonResolver(progress_callback=_counted(download)),
        repo_cache=repository,
        remote_repos={"mirror": settings.maven_repository} if settings.maven_repository else None,
        timeout=_TIMEOUT_S,
    )
    with certificates_of_the_system(), ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda one: _fetch(one, context, folder), wanted):
            pass
    shutil.rmtree(repository, ignore_errors=True)
    download.done()


def _counted(download: Download) -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    @contextmanager
    def file(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield download.advance

    return file


def _fetch(wanted: Pinned, context: MavenContext, folder: Path) -> None:
    artifact = context.project(wanted.group, wanted.artifact).at_version(wanted.version).artifact()
    last: Exception | None = None
    for _ in range(_TRIES):
        if artifact.cached_path is not None:
            artifact.cached_path.unlink(missing_ok=True)
        try:
            found = context.resolver.download(artifact)
        except (OSError, requests.RequestException) as error:
            last = error
            continue
        except RuntimeError as error:
            last = error
            break
        if found is not None:
            _believe(found, wanted)
            found.replace(folder / wanted.file_name)
            return
    raise DownloadFailed(
        f"{wanted.coordinate} could not be downloaded ({_reason(last)}). Try again when the network is there, set "
        "FETTLE_MAVEN_REPOSITORY to a mirror, or name servers that run in FETTLE_KAFKA_BOOTSTRAP_SERVERS and "
        "FETTLE_DATABASE_URL."
    )


def _reason(error: Exception | None) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return "not found there" if isinstance(error, RuntimeError) else type(error).__name__


def _believe(file: Path, wanted: Pinned) -> None:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != wanted.sha256:
        raise DownloadFailed(
            f"{wanted.coordinate} arrived with SHA-256 {digest}, but {wanted.sha256} is pinned; it is not used. "
            "Something between here and the repository changed it."
        )


@contextmanager
def certificates_of_the_system() -> Iterator[None]:
    """Lets `requests` trust what `SSL_CERT_FILE` names, as other programs do: it has a variable of its own for that."""
    name, system = "REQUESTS_CA_BUNDLE", os.environ.get("SSL_CERT_FILE")
    if not system or name in os.environ or "CURL_CA_BUNDLE" in os.environ:
        yield
        return
    os.environ[name] = system
    try:
        yield
    finally:
        os.environ.pop(name, None)
