"""What can keep the servers from running. Each text is one line for a person: what is wrong and the way out."""

from pathlib import Path


class DevstackError(Exception):
    """The servers cannot run."""


class PortTaken(DevstackError):
    def __init__(self, server: str, port: int, setting: str) -> None:
        super().__init__(f"Port {port} for {server} is taken on 127.0.0.1. Set {setting} to a free port.")


class DownloadFailed(DevstackError):
    """A file could not be fetched, or is not the one that was pinned."""


class StartFailed(DevstackError):
    def __init__(self, server: str, why: str, log: Path, last_lines: str) -> None:
        super().__init__(f"{server} {why}; its log is {log}" + (f":\n{last_lines}" if last_lines else "."))


class HomeInUse(DevstackError):
    def __init__(self, home: Path) -> None:
        super().__init__(
            f"Servers already run from {home}. Stop them, or set FETTLE_HOME, FETTLE_KAFKA_PORT and "
            "FETTLE_POSTGRES_PORT."
        )


class PlatformUnknown(DevstackError):
    def __init__(self, platform: str) -> None:
        super().__init__(
            f"No PostgreSQL is pinned for {platform}. Set FETTLE_DATABASE_URL to a server that runs, "
            "or FETTLE_DEVSTACK=docker."
        )


class SettingWrong(DevstackError):
    def __init__(self, setting: str, why: str) -> None:
        super().__init__(f"{setting} {why}.")


class NotOurs(DevstackError):
    """A server that settings name was asked to stop, start or pause: only who started it may do that."""


class Interrupted(DevstackError):
    """Somebody asked for the end while the servers were still coming up."""

    def __init__(self) -> None:
        super().__init__("Interrupted while the servers were starting.")
