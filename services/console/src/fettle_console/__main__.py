"""`python -m fettle_console`."""

from fettle_chassis.process import run
from fettle_console.app import build_app
from fettle_console.settings import ConsoleSettings

if __name__ == "__main__":
    run("console", ConsoleSettings, {"service": build_app})
