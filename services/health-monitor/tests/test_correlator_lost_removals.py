"""Somebody removes a subject, and its shard never reads of it: that part of its log is gone. Shards and correlator
together, on a real database."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from correlator_facts import BRISK
from correlator_world import SHARDS, CorrelatorWorld, Row
from judge_log import Log, read_control
from org_histories import clock_of
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.adapters.correlator import live
from fettle_health_monitor.domain import control
from fettle_health_monitor.domain.correlator.registration import Registration
from fettle_health_monitor.domain.judge.checkpoint import begin
from fettle_health_monitor.domain.judge.shard import Shard

DEAD = next(name for name in map("device/d{}".format, range(9)) if partition_for(f"acme/{name}".encode(), SHARDS) == 0)
KEY = HeartbeatKey.parse(f"acme/{DEAD}")
KNOWN = "SELECT state, registered, removed, heard_integration FROM subject WHERE subject = :subject"


class Fleet:
    """The shards, their logs, and what they tell the correlator, which writes into their logs. The device belongs to
    shard 0."""

    def __init__(self, world: CorrelatorWorld) -> None:
        self.world = world
        self.logs = [Log(shard) for shard in range(SHARDS)]
        self.shards = [Shard(shard, SHARDS, 1) for shard in range(SHARDS)]
        self.read = [0] * SHARDS
        self.second = 0
        self.told: list[control.Statement] = []
        self.commands: list[Row] = []

    @classmethod
    @asynccontextmanager
    async def with_one_that_fires(
        cls, environment: dict[str, str], entered: Registration | None = None
    ) -> AsyncIterator["Fleet"]:
        async with CorrelatorWorld.open(environment, org=None) as world:
            fleet = cls(world)
            await world.tell("acme")
            await world.put(BRISK)
            if entered is not None:
                await fleet.enter(entered)
            await fleet.relay()
            fleet.logs[0].at(0.5).beat(str(KEY), integration="hue-1")
            await fleet.go_on(12)
            assert [command.verb for command in fleet.commands] == ["open"]
            yield fleet

    async def enter(self, said: Registration) -> None:
        async with unit_of_work(self.world.database) as work:
            await self.world.registry.enter(work, "acme", {SubjectRef.parse(DEAD): said}, by="ann@acme.test")

    async def remove(self) -> None:
        async with unit_of_work(self.world.database) as work:
            assert await self.world.registry.remove(work, KEY)
        await self.relay()

    async def relay(self) -> None:
        """All that stands in the outbox is sent."""
        for row in await self.world.outbox(HEARTBEATS):
            assert row.partition is not None
            self.logs[row.partition].raw(row.key.encode(), row.value, list(row.headers.items()))
        self.told += [statement for _, _, statement in await self.world.controls_written()]
        self.commands += await self.world.commands()
        async with unit_of_work(self.world.database) as work:
            await work.connection.execute(text("DELETE FROM outbox"))

    def lose_log(self) -> None:
        """Nothing that shard 0 has not read is there any more: it keeps what it knows, and asks."""
        self.read[0] = len(self.logs[0].records)
        self.shards[0].await_announcement(f"n{self.second}")
        self.logs[0].hello(f"n{self.second}")

    def begin_anew(self) -> None:
        """Shard 0 has another log."""
        self.logs[0], self.read[0] = Log().at(self.second), 0
        self.shards[0] = begin(0, SHARDS, 2, "anew")
        self.logs[0].hello("anew")

    async def go_on(self, seconds: int, *beating: str) -> None:
        """For so many seconds these report, and nobody else."""
        self.told.clear()
        for _ in range(seconds):
            self.second += 1
            for shard, log in enumerate(self.logs):
                log.at(self.second)
                for name in beating:
                    if partition_for(f"acme/{name}".encode(), SHARDS) == shard:
                        log.beat(f"acme/{name}", integration="hue-2")
                log.pulse()
                folded = self.shards[shard].fold(log.records[self.read[shard] :], read_control)
                self.read[shard] = len(log.records)
                await self.world.feed(*folded.judgements, clock_of(self.shards[shard]))
            await self.relay()

    async def known(self) -> list[tuple[str | None, bool, bool, str | None]]:
        return [tuple(row) for row in await self.world.rows(KNOWN, subject=DEAD)]

    @property
    def is_watched(self) -> bool:
        return KEY.encode() in self.shards[0].judge.subjects.rows

    def ended(self) -> list[tuple[str, str | None]]:
        return [(command.verb, command.body.get("resolution")) for command in self.commands[1:]]


@pytest.mark.rule("HM-69", "HM-284")
@pytest.mark.parametrize("entered", [None, Registration(name="Thermostat 17")], ids=["discovered", "entered"])
@pytest.mark.parametrize("anew", [False, True], ids=["log lost", "another log"])
async def test_a_removal_that_was_lost_is_told_again(
    environment: dict[str, str], anew: bool, entered: Registration | None
) -> None:
    async with Fleet.with_one_that_fires(environment, entered) as fleet:
        await fleet.remove()
        assert await fleet.known() == [("firing", False, True, "hue-1")]
        if anew:
            fleet.begin_anew()
        else:
            fleet.lose_log()
        await fleet.go_on(20)
        assert [control.kind(said) for said in fleet.told] == ["policy", "register", "forget", "announced"]
        assert not fleet.is_watched
        assert await fleet.known() == []
        assert fleet.ended() == [("resolve", "removed")]


@pytest.mark.rule("HM-284")
async def test_who_is_heard_behind_a_removal_that_was_lost_is_new(environment: dict[str, str]) -> None:
    async with Fleet.with_one_that_fires(environment) as fleet:
        await fleet.remove()
        fleet.lose_log()
        await fleet.go_on(3, DEAD)
        assert await fleet.known() == [("healthy", False, False, "hue-2")]
        assert fleet.ended() == [("resolve", "removed")]
        fleet.lose_log()
        await fleet.go_on(3, DEAD)
        assert "forget" not in [control.kind(said) for said in fleet.told]
        assert await fleet.known() == [("healthy", False, False, "hue-2")]


@pytest.mark.rule("HM-261", "HM-284")
async def test_who_was_entered_again_behind_a_removal_that_was_lost_is_new(environment: dict[str, str]) -> None:
    async with Fleet.with_one_that_fires(environment, Registration(name="Old")) as fleet:
        await fleet.remove()
        await fleet.enter(Registration(name="New"))
        await fleet.relay()
        fleet.lose_log()
        await fleet.go_on(3)
        known, gone, entered = [said for said in fleet.told if isinstance(said, control.Register | control.Forget)]
        assert (known, gone) == (control.Register(), control.Forget())
        assert entered == control.Register(name="New", heard=control.NOTHING_HEARD)
        assert await fleet.known() == [("healthy", True, False, None)]
        assert fleet.ended() == [("resolve", "removed")]


@pytest.mark.rule("HM-284")
async def test_a_removal_that_was_read_is_not_told_again(environment: dict[str, str]) -> None:
    async with Fleet.with_one_that_fires(environment, Registration(name="Old")) as fleet:
        await fleet.remove()
        await fleet.enter(Registration(name="New"))
        await fleet.relay()
        await fleet.go_on(2)
        assert await fleet.known() == [("healthy", True, False, None)]
        fleet.lose_log()
        await fleet.go_on(2)
        assert [control.kind(said) for said in fleet.told] == ["policy", "register", "announced"]


@pytest.mark.rule("HM-284")
@pytest.mark.parametrize("entered", [None, Registration(name="Old")], ids=["discovered", "entered"])
async def test_the_previous_code_takes_the_mark_away_too(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, entered: Registration | None
) -> None:
    """Beside this one for the time of an upgrade, it knows of no mark when it reads that the shard has forgotten."""
    async with Fleet.with_one_that_fires(environment, entered) as fleet:
        await fleet.remove()
        if entered:
            await fleet.enter(Registration(name="New"))
            await fleet.relay()
        else:
            fleet.logs[0].at(fleet.second + 0.5).beat(str(KEY), integration="hue-1")
        now = str(live._FORGET)
        previous = re.sub(r"\n\s+removed = false,", "", now)
        assert previous != now
        monkeypatch.setattr(live, "_FORGET", text(previous))
        await fleet.go_on(2)
        [(_, _, marked, _)] = await fleet.known()
        assert not marked
