"""A shard that starts anew, or behind lost log, is told everything in force."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.identity import HeartbeatKey
from fettle_health_monitor.adapters.correlator import control_log, policies, registry
from fettle_health_monitor.adapters.correlator.control_log import ControlLog
from fettle_health_monitor.domain.control import Forget, Register
from fettle_health_monitor.domain.judgements import Hello
from fettle_health_monitor.metrics import HELLOS

log = structlog.get_logger(__name__)


class Greeting:
    """Answers hellos, each once."""

    def __init__(self, controls: ControlLog, now: Callable[[], datetime]) -> None:
        self._controls, self._now = controls, now

    async def answer(self, work: UnitOfWork, hellos: Sequence[Hello]) -> None:
        """Answers those of these hellos that nobody else has answered. Which those are is asked of all of them in one
        order, before any lock is taken that who answers one needs: two who have some in common wait for each other one
        way only."""
        ours = [
            hello
            for hello in sorted(hellos, key=lambda hello: (hello.shard, hello.nonce))
            if await control_log.greet(work.connection, hello.shard, hello.nonce, self._now())
        ]
        for hello in ours:
            await self._answer(work, hello)

    async def _answer(self, work: UnitOfWork, hello: Hello) -> None:
        """Writes the policy of every org, who was removed there, every registration of the shard, who else was judged
        there, then `announced`, into its partition. Who was judged may have died with the old log: what its heartbeats
        said where the registry says nothing comes along, so that its timeout is the one that it had. Who was only
        discovered is told as if registered, and then, without any field, left to its own heartbeats again. A removal
        may have been lost with the log: it is told as if registered and then forgotten, so that also a shard that knows
        nothing says that it has forgotten it.

        The counter's lock is taken before anything is read: what changes afterwards has a higher number and is
        written behind.
        """
        connection, shard = work.connection, hello.shard
        number = await control_log.next_number(connection)
        versions = await policies.all_newest(connection)
        removed = await registry.removed(connection, shard)
        entries = await registry.of_shard(connection, shard)
        discovered = await registry.discovered(connection, shard)
        subjects: list[tuple[HeartbeatKey, Register | Forget]]
        subjects = [(key, said) for key in removed for said in (Register(), Forget())]
        subjects += [
            (HeartbeatKey.parse(f"{entry.org}/{entry.subject}"), entry.registration.statement(entry.heard))
            for entry in entries
        ]
        subjects += [(HeartbeatKey.parse(known), told) for known, said in discovered for told in (said, Register())]
        await control_log.next_number(connection, len(versions) + len(subjects))
        for version in versions:
            self._controls.write_policy_for(work, shard, version.statement(), number)
            number += 1
        for key, statement in subjects:
            self._controls.write_subject(work, key, statement, number)
            number += 1
        self._controls.write_announced(work, shard, hello.nonce, number)
        work.after_commit(HELLOS.inc)
        log.info(
            "shard.greeted",
            shard=shard,
            policies=len(versions),
            removed=len(removed),
            registrations=len(entries),
            discovered=len(discovered),
        )
