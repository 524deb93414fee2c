"""An engine whose clock is wrong by as many seconds as the file says that it is given: `python engine_by_a_clock.py
FILE`. Whoever writes the file puts the clock of the running engine forward or back."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fettle_chassis.process import run
from fettle_contracts.times import to_milliseconds
from fettle_workflow_engine import app
from fettle_workflow_engine.settings import WorkflowSettings

if __name__ == "__main__":
    wrong_by = Path(sys.argv.pop())
    app.now = lambda: to_milliseconds(datetime.now(UTC) + timedelta(seconds=float(wrong_by.read_text())))
    run(app.NAME, WorkflowSettings, {"service": app.build_app})
