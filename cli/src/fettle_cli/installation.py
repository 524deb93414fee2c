"""Where the commands find Fettle: what the environment names, else what `fettle up` left in `.fettle/`."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fettle_cli.failures import CliError

HOME = ".fettle"
STATE = "up.json"
DEMO_TOKEN = "demo-token"  # noqa: S105 - the name of a file
BOOTSTRAP_TOKEN = "bootstrap-token"  # noqa: S105 - the name of a file
SIGNING_KEYS = "keys"
SECRET_KEYS = "secret-keys"  # noqa: S105 - the name of a file
DEMO_ORG = "demo"
DEFAULT_URL = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class Installation:
    """One installation as seen from here. `environ` is the process's environment, `home` its `.fettle` folder."""

    environ: Mapping[str, str]
    home: Path

    @classmethod
    def here(cls, environ: Mapping[str, str] = os.environ) -> "Installation":
        """`FETTLE_HOME`, else the `.fettle` of this folder or the nearest one above that has one of the same user's."""
        named = environ.get("FETTLE_HOME")
        return cls(environ, Path(named) if named else _nearest(Path.cwd()) / HOME)

    @classmethod
    def to_be(cls, environ: Mapping[str, str] = os.environ) -> "Installation":
        """`FETTLE_HOME`, else the `.fettle` of this very folder, whether it is there or not."""
        return cls(environ, Path(environ.get("FETTLE_HOME") or HOME).absolute())

    @property
    def url(self) -> str:
        """Where the API is."""
        return (self.environ.get("FETTLE_URL") or self.state().get("url") or DEFAULT_URL).rstrip("/")

    @property
    def names_a_gateway(self) -> bool:
        """Whether anything says where the API is."""
        return bool(self.environ.get("FETTLE_URL") or self.state().get("url"))

    @property
    def org(self) -> str:
        return self.environ.get("FETTLE_ORG") or DEMO_ORG

    @property
    def token(self) -> str:
        """The caller's token. Raises CliError when there is none."""
        token = self.environ.get("FETTLE_TOKEN") or self.secret(DEMO_TOKEN)
        if not token:
            raise CliError(
                "there is no token: set FETTLE_TOKEN, or run this where `fettle up` left one "
                f"(looked for {self.home / DEMO_TOKEN})"
            )
        return token

    @property
    def installer_token(self) -> str:
        """A token that may make orgs. Raises CliError when there is none."""
        token = self.environ.get("FETTLE_TOKEN") or self.secret(BOOTSTRAP_TOKEN)
        if not token:
            raise CliError(
                "making orgs and their first tokens needs the installation's own token: set FETTLE_TOKEN to the "
                f"console's FETTLE_BOOTSTRAP_TOKEN, or run this where `fettle up` left one ({self.home})"
            )
        return token

    def service_environ(self) -> dict[str, str]:
        """The environment as the services of this installation see it, for those who talk to Kafka themselves.

        Raises CliError when neither the environment nor `.fettle/` says where Kafka is.
        """
        known = {**self.state().get("environment", {}), **self.environ}
        if not known.get("FETTLE_KAFKA_BOOTSTRAP_SERVERS"):
            raise CliError(
                "nothing says where Kafka is: set FETTLE_KAFKA_BOOTSTRAP_SERVERS, or run this where `fettle up` runs"
            )
        return known

    def state(self) -> dict[str, Any]:
        """What `fettle up` wrote about itself, empty if it never ran here."""
        try:
            state = json.loads((self.home / STATE).read_text())
        except (OSError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def secret(self, name: str) -> str | None:
        """The content of one of the files that only their owner may read."""
        try:
            return (self.home / name).read_text().strip() or None
        except OSError:
            return None


def _nearest(folder: Path) -> Path:
    """A home of another user is passed over: it could name an address that collects tokens."""
    for candidate in (folder, *folder.parents):
        try:
            if (candidate / HOME).stat().st_uid == os.geteuid():
                return candidate
        except OSError:
            continue
    return folder
