"""The parent of all services, as a process: what it starts, what it tells, and how its children end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fettle_cli.failures import CliError
from fettle_cli.up.children import plain
from fettle_cli.up.nursery_client import NurseryClient

PROGRAM = """\
import os, signal, sys, threading
ended = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: ended.set())
print(" ".join(sys.argv[1:]), os.environ.get("FETTLE_NAME", ""), os.getcwd(), __name__, flush=True)
if sys.argv[1] == "end":
    sys.exit(int(sys.argv[2]))
ended.wait()
print("ends")
"""


@pytest.fixture
def program(tmp_path: Path) -> str:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return str(path)


@pytest.fixture
async def nursery(tmp_path: Path) -> AsyncIterator[NurseryClient]:
    opened = NurseryClient.open(tmp_path / "logs" / "nursery.log")
    hearing = asyncio.create_task(opened.listen())
    yield opened
    await opened.close()
    await asyncio.gather(hearing, return_exceptions=True)
    assert (tmp_path / "logs" / "nursery.log").read_text() == ""


async def _start(nursery: NurseryClient, tmp_path: Path, name: str, *argv: str) -> int:
    environ = {"FETTLE_NAME": name}
    return await nursery.start(name, argv, log=tmp_path / f"{name}.log", folder=tmp_path, environ=environ)


async def _begun(log: Path) -> None:
    async with asyncio.timeout(60):
        while not (log.exists() and log.read_text()):  # noqa: ASYNC110 - a line in a file is no event either
            await asyncio.sleep(0.02)


async def _gone(pid: int) -> None:
    async with asyncio.timeout(60):
        while Path(f"/proc/{pid}").exists():  # noqa: ASYNC110 - the end of a stranger's child is nobody's event
            await asyncio.sleep(0.02)


@pytest.mark.rule("OP-39")
async def test_a_child_is_a_main_program_with_its_own_arguments_settings_and_log(
    nursery: NurseryClient, program: str, tmp_path: Path
) -> None:
    pid = await _start(nursery, tmp_path, "one", program, "end", "7")
    assert await nursery.ended("one") == 7
    assert pid != os.getpid()
    assert (tmp_path / "one.log").read_text() == f"end 7 one {tmp_path} __main__\n"


@pytest.mark.rule("OP-39")
async def test_modules_run_as_python_runs_them(nursery: NurseryClient, tmp_path: Path) -> None:
    await _start(nursery, tmp_path, "usage", "-m", "fettle_cli", "tickets", "show")
    assert await nursery.ended("usage") == 2
    assert "NUMBER" in (tmp_path / "usage.log").read_text()


@pytest.mark.rule("OP-39")
async def test_children_end_one_by_one_and_may_come_again(nursery: NurseryClient, program: str, tmp_path: Path) -> None:
    first, other = [await _start(nursery, tmp_path, name, program, "stay") for name in ("first", "other")]
    await _begun(tmp_path / "first.log")
    await nursery.stop("first")
    assert await nursery.ended("first") == 0
    assert (tmp_path / "first.log").read_text().endswith("ends\n")
    assert Path(f"/proc/{other}").exists()
    again = await _start(nursery, tmp_path, "first", program, "stay")
    assert again != first
    os.kill(again, signal.SIGKILL)
    assert await nursery.ended("first") == 128 + signal.SIGKILL


@pytest.mark.rule("OP-39")
async def test_closing_the_orders_stops_every_child(program: str, tmp_path: Path) -> None:
    nursery = NurseryClient.open(tmp_path / "nursery.log")
    hearing = asyncio.create_task(nursery.listen())
    pids = [await _start(nursery, tmp_path, name, program, "stay") for name in ("a", "b")]
    for name in ("a", "b"):
        await _begun(tmp_path / f"{name}.log")
    # A child that hangs is woken to be stopped.
    os.kill(pids[1], signal.SIGSTOP)
    await nursery.close()
    await hearing
    for pid in pids:
        await _gone(pid)
    assert [(tmp_path / f"{name}.log").read_text().count("ends") for name in ("a", "b")] == [1, 1]


@pytest.mark.rule("OP-39")
async def test_a_killed_nursery_takes_its_children_along_and_is_missed(program: str, tmp_path: Path) -> None:
    nursery = NurseryClient.open(tmp_path / "nursery.log")
    hearing = asyncio.create_task(nursery.listen())
    child = await _start(nursery, tmp_path, "a", program, "stay")
    waiting = asyncio.create_task(nursery.ended("a"))
    os.kill(nursery.pid, signal.SIGKILL)
    with pytest.raises(CliError, match=r"parent of all services ended; .*nursery\.log"):
        await hearing
    await _gone(child)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await nursery.close()


@pytest.mark.rule("OP-35")
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("console: FETTLE_HTTP_PORT must be a number", "console: FETTLE_HTTP_PORT must be a number"),
        ('{"event": "service.refused", "reason": "the topic has CreateTime"}', "the topic has CreateTime"),
        ('{"event": "service.failed", "error": "TypeError()"}', "TypeError()"),
        ('{"event": "service.started"}', "service.started"),
        ("17", "17"),
    ],
)
def test_the_last_line_of_a_log_is_said_in_plain_words(line: str, said: str) -> None:
    assert plain(line) == said
