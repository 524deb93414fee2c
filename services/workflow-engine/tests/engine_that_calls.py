"""An engine whose calls to the outside are lines in the file that it is given: `python engine_that_calls.py FILE`."""

import asyncio
import os
import sys
from pathlib import Path

from fettle_chassis.process import run
from fettle_workflow_engine.app import NAME, build_app
from fettle_workflow_engine.domain.calls import Done, Outcome, OutsideCall, Retry
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.settings import WorkflowSettings


class Lines:
    """Each attempt is a line: the call's id and the attempt's number. Every fifth call fails the first time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def perform(self, call: OutsideCall) -> Outcome:
        os.write(self._file, f"{call.id} {call.attempt}\n".encode())
        await asyncio.sleep(0.01)
        if call.attempt == 1 and call.id.int % 5 == 0:
            return Retry(Failure("away", "Nobody there."))
        return Done({"status": 200})


if __name__ == "__main__":
    lines = Lines(Path(sys.argv.pop()))
    run(NAME, WorkflowSettings, {"service": lambda settings: build_app(settings, lines)})
