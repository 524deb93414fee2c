"""Parts start in order, stop in reverse, and fail loudly; the process ends as its exit status says."""

import asyncio
import json
import signal

import pytest
from chassis_echo.app import HEARD
from chassis_echo.workbench import Process, database_of, heard, produce, until_heard
from sqlalchemy import text

from fettle_chassis.service import Part, Service
from fettle_chassis.settings import ServiceSettings


class Told(Part):
    """Writes down what happens to it."""

    def __init__(self, name: str, said: list[str], *, fails: bool = False) -> None:
        self.name = name
        self._said = said
        self._fails = fails

    async def start(self) -> None:
        self._said.append(f"start {self.name}")
        if self._fails:
            raise ZeroDivisionError(self.name)

    async def stop(self) -> None:
        self._said.append(f"stop {self.name}")


def service(*parts: Part) -> Service:
    whole = Service("told")
    whole.add(*parts)
    return whole


@pytest.mark.rule("OP-44")
async def test_parts_start_in_order_and_stop_in_reverse() -> None:
    said: list[str] = []
    whole = service(Told("a", said), Told("b", said))
    assert whole.not_ready() == {"a": "not started", "b": "not started"}
    async with whole.running():
        assert said == ["start a", "start b"]
        assert whole.not_ready() == {}
    assert said == ["start a", "start b", "stop b", "stop a"]
    assert whole.not_ready() == {"a": "stopping", "b": "stopping"}


@pytest.mark.rule("OP-44")
async def test_a_start_that_fails_stops_what_was_started() -> None:
    said: list[str] = []
    with pytest.raises(ZeroDivisionError):
        async with service(Told("a", said), Told("b", said, fails=True), Told("c", said)).running():
            pass
    assert said == ["start a", "start b", "stop b", "stop a"]


@pytest.mark.rule("OP-44")
async def test_a_part_that_ends_by_a_cancellation_of_a_client_has_failed() -> None:
    class LetsOneOut(Part):
        name = "lets one out"

        async def run(self) -> None:
            fetch = asyncio.ensure_future(asyncio.sleep(60))
            fetch.cancel()
            await fetch

    async def body() -> None:
        async with service(LetsOneOut()).running():
            await asyncio.sleep(60)

    with pytest.raises(RuntimeError, match="not by its service"):
        await body()


@pytest.mark.rule("OP-44")
async def test_a_part_that_fails_later_stops_the_service() -> None:
    said: list[str] = []
    go = asyncio.Event()

    class FailsLater(Part):
        name = "fails later"

        async def run(self) -> None:
            await go.wait()
            raise ZeroDivisionError("later")

    async def body() -> None:
        async with service(Told("a", said), FailsLater()).running():
            go.set()
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:  # as some client libraries do
                said.append("swallowed")
            await asyncio.sleep(60)

    with pytest.raises(ZeroDivisionError):
        await body()
    assert said == ["start a", "swallowed", "stop a"]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.rule("OP-44")
async def test_a_stop_that_fails_or_is_cancelled_leaves_no_part_running() -> None:
    said: list[str] = []

    class Stubborn(Part):
        name = "stubborn"

        async def stop(self) -> None:
            running.cancel()
            await asyncio.sleep(0.1)
            said.append("stop stubborn")
            raise ZeroDivisionError

    async def run() -> None:
        async with service(Told("a", said), Stubborn()).running():
            pass

    running = asyncio.create_task(run())
    with pytest.raises(asyncio.CancelledError):
        await running
    assert said == ["start a", "stop stubborn", "stop a"]


@pytest.mark.rule("OP-45")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_the_process_and_what_it_had_in_hand_is_done(
    environment: dict[str, str], number: signal.Signals
) -> None:
    settings = ServiceSettings.load(environment)
    process = await Process.start(environment)
    try:
        await process.said("consumer.assigned")
        names = [f"n{number}" for number in range(600)]
        await produce(settings, HEARD, names, key=b"one")
        async with database_of(settings) as database:
            await until_heard(database, 1)
            process.send(number)
            assert await process.ended() == 0
            found = await heard(database)
            assert found == names[: len(found)]
            async with database.reading() as connection:
                assert await connection.scalar(text("SELECT count(*) FROM outbox")) == len(found)
    finally:
        await process.kill()
    events = [json.loads(line)["event"] for line in process.lines]
    assert events[-2:] == ["service.stopping", "service.stopped"]


@pytest.mark.rule("OP-45")
async def test_a_second_signal_ends_the_process_at_once(environment: dict[str, str]) -> None:
    process = await Process.start(environment, module="chassis_echo.sleepy")
    try:
        await process.said("service.started")
        process.send(signal.SIGTERM)
        await process.said("service.stopping")
        process.send(signal.SIGTERM)
        assert await process.ended(within_s=15) == 128 + signal.SIGTERM
    finally:
        await process.kill()


@pytest.mark.rule("OP-45")
async def test_a_refused_start_is_one_line_and_status_1(environment: dict[str, str]) -> None:
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    async with listening:
        process = await Process.start(environment | {"FETTLE_TICKETS_PORT": str(port)})
        assert await process.ended() == 1
    last = json.loads(process.lines[-1])
    assert (last["event"], last["level"]) == ("service.refused", "error")
    assert f"127.0.0.1:{port}" in last["reason"]
