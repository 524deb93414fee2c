"""Faults of the health monitor's parts and servers, one at a time; each is over when it returns."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from fettle_devstack import Servers
from tests.installation import Installation

JUDGES = ("judge", "judge-2")
VISITOR = "judge-3"
CORRELATORS = ("correlator", "correlator-2")


class Faults:
    """Each lasts for about `hold_s`; about two quiet seconds go before it."""

    def __init__(self, servers: Servers, installation: Installation, dice: random.Random, hold_s: float) -> None:
        self._servers, self._installation, self._dice, self._hold_s = servers, installation, dice, hold_s
        judges: dict[str, Callable[[], None]] = {
            "a judge stands still": lambda: self._stands_still(dice.choice(JUDGES)),
            "a judge is killed": lambda: self._killed(dice.choice(JUDGES)),
            "a judge comes and goes": self._judge_comes_and_goes,
            "no judge is left": self._no_judge_is_left,
        }
        broker: dict[str, Callable[[], None]] = {
            "the broker is stopped": self._broker_stopped,
            "the broker hangs": self._broker_hangs,
            "the broker hangs for a moment": self._broker_hangs_for_a_moment,
            "the broker is killed": self._broker_killed,
        }
        rest: dict[str, Callable[[], None]] = {
            "a correlator is killed": lambda: self._killed(self._correlator()),
            "a correlator stands still": lambda: self._stands_still(self._correlator()),
            "Postgres is stopped": self._postgres_stopped,
            "Postgres hangs": self._postgres_hangs,
            "Postgres is killed": self._postgres_killed,
        }
        self._inflict = judges | broker | rest
        self.by_part = [list(judges), list(broker), list(rest)]
        self.all = list(self._inflict)

    def inflict(self, name: str) -> None:
        time.sleep(self._dice.uniform(1.0, 3.0))
        print(f"{time.strftime('%H:%M:%S')} {name}", flush=True)
        self._inflict[name]()
        self._revive()

    def _hold(self, part: float = 1.0) -> None:
        time.sleep(self._hold_s * part * self._dice.uniform(0.7, 1.3))

    def _correlator(self) -> str:
        return self._dice.choice([name for name in CORRELATORS if name in self._installation.processes])

    def _stands_still(self, name: str) -> None:
        self._installation.signal(name, signal.SIGSTOP)
        self._hold()
        self._installation.signal(name, signal.SIGCONT)

    def _killed(self, name: str) -> None:
        self._installation.kill(name)
        self._hold(0.5)
        self._installation.start(name)

    def _judge_comes_and_goes(self) -> None:
        for _ in range(2):
            self._installation.start(VISITOR)
            self._hold(0.5)
            self._installation.end(VISITOR)

    def _no_judge_is_left(self) -> None:
        for name in JUDGES:
            self._installation.end(name)
        self._hold()
        self._installation.start(*JUDGES)

    def _broker_stopped(self) -> None:
        self._servers.kafka.stop()
        self._hold()
        self._servers.kafka.start()

    def _broker_hangs(self) -> None:
        self._servers.kafka.pause()
        self._hold()
        self._servers.kafka.resume()

    def _broker_hangs_for_a_moment(self) -> None:
        """Too short to be a hole."""
        self._servers.kafka.pause()
        time.sleep(self._dice.uniform(2.0, 4.5))
        self._servers.kafka.resume()

    def _broker_killed(self) -> None:
        self._servers.kafka.kill()
        self._hold(0.5)
        self._servers.kafka.start()

    def _postgres_stopped(self) -> None:
        self._servers.postgres.stop()
        self._hold()
        self._servers.postgres.start()

    def _postgres_hangs(self) -> None:
        self._servers.postgres.pause()
        self._hold()
        self._servers.postgres.resume()

    def _postgres_killed(self) -> None:
        self._servers.postgres.kill()
        self._hold(0.5)
        self._servers.postgres.start()

    def _revive(self) -> None:
        """As whoever runs it would: a process that has ended is started again. One may end: it stood still, and
        another has its slot."""
        for name, process in list(self._installation.processes.items()):
            if process.poll() is not None:
                words = self._installation.tail(name, 3)
                assert "was taken by another process" in words, f"{name} has ended: {words}"
                self._installation.start(name)
