"""A service is named parts, started in order and stopped in reverse; the process is a library."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NoReturn, TypeVar

from fettle_chassis.settings import ServiceSettings

S = TypeVar("S", bound=ServiceSettings)


class Part:
    """Something with a life. Subclass and override what applies; start and stop are called once each."""

    name: str

    async def start(self) -> None:
        """Returns when the part works. Raising ends the start; parts already started are stopped."""

    async def run(self) -> None:
        """Runs beside the others until cancelled by stop; a raise here stops the whole service with exit status 1.

        Returning early is fine and means that nothing is left to do. The default returns at once.
        """

    async def stop(self) -> None:
        """Finishes what is in hand and lets go. Called after `run` has been cancelled, unless `drains` says
        otherwise. Must end by itself within 25 s."""

    def not_ready(self) -> str | None:
        """Why `/readyz` should say no, or None."""
        return None

    def not_live(self) -> str | None:
        """Why `/livez` should say no (the process should be restarted), or None."""
        return None


class Loop(Part):
    """A coroutine function as a part: called at start, cancelled at stop, its failure is the service's failure."""

    def __init__(self, name: str, body: Callable[[], Awaitable[None]]) -> None:
        raise NotImplementedError


class Service:
    """Parts under one name."""

    def __init__(self, name: str) -> None:
        raise NotImplementedError

    def add(self, *parts: Part) -> None:
        """Appends parts; the order is the order of starting."""
        raise NotImplementedError

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts the parts, runs them while the body runs, stops them in reverse. For tests and for `run`.

        A part that fails meanwhile cancels the body, and its failure is raised from here.
        """
        raise NotImplementedError
        yield

    def problems(self) -> dict[str, str]:
        """Parts that are not ready, with the reason."""
        raise NotImplementedError


def run(service: str, settings_type: type[S], roles: Mapping[str, Callable[[S], Service]]) -> NoReturn:
    """The whole of a `__main__.py`: settings, logging, build, run until SIGTERM or SIGINT, exit.

    The first command-line argument picks the role; without one, the first of `roles`. Exit status: 0 stopped as
    asked, 1 a part failed or the start was refused, 2 a setting or the role is wrong (one line on stderr). A second
    signal exits at once.
    """
    raise NotImplementedError
