"""When a subject was last heard, by what owners and checkpoints say, without either: HTTP and database are played."""

from array import array
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import cramjam
import httpx2
import pytest

from fettle_chassis.database import Database
from fettle_chassis.signing import SigningKey
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.times import from_ms, rfc3339
from fettle_health_monitor.adapters.correlator.last_heard import LastHeard, Listeners
from fettle_health_monitor.adapters.judge.checkpoints import Stored
from fettle_health_monitor.domain.judge.checkpoint import Greeting, Snapshot, pack
from fettle_health_monitor.domain.judge.shard import Place

OWNER, PLACE = "http://owner", Place(1, 1, 1)
KEY = HeartbeatKey.parse("acme/device/hall/50%41 lamp?#1")
SAID = {"last_heard": rfc3339(from_ms(5_000)), "as_of": rfc3339(from_ms(6_000))}
BY_OWNER = LastHeard(from_ms(5_000), from_ms(6_000), "owner")
Answer = Callable[[httpx2.Request], httpx2.Response]


class _Checkpoints:
    def __init__(self, saved: Snapshot | Greeting | None) -> None:
        self._saved = saved

    async def load(self, shard: int) -> Stored | None:
        assert shard == 3
        if self._saved is None:
            return None
        return Stored(1, 1, 4, 1, bytes(cramjam.zstd.compress(pack(self._saved))))


def saved(keys: list[HeartbeatKey], heard_at: list[int]) -> Snapshot:
    fields: dict[str, Any] = {"partition": 3, "partitions": 4, "generation": 1, "rules_version": 1, "place": PLACE}
    nothing: dict[str, Any] = {"policies": (), "profiles": [], "timings": [], "listed": {}, "number": 0}
    columns = {"heard_at": array("q", heard_at).tobytes()}
    known = b"\0".join(key.encode() for key in keys)
    return Snapshot(**fields, **nothing, clock=(9_000, 9_000, 0, 7_000), keys=known, columns=columns)


def listeners(answer: Answer | None = None, checkpoint: Snapshot | Greeting | None = None) -> Listeners:
    """Owners answer so, and of shard 3 this is saved."""
    keys = [SigningKey("k1", b"x" * 32)]
    made = Listeners(cast(Database, None), keys, within_s=1.0, now=lambda: datetime.now(UTC))
    made._checkpoints = cast(Any, _Checkpoints(checkpoint))
    if answer is not None:
        made._client = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    return made


async def ask(listening: Listeners, key: HeartbeatKey = KEY) -> LastHeard | None:
    try:
        return await listening.last_heard(3, OWNER, key)
    finally:
        await listening.stop()


@pytest.mark.rule("HM-80")
async def test_an_owner_is_asked_for_the_subject_by_its_whole_id() -> None:
    """Also where the id holds what has a meaning in an address."""
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.raw_path)
        return httpx2.Response(200, json=SAID)

    assert await ask(listeners(answer)) == BY_OWNER
    assert asked == [b"/internal/subjects/acme/device/hall/50%2541%20lamp%3F%231"]


def _refuses(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(503, json=SAID)


def _is_away(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("away")


@pytest.mark.rule("HM-80")
@pytest.mark.parametrize("answer", [None, _refuses, _is_away], ids=["not asked", "refuses", "is away"])
async def test_where_the_owner_does_not_say_the_checkpoint_does(answer: Answer | None) -> None:
    """Whatever else stands in an answer that is none."""
    another = HeartbeatKey.parse("acme/device/a")
    checkpoint = saved([another, KEY], [0, 4_000])
    assert await ask(listeners(answer, checkpoint)) == LastHeard(from_ms(4_000), from_ms(7_000), "checkpoint")
    assert await ask(listeners(answer, checkpoint), another) == LastHeard(None, from_ms(7_000), "checkpoint")


@pytest.mark.rule("HM-80")
@pytest.mark.parametrize(
    "checkpoint",
    [None, Greeting(nonce="n1", place=PLACE), saved([HeartbeatKey.parse("acme/device/a")], [4_000])],
    ids=["none", "only a hello", "of others"],
)
async def test_where_nobody_knows_the_subject_nothing_is_said(checkpoint: Snapshot | Greeting | None) -> None:
    assert await ask(listeners(_refuses, checkpoint)) is None


@pytest.mark.rule("HM-80")
@pytest.mark.parametrize("answer", [None, _refuses, _is_away], ids=["not asked", "refuses", "is away"])
async def test_a_list_does_without_whom_no_owner_tells_of(answer: Answer | None) -> None:
    def tells_one(request: httpx2.Request) -> httpx2.Response:
        if request.url.host == "owner":
            return httpx2.Response(200, json={"device/a": SAID})
        return httpx2.Response(404) if answer is None else answer(request)

    listening = listeners(tells_one)
    found = await listening.last_heard_of("acme", {OWNER: ["device/a", "device/b"], "http://other": ["device/c"]})
    await listening.stop()
    assert found == {"device/a": BY_OWNER}
    assert await listeners().last_heard_of("acme", {OWNER: ["device/a"]}) == {}
