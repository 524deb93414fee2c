"""`fettle up`, `down`, `status`: the whole installation on this machine."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from fettle_cli.failures import CliError
from fettle_cli.installation import Installation
from fettle_cli.options import Json
from fettle_cli.output import ago, say, show_json, show_table

DOWN_WITHIN_S = 60.0
LOOK_EVERY_S = 0.1


def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when everything is up; `fettle down` ends it.")
    ] = False,
    no_simulator: Annotated[bool, typer.Option("--no-simulator", help="Without the simulated fleet.")] = False,
) -> None:
    """Bring up Kafka, Postgres, all services and a demo org, and keep them running until Ctrl-C."""
    home = Installation.to_be().home
    if detach:
        _detached(home, no_simulator)
    else:
        _attached(home, simulator=not no_simulator)


def down() -> None:
    """Stop what `fettle up` started here."""
    from fettle_cli.up.state import ask_to_stop, is_up

    here = Installation.here()
    if not is_up(here.home):
        say(f"Fettle is not up in {here.home}.")
        return
    ask_to_stop(here.state(), signal.SIGTERM)
    deadline = time.monotonic() + DOWN_WITHIN_S
    while is_up(here.home):
        if time.monotonic() > deadline:
            raise CliError(f"Fettle is still stopping after {DOWN_WITHIN_S:.0f} s; see {here.home / 'logs'}")
        time.sleep(LOOK_EVERY_S)
    say(f"Everything is down; its data stay in {here.home}.")


def status(as_json: Json = False) -> None:
    """Show what runs. Exit status 1 when Fettle is not up or something is not ready."""
    from fettle_cli.up.state import is_up

    here = Installation.here()
    state = here.state() if is_up(here.home) else {}
    rows = asyncio.run(_rows(state))
    if as_json:
        show_json({"up": bool(state), "phase": state.get("phase"), "url": state.get("url"), "items": rows})
    elif state:
        say(f"{state['url']}  {state['phase']}, since {ago(state['started_at'])}")
        show_table(
            ("PROCESS", "STATE", "PID", "RESTARTS", "ADDRESS", "LOG"),
            ((row["name"], row["state"], row["pid"], row["restarts"], row["url"], row["log"]) for row in rows),
            empty="Nothing runs yet.",
        )
    if not state:
        raise CliError(f"Fettle is not up in {here.home}; start it with `fettle up`")
    if any(row["state"] != "ready" for row in rows) or state["phase"] != "ready":
        raise CliError("not everything is ready")


async def _rows(state: dict[str, Any]) -> list[dict[str, Any]]:
    from fettle_cli.up.readiness import is_ready

    async def row(process: dict[str, Any]) -> dict[str, Any]:
        if process["pid"] is None:
            shown = "stopped"
        elif process["url"] is None or await is_ready(process["url"]):
            shown = "ready"
        else:
            shown = "starting"
        return {**process, "state": shown}

    return list(await asyncio.gather(*(row(process) for process in state.get("processes", ()))))


def _attached(home: Path, *, simulator: bool) -> None:
    from fettle_cli.up.nursery_client import NurseryClient
    from fettle_cli.up.processes import SERVICES, SHARED, SIMULATOR
    from fettle_cli.up.state import only_one

    with only_one(home):
        nursery = NurseryClient.open(home / "logs" / "nursery.log", SHARED)
        # Importing these takes a second or more, which the nursery uses on another core.
        from fettle_cli.up.demo import Demo
        from fettle_cli.up.supervisor import Plan, bring_up

        async def set_up(url: str, token: str) -> None:
            await Demo(url, home, token).set_up()

        bring_up(home, Plan(SERVICES, set_up, (SIMULATOR,) if simulator else ()), nursery)


def _detached(home: Path, no_simulator: bool) -> None:
    """Starts the same command in a session of its own and shows its progress until it is ready or has ended."""
    log = home / "logs" / "up.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "fettle_cli", "up", *(["--no-simulator"] if no_simulator else [])]
    with log.open("w") as output, log.open() as said:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "FETTLE_HOME": str(home)},
        )
        try:
            while child.poll() is None and not _is_ready(home, child.pid):
                sys.stderr.write(said.read())
                time.sleep(LOOK_EVERY_S)
        except KeyboardInterrupt:
            child.terminate()
            child.wait()
        sys.stderr.write(said.read())
    if child.returncode:
        sys.exit(child.returncode)


def _is_ready(home: Path, pid: int) -> bool:
    state = Installation({}, home).state()
    return state.get("pid") == pid and state.get("phase") == "ready"
