"""A service is named parts, started in order and stopped in reverse; the process is a library."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from fettle_chassis.patience import to_its_end

log = structlog.get_logger(__name__)

STOP_WITHIN_S = 25.0
_INTERRUPT_EVERY_S = 1.0


class Part:
    """Something with a life. Subclass and override what applies."""

    name: str

    async def start(self) -> None:
        """Returns when the part works. Raising ends the start: this part and those before it are stopped."""

    async def run(self) -> None:
        """Runs beside the others until cancelled; a raise here, also of a `CancelledError` that the service did not
        send, stops the whole service with exit status 1.

        Returning early is fine and means that nothing is left to do. The default returns at once.
        """

    async def stop(self) -> None:
        """Finishes what is in hand and lets go, within 25 s. Called after `run` has been cancelled; also after a
        start that failed half-way."""

    def not_ready(self) -> str | None:
        """Why `/readyz` should say no, or None."""
        return None

    def not_live(self) -> str | None:
        """Why `/livez` should say no (the process should be restarted), or None."""
        return None


class Service:
    """Parts under one name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._parts: list[Part] = []
        self._running: dict[Part, asyncio.Task[None]] = {}
        self._failure: BaseException | None = None
        self._stopping = False
        self._interrupts = 0

    def add(self, *parts: Part) -> None:
        """Appends parts; the order is the order of starting."""
        self._parts.extend(parts)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Starts the parts, runs them while the body runs, stops them in reverse. For tests and for `run`. Once.

        A part that fails meanwhile cancels the body, and its failure is raised from here.
        """
        body = asyncio.current_task()
        try:
            for part in self._parts:
                await self._start(part, body)
                if body is not None and body.cancelling():
                    raise asyncio.CancelledError  # a client library may swallow it once
            log.info("service.started", parts=[part.name for part in self._parts])
            yield
        except asyncio.CancelledError:
            if self._failure is None:
                raise
            if body is not None:
                for _ in range(self._interrupts):
                    body.uncancel()
        finally:
            self._stopping = True
            await to_its_end(self._stop_all())
        if self._failure is not None:
            raise self._failure

    def not_ready(self) -> dict[str, str]:
        """Parts that are not ready, with the reason."""
        return {part.name: reason for part in self._parts if (reason := self._why_not_ready(part))}

    def not_live(self) -> dict[str, str]:
        """Parts because of which the process should be restarted, with the reason."""
        return {part.name: reason for part in self._parts if (reason := part.not_live())}

    def _why_not_ready(self, part: Part) -> str | None:
        if self._stopping:
            return "stopping"
        if part not in self._running:
            return "not started"
        return part.not_ready()

    async def _start(self, part: Part, body: "asyncio.Task[object] | None") -> None:
        try:
            await part.start()
        except BaseException:
            await _bounded(part)
            raise
        task = asyncio.create_task(part.run(), name=f"{self.name}:{part.name}")
        self._running[part] = task
        task.add_done_callback(lambda ended: self._ended(part, ended, body))

    def _ended(self, part: Part, task: "asyncio.Task[None]", body: "asyncio.Task[object] | None") -> None:
        failure = self._failure_of(task)
        if failure is None:
            return
        log.error("service.part_failed", part=part.name, error=repr(failure), exc_info=failure)
        if self._failure is None and not self._stopping:
            self._failure = failure
            self._interrupt(body)

    def _failure_of(self, task: "asyncio.Task[None]") -> BaseException | None:
        """A part that was cancelled though the service goes on has failed: client libraries are known to let their own
        cancellations out."""
        if task.cancelled():
            return None if self._stopping else RuntimeError("cancelled, and not by its service")
        return task.exception()

    def _interrupt(self, body: "asyncio.Task[object] | None") -> None:
        """Cancels the body until it gives in: client libraries are known to swallow a cancellation."""
        if body is None or body.done() or self._stopping:
            return
        self._interrupts += 1
        body.cancel()
        asyncio.get_running_loop().call_later(_INTERRUPT_EVERY_S, self._interrupt, body)

    async def _stop_all(self) -> None:
        for part in reversed(list(self._running)):
            await self._stop(part)

    async def _stop(self, part: Part) -> None:
        task = self._running[part]
        task.cancel()
        await asyncio.wait([task])
        await _bounded(part)


async def _bounded(part: Part) -> None:
    """Stops a part; whatever goes wrong is logged, for the parts before it must be stopped too. A cancellation is one
    that a client library lets out: nobody cancels a stop."""
    try:
        async with asyncio.timeout(STOP_WITHIN_S):
            await part.stop()
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see above
        log.warning("service.stop_failed", part=part.name, error=repr(error))
