"""Secrets that calls of workflows and channels name."""

from fettle_client.asynchronous.connection import AsyncConnection
from fettle_client.asynchronous.pages import AsyncPages
from fettle_client.requests import read, write
from fettle_client.shapes.secrets import Secret


class AsyncSecrets(AsyncConnection):
    """For admins. Values go in and do not come out again."""

    def list_secrets(self, *, cursor: str | None = None, limit: int = 200) -> AsyncPages[Secret]:
        """The names of the org's secrets, with who saved them when."""
        return AsyncPages(self._call, read(self._path("secrets"), cursor=cursor, limit=limit))

    async def put_secret(self, name: str, value: str, *, key: str | None = None) -> Secret:
        """Keeps a secret of 8 to 8,192 characters under this name, instead of the one that it may have had."""
        kept: Secret = await self._call(write("PUT", self._path("secrets", name), {"value": value}, key=key))
        return kept

    async def remove_secret(self, name: str, *, key: str | None = None) -> None:
        """Calls that name it fail from now on."""
        await self._call(write("DELETE", self._path("secrets", name), key=key))
