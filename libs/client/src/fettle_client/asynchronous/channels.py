"""Channels, by which workflows tell people."""

from collections.abc import Mapping, Sequence
from typing import Any

from fettle_client.asynchronous.connection import AsyncConnection
from fettle_client.asynchronous.pages import AsyncPages
from fettle_client.requests import fields, read, write
from fettle_client.shapes.channels import Channel, ChannelKind, Trial


class AsyncChannels(AsyncConnection):
    """What is secret in `settings` is named: `{"secret": "name"}`."""

    def list_channels(self, *, cursor: str | None = None, limit: int = 200) -> AsyncPages[Channel]:
        """The org's channels by name."""
        return AsyncPages(self._call, read(self._path("channels"), cursor=cursor, limit=limit))

    async def create_channel(
        self,
        name: str,
        kind: ChannelKind,
        settings: Mapping[str, Any],
        *,
        hourly_cap: int | None = None,
        key: str | None = None,
    ) -> Channel:
        """Refused with 409 if there is one of that name."""
        body = fields(name=name, kind=kind, settings=settings, hourly_cap=hourly_cap)
        made: Channel = await self._call(write("POST", self._path("channels"), body, key=key))
        return made

    async def get_channel(self, name: str) -> Channel:
        found: Channel = await self._call(read(self._path("channels", name)))
        return found

    async def put_channel(
        self,
        name: str,
        kind: ChannelKind,
        settings: Mapping[str, Any],
        *,
        hourly_cap: int | None = None,
        key: str | None = None,
    ) -> Channel:
        """Makes the channel or puts another in its place; what it holds back stays."""
        body = fields(kind=kind, settings=settings, hourly_cap=hourly_cap)
        saved: Channel = await self._call(write("PUT", self._path("channels", name), body, key=key))
        return saved

    async def remove_channel(self, name: str, *, key: str | None = None) -> None:
        """What it holds back is not sent any more."""
        await self._call(write("DELETE", self._path("channels", name), key=key))

    async def test_channel(self, name: str, *, to: Sequence[str] | None = None, key: str | None = None) -> Trial:
        """Sends one message now and says what became of it. `to`: other recipients of a mail channel."""
        request = write("POST", self._path("channels", name, "test"), fields(to=to), key=key)
        tried: Trial = await self._call(request)
        return tried
