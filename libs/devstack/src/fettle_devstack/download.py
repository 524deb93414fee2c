"""Fetching pinned files through jgo. Whether a file is believed is decided by the pinned checksum alone."""

import hashlib
import os
import shutil
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import requests
from jgo.maven import MavenContext, PythonResolver

from fettle_devstack.artifacts import Pinned
from fettle_devstack.failures import DownloadFailed
from fettle_devstack.progress import Arriving, Progress

_AT_ONCE = 8
_TRIES = 3
_TIMEOUT_S = 30


def download(name: str, wanted: Sequence[Pinned], folder: Path, mirror: str | None, progress: Progress) -> None:
    """Puts all wanted files into `folder` under their own names, several at a time, and says how far it is.

    Blocks. Raises `DownloadFailed` when one cannot be had or is not what was pinned, or `Interrupted`.
    """
    repository = folder / ".repository"
    arriving = Arriving(name, sum(one.size for one in wanted), progress)
    context = MavenContext(
        resolver=PythonResolver(progress_callback=_counted(arriving)),
        repo_cache=repository,
        remote_repos={"mirror": mirror} if mirror else None,
        timeout=_TIMEOUT_S,
    )
    with certificates_of_the_system(), ThreadPoolExecutor(_AT_ONCE) as pool:
        for _ in pool.map(lambda one: _fetch(one, context, folder), wanted):
            pass
    shutil.rmtree(repository, ignore_errors=True)
    arriving.done()


def _counted(arriving: Arriving) -> Callable[[str, int], AbstractContextManager[Callable[[int], None]]]:
    @contextmanager
    def file(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        yield arriving.advance

    return file


def _fetch(wanted: Pinned, context: MavenContext, folder: Path) -> None:
    component = context.project(wanted.group, wanted.artifact).at_version(wanted.version)
    artifact = component.artifact(packaging=wanted.kind)
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
    """Lets `requests` trust what other programs here do: the system's store, or what `SSL_CERT_FILE` names.

    Left alone are its own variables, and a system that keeps no certificates.
    """
    name, paths = "REQUESTS_CA_BUNDLE", ssl.get_default_verify_paths()
    system = paths.cafile or (paths.capath if paths.capath and any(Path(paths.capath).glob("*.0")) else None)
    if not system or name in os.environ or "CURL_CA_BUNDLE" in os.environ:
        yield
        return
    os.environ[name] = system
    try:
        yield
    finally:
        os.environ.pop(name, None)
