"""The echo service that dies between the commit of its transaction and the commit of its offsets."""

import os
import signal
from typing import Any

from chassis_echo.app import build_app
from fettle_chassis.membership import Membership
from fettle_chassis.process import run
from fettle_chassis.settings import ServiceSettings


async def _die(*_: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    Membership.commit = _die  # type: ignore[method-assign, assignment]
    run("echo", ServiceSettings, {"service": build_app})
