"""Brings everything up, keeps it running, takes everything down."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fettle_cli.failures import CliError, UsageError
from fettle_cli.up.children import Child
from fettle_cli.up.environment import service_environment, without_secrets
from fettle_cli.up.nursery_client import NurseryClient
from fettle_cli.up.processes import Process, port_settings
from fettle_cli.up.progress import Progress
from fettle_cli.up.readiness import is_ready
from fettle_cli.up.state import ProcessState, UpState
from fettle_contracts.times import rfc3339
from fettle_devstack import DevstackError, DevstackSettings, Interrupted, chosen
from fettle_devstack.failures import SettingWrong
from fettle_devstack.ports import require_free

READY_WITHIN_S = 120.0
LOOK_EVERY_S = 0.1
LOG_KEPT_BELOW = 20_000_000


@dataclass(frozen=True)
class Plan:
    """What is brought up: services that say when they are ready, what is set up then (with the address of the first
    of them and the installation's token), and what follows once all of that is done."""

    services: tuple[Process, ...]
    set_up: Callable[[str, str], Coroutine[None, None, None]]
    followers: tuple[Process, ...] = ()


def bring_up(home: Path, plan: Plan, nursery: NurseryClient) -> None:
    """Blocks until a signal has ended it. Raises CliError or UsageError; in every case everything is down then."""
    try:
        asyncio.run(_run(home, plan, nursery))
    except Interrupted:
        return
    except SettingWrong as error:
        raise UsageError(str(error)) from None
    except DevstackError as error:
        raise CliError(str(error)) from None


async def _run(home: Path, plan: Plan, nursery: NurseryClient) -> None:
    await Supervisor(home, plan, nursery, Progress()).run()


class Supervisor:
    """One `fettle up`. `run` is called once."""

    def __init__(self, home: Path, plan: Plan, nursery: NurseryClient, progress: Progress) -> None:
        self._home = home
        self._plan = plan
        self._nursery = nursery
        self._progress = progress
        self._ports = port_settings(os.environ, plan.services)
        self._servers = chosen(DevstackSettings.load({**os.environ, "FETTLE_HOME": str(home)}))
        self._state = UpState(os.getpid(), self._url(plan.services[0]) or "", rfc3339(datetime.now(UTC)))
        self._children: list[Child] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Returns after SIGINT, SIGTERM or SIGHUP, when everything is down.

        Raises CliError, UsageError or DevstackError, with everything down, when something cannot be had.
        """
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._end, None)
        self._save()
        self._servers_started = loop.run_in_executor(None, self._start_servers)
        self._watched(self._nursery.listen())
        bringing_up = self._watched(self._bring_up())
        try:
            await self._over
        finally:
            bringing_up.cancel()
            await self._take_down()

    async def _bring_up(self) -> None:
        self._progress.show("starting Kafka and Postgres")
        await asyncio.shield(self._servers_started)
        settings = service_environment(os.environ, self._home, self._servers.environment, self._ports)
        self._state.environment = without_secrets(settings)
        for service in self._plan.services:
            self._keep_running(service, settings)
        await self._until_ready()
        self._progress.show("setting up the demo")
        await self._plan.set_up(self._state.url, settings["FETTLE_BOOTSTRAP_TOKEN"])
        for follower in self._plan.followers:
            await self._keep_running(follower, settings).started.wait()
        self._state.phase = "ready"
        self._save()
        self._progress.ready(self._state.url, bool(self._plan.followers))

    def _start_servers(self) -> None:
        for service in self._plan.services:
            setting = str(service.port_setting)
            require_free(int(self._ports[setting]), service.name, setting)
        self._servers.start()

    def _keep_running(self, process: Process, settings: Mapping[str, str]) -> Child:
        log = self._home / "logs" / f"{process.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        if log.exists() and log.stat().st_size > LOG_KEPT_BELOW:
            log.replace(log.with_suffix(".log.1"))
        state = ProcessState(process.name, str(log), self._url(process))
        self._state.processes.append(state)
        child = Child(process, state, self._nursery, folder=self._home, environ=settings, changed=self._save)
        self._children.append(child)
        self._watched(child.keep_running())
        return child

    async def _until_ready(self) -> None:
        loop = asyncio.get_running_loop()
        deadline, waiting = loop.time() + READY_WITHIN_S, list(self._children)
        while waiting:
            ready = await asyncio.gather(*(is_ready(child.state.url or "") for child in waiting))
            waiting = [child for child, is_up in zip(waiting, ready, strict=True) if not is_up]
            self._progress.show(_wait_text(self._children, waiting))
            if waiting and loop.time() > deadline:
                raise CliError(
                    f"{waiting[0].process.name} is not ready after {READY_WITHIN_S:.0f} s; "
                    f"its log is {waiting[0].state.log}, which ends: {waiting[0].last_line()}"
                )
            await asyncio.sleep(LOOK_EVERY_S)

    def _watched(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """A task whose failure is the end of everything."""

        def look(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and task.exception() is not None:
                self._end(task.exception())

        task = asyncio.create_task(work)
        task.add_done_callback(look)
        self._tasks.append(task)
        return task

    def _end(self, error: BaseException | None) -> None:
        if self._over.done():
            return
        if error is None:
            self._over.set_result(None)
        else:
            self._over.set_exception(error)

    async def _take_down(self) -> None:
        """The followers first, then the services together, then the servers."""
        self._state.phase = "stopping"
        self._save()
        self._progress.show("stopping")
        self._servers.progress.interrupt()
        await asyncio.gather(self._servers_started, return_exceptions=True)
        for together in (self._plan.followers, self._plan.services):
            await asyncio.gather(*(child.stop() for child in self._children if child.process in together))
        await self._nursery.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._servers.stop)
        self._progress.say(f"Everything is down; its data stay in {self._home}.")

    def _url(self, process: Process) -> str | None:
        return f"http://127.0.0.1:{self._ports[process.port_setting]}" if process.port_setting else None

    def _save(self) -> None:
        self._state.write(self._home)


def _wait_text(children: list[Child], waiting: list[Child]) -> str:
    names = ", ".join(
        child.process.name + (f" (restarted {child.state.restarts} times)" if child.state.restarts else "")
        for child in waiting
    )
    done = len(children) - len(waiting)
    return f"{done} of {len(children)} services are ready" + (f", waiting for {names}" if names else "")
