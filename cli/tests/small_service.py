"""A process that `fettle up` can keep running: `python small_service.py KIND`, with the port in its setting.

Kinds: `console` and `quiet` serve until SIGTERM; `crashing` dies at its first start; `misset` refuses its settings;
`follower` serves nothing. Each writes a line when it begins and when it ends.
"""

import os
import signal
import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from cli.tests.fettle_api import serving

PORTS = {"console": "FETTLE_HTTP_PORT", "quiet": "FETTLE_TICKETS_PORT", "crashing": "FETTLE_TICKETS_PORT"}


def main(kind: str) -> int:
    print(f"{kind} begins", flush=True)
    if kind == "misset":
        print("quiet: FETTLE_SOMETHING must be a number", flush=True)
        return 2
    if kind == "crashing":
        marker = Path(os.environ["FETTLE_HOME"]) / "crashed"
        if not marker.exists():
            marker.touch()
            return 1
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    if kind in PORTS:
        with serving(int(os.environ[PORTS[kind]])) as api:
            api.demo()
            ended.wait()
    else:
        ended.wait()
    print(f"{kind} ends", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
