"""One attempt at appending, against a connection that goes away under it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import RequestTimedOutError

from fettle_console.adapters.one_attempt import Fate, produce, sign_of_life

NODE = 1


class ClosedByAnother:
    """A connection whose request times out, and that another request has had replaced by the time it does."""

    def __init__(self, connections: dict[Any, Any]) -> None:
        self._connections = connections

    def connected(self) -> bool:
        return True

    def close(self, reason: object = None) -> None:
        """The client closes all of its connections in the end."""

    async def send(self, *_args: object, **_options: object) -> None:
        self._connections.clear()
        raise TimeoutError


@pytest.mark.rule("AC-12")
async def test_requests_that_time_out_together_are_told_apart_from_a_fault_of_ours() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    place = (NODE, 0)
    client._conns[place] = ClosedByAnother(client._conns)
    with pytest.raises(RequestTimedOutError, match="node 1"):
        await asyncio.wait_for(sign_of_life(client, NODE, "t"), 30)
    client._conns[place] = ClosedByAnother(client._conns)
    assert await produce(client, NODE, "t", {0: [(b"k", b"v")]}, 1.0) == {0: (Fate.UNKNOWN, RequestTimedOutError.errno)}


@pytest.mark.rule("AC-12")
async def test_a_node_that_cannot_be_reached_has_taken_nothing() -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    assert await produce(client, NODE, "t", {0: [(b"k", b"v")]}, 1.0) == {0: (Fate.NOT_TAKEN, 0)}


class Answering:
    """A connection to a broker that answers every produce request with this code and base offset."""

    def __init__(self, code: int, offset: int) -> None:
        self._answer = SimpleNamespace(topics=[("t", [(0, code, offset, -1, 0)])])

    def connected(self) -> bool:
        return True

    def close(self, reason: object = None) -> None:
        """The client closes all of its connections in the end."""

    async def send(self, *_args: object, **_options: object) -> object:
        return self._answer


@pytest.mark.rule("AC-12")
@pytest.mark.parametrize(
    ("code", "offset", "fate"),
    [
        (0, 41, Fate.TAKEN),
        (6, -1, Fate.NOT_TAKEN),
        (6, 41, Fate.UNKNOWN),
        (3, 41, Fate.UNKNOWN),
        (7, 41, Fate.UNKNOWN),
        (20, 41, Fate.UNKNOWN),
        (7, -1, Fate.UNKNOWN),
    ],
)
async def test_a_broker_that_stops_leading_has_perhaps_kept_what_it_gave_a_place(
    code: int, offset: int, fate: Fate
) -> None:
    client = AIOKafkaClient(bootstrap_servers="127.0.0.1:1")
    client._conns[NODE, 0] = Answering(code, offset)
    assert await produce(client, NODE, "t", {0: [(b"k", b"v")], 1: [(b"k", b"v")]}, 1.0) == {
        0: (fate, code),
        1: (Fate.UNKNOWN, 0),
    }
