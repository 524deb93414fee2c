"""How long checkpoints keep a judge from judging, and how long they take with all that they wait for."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from fettle_health_monitor.adapters.judge import checkpoints
from fettle_health_monitor.judge import saving


class Busy:
    """Adds up, in seconds: in `seconds` the steps that saving takes on the loop and the processor time of its packing
    in a thread, but nothing that it waits for, as the judge goes on meanwhile; in `whole` all of it from first step to
    last; in `written` what it waits for the database to have it. The last two with what is under way."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.whole, self.written = Lasting(), Lasting()

    def watch(self) -> None:
        """From now on, for every judge of this process."""
        save = saving.Saving.save

        async def saved(*about: Any) -> None:
            with self.whole:
                await _Steps(self, save(*about))

        write = checkpoints.Checkpoints.save

        async def written(*about: Any) -> bool:
            with self.written:
                return await write(*about)

        checkpoints.Checkpoints.save = written  # type: ignore[method-assign, assignment]
        saving.Saving.save = saved  # type: ignore[method-assign, assignment]
        saving.packed = self._packing(checkpoints.packed)  # type: ignore[attr-defined, assignment]

    def _packing(self, packed: Callable[[Any], bytes]) -> Callable[[Any], bytes]:
        def counted(taken: Any) -> bytes:
            before = time.thread_time()
            try:
                return packed(taken)
            finally:
                self.seconds += time.thread_time() - before

        return counted


class Lasting:
    """How long the blocks under it lasted, one by one; `seconds` is with those that last yet."""

    def __init__(self) -> None:
        self._ends_less_begins, self._inside = 0.0, 0

    @property
    def seconds(self) -> float:
        return self._ends_less_begins + self._inside * time.perf_counter()

    def __enter__(self) -> None:
        self._ends_less_begins -= time.perf_counter()
        self._inside += 1

    def __exit__(self, *error: object) -> None:
        self._ends_less_begins += time.perf_counter()
        self._inside -= 1


class _Steps(Generator[Any, Any, None]):
    """Awaits a coroutine, and adds up how long its steps take."""

    def __init__(self, busy: Busy, coroutine: Coroutine[Any, Any, None]) -> None:
        self._busy, self._coroutine = busy, coroutine

    def __await__(self) -> Generator[Any, Any, None]:
        return self

    def send(self, value: Any, /) -> Any:
        return self._step(self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._step(self._coroutine.throw, *error)

    def _step(self, step: Callable[..., Any], *about: Any) -> Any:
        before = time.perf_counter()
        try:
            return step(*about)
        finally:
            self._busy.seconds += time.perf_counter() - before
