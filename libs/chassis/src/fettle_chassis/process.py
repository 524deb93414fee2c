"""The process around a service: settings, logging, signals, exit status."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

import structlog

from fettle_chassis.failures import StartRefused
from fettle_chassis.garbage import collect_rarely
from fettle_chassis.large_buffers import give_back_large_buffers
from fettle_chassis.logs import configure_logging
from fettle_chassis.service import Service
from fettle_chassis.settings import ServiceSettings, SettingsError

log = structlog.get_logger(__name__)

S = TypeVar("S", bound=ServiceSettings)

STOPPED, FAILED, WRONG_USE = 0, 1, 2


def run(service: str, settings_type: type[S], roles: Mapping[str, Callable[[S], Service]]) -> NoReturn:
    """The whole of a `__main__.py`: settings, logging, build, run until SIGTERM or SIGINT, exit.

    The first command-line argument picks the role; without one, the first of `roles`. Exit status: 0 stopped as
    asked, 1 a part failed or the start was refused, 2 a setting or the role is wrong (one line on stderr). A second
    signal exits at once.
    """
    role = sys.argv[1] if len(sys.argv) > 1 else next(iter(roles))
    if role not in roles:
        _say(f"{service}: unknown role {role!r}, it is one of {', '.join(roles)}")
        sys.exit(WRONG_USE)
    give_back_large_buffers()
    try:
        settings = settings_type.load()
        configure_logging(service if role == next(iter(roles)) else f"{service}-{role}")
        sys.exit(asyncio.run(_live(roles[role], settings)))
    except SettingsError as error:
        _say(f"{service}: {error}")
        sys.exit(WRONG_USE)


async def _live(build: Callable[[S], Service], settings: S) -> int:
    _cancel_on_signal(_this_task())
    try:
        async with build(settings).running():
            collect_rarely()
            await asyncio.get_running_loop().create_future()  # until a signal or a failure cancels it
    except asyncio.CancelledError:
        log.info("service.stopped")
        return STOPPED
    except SettingsError:
        raise
    except StartRefused as error:
        log.error("service.refused", reason=str(error))
    except Exception as error:
        log.error("service.failed", error=repr(error), exc_info=error)
    return FAILED


def _cancel_on_signal(task: "asyncio.Task[object]") -> None:
    asked: list[int] = []

    def on_signal(number: int) -> None:
        if asked:
            os._exit(128 + number)
        asked.append(number)
        log.info("service.stopping", signal=signal.Signals(number).name)
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def _this_task() -> "asyncio.Task[object]":
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("not inside a task")
    return task


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
