"""The real `fettle` with small services in place of the real ones: `python small_fettle.py KINDS ARGUMENT …`."""

import sys
from pathlib import Path

from fettle_cli.main import main
from fettle_cli.up import processes
from fettle_cli.up.processes import Process

PROGRAM = str(Path(__file__).with_name("small_service.py"))
SETTINGS = ("FETTLE_HTTP_PORT", "FETTLE_TICKETS_PORT")

if __name__ == "__main__":
    kinds = sys.argv.pop(1).split(",")
    processes.SERVICES = tuple(
        Process(kind, (PROGRAM, kind), setting) for kind, setting in zip(kinds, SETTINGS, strict=True)
    )
    processes.SIMULATOR = Process("follower", (PROGRAM, "follower"), None)
    processes.SHARED = ()
    main()
