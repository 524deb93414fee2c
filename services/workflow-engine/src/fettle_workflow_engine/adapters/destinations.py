"""Connections to the outside, to the very addresses that were judged."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address
from typing import Any

import httpcore2

from fettle_workflow_engine.domain.destinations import WEB_PORTS, Address, Allowed, checked, host_of

Lookup = Callable[[str, int], Awaitable[Sequence[Address]]]


async def look_up(host: str, port: int) -> list[Address]:
    """All addresses of a name, by the system's resolver. Raises OSError. Takes a thread of the loop's for as long as
    the resolver does."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(ip_address(answer[4][0]) for answer in found))


class Destinations:
    """Looks up, judges and connects in one step: no name is looked up twice, so none can change its mind between."""

    def __init__(self, allowed: Allowed, lookup: Lookup = look_up) -> None:
        self._allowed = allowed
        self._lookup = lookup

    async def addresses(self, host: str, port: int, ports: frozenset[int]) -> tuple[Address, ...]:
        """Where a connection to `host` may go. Raises Barred, and OSError when the name leads nowhere."""
        name = host_of(host)
        found = await self._lookup(name, port)
        if not found:
            raise OSError(f"{name!r} has no address")
        return checked(name, port, found, self._allowed, ports)

    async def connect(self, host: str, port: int, ports: frozenset[int]) -> socket.socket:
        """A connected socket, not blocking: the first address that answers. Raises Barred and OSError; the caller
        bounds the time."""
        failure = OSError(f"{host!r} has no address")
        for address in await self.addresses(host, port, ports):
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.setblocking(False)
                await asyncio.get_running_loop().sock_connect(connection, (str(address), port))
            except OSError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
            else:
                return connection
        raise failure


class GuardedNetwork(httpcore2.AsyncNetworkBackend):
    """How the HTTP client reaches out: names go through `Destinations`. TLS and `Host` keep the name as written."""

    def __init__(self, destinations: Destinations) -> None:
        self._destinations = destinations
        self._plain = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            addresses = await self._destinations.addresses(host, port, WEB_PORTS)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        failure: httpcore2.NetworkError | httpcore2.TimeoutException = httpcore2.ConnectError("no address")
        for address in addresses:
            try:
                return await self._plain.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore2.NetworkError, httpcore2.TimeoutException) as error:
                failure = error
        raise failure
