# Derived from asynchronous/secrets.py by `make schemas`; change that one.
"""Secrets that calls of workflows and channels name."""

from fettle_client.requests import read, write
from fettle_client.shapes.secrets import Secret
from fettle_client.synchronous.connection import Connection
from fettle_client.synchronous.pages import Pages


class Secrets(Connection):
    """For admins. Values go in and do not come out again."""

    def list_secrets(self, *, cursor: str | None = None, limit: int = 200) -> Pages[Secret]:
        """The names of the org's secrets, with who saved them when."""
        return Pages(self._call, read(self._path("secrets"), cursor=cursor, limit=limit))

    def put_secret(self, name: str, value: str, *, key: str | None = None) -> Secret:
        """Keeps a secret of 8 to 8,192 characters under this name, instead of the one that it may have had."""
        kept: Secret = self._call(write("PUT", self._path("secrets", name), {"value": value}, key=key))
        return kept

    def remove_secret(self, name: str, *, key: str | None = None) -> None:
        """Calls that name it fail from now on."""
        self._call(write("DELETE", self._path("secrets", name), key=key))
