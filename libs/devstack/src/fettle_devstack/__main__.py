"""`python -m fettle_devstack`: both servers in the foreground, their addresses on standard output, until Ctrl-C."""

import signal
import sys
import threading
from types import FrameType
from typing import NoReturn

from fettle_devstack import DevstackError, DevstackSettings, running


def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def main() -> int:
    """Exit status 0 after Ctrl-C or SIGTERM, 1 when the servers cannot run."""
    signal.signal(signal.SIGTERM, interrupt)
    try:
        with running(DevstackSettings.load()) as servers:
            for name, value in servers.environment.items():
                print(f"{name}={value}", flush=True)
            threading.Event().wait()
    except DevstackError as error:
        print(f"fettle: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
