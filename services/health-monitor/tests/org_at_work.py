"""A small org at work: seven subjects in two shards that change as devices do, and people who touch their tickets.

What becomes of it is decided on a real database; here is said what happens, in an order that a seed gives, and what
must hold when all has come to rest. How it must come about is the oracles' to say.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID

from correlator_facts import BRISK, T0, change, next_place
from correlator_world import CorrelatorWorld
from desk_at_work import DeskTicket, TicketDesk
from rollup_facts import MANY, UNREACHABLE

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.times import from_ms
from fettle_health_monitor.domain.correlator.silences import Schedule
from fettle_health_monitor.domain.judgements import Evidence, InForce, Judgement, Profile

CREDENTIALS, OFFLINE = "integration_credentials_invalid", "device_offline"
INTEGRATIONS = ("integration/hue-1", "integration/hue-2")
DEVICES = tuple(f"device/d{number}" for number in range(1, 6))
OPEN_MS, STABLE_MS = 2_000, 8_000
BEGINS = T0 + 10_000


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What happens in it besides changes, resolves and silences. Of all opens `refused` are, and of those that would
    bring a ticket back `anew` make another one."""

    refused: float = 0.1
    anew: float = 0.2
    resolve_debounce_s: int = 2
    stands_still: bool = False
    new_logs: bool = False
    policies: bool = False
    removals: bool = False


class OrgAtWork:
    def __init__(self, world: CorrelatorWorld, seed: int, habits: Habits) -> None:
        self._world, self._random, self._habits = world, Random(seed), habits
        self._desk = TicketDesk(self._random, refuses=habits.refused, anew=habits.anew)
        self.story = self._desk.story
        self._subjects = (*INTEGRATIONS, *DEVICES)
        self._shard = {each: world.controls.shard_of(HeartbeatKey.parse(f"acme/{each}")) for each in self._subjects}
        self._now = BEGINS
        self._state: dict[str, str] = {}
        self._condition: dict[str, str] = {}
        self._since: dict[str, int] = {}
        self._due: dict[str, tuple[int, str]] = {}
        self._untold: defaultdict[int, list[Callable[[], Judgement]]] = defaultdict(list)
        self._told_at = dict.fromkeys((0, 1), BEGINS)
        self._stands_until = dict.fromkeys((0, 1), 0)
        self._generation, self._log_began = dict.fromkeys((0, 1), 1), dict.fromkeys((0, 1), 0)
        self._silences: list[UUID] = []
        self._policy, self._version = BRISK, 3
        self._left_out: set[str] = set()
        """Who has failed while nothing was published, and not been well since."""

    async def work(self, steps: int) -> list[str]:
        """Lets all happen and come to rest. What is wrong then."""
        few = {"rollup_threshold": 3, "resolve_debounce_s": self._habits.resolve_debounce_s}
        await self._puts(few)
        for each in DEVICES:
            await self._world.feed(self._world.profile(each, integration="hue-1", name=each))
        for each in self._subjects:
            self._move(each, None, "healthy", None)
        for _ in range(steps):
            self._let_pass(self._random.choice([100, 300, 700, 1_000, 2_500]))
            await self._something_happens()
            if max(self._stands_until.values()) > self._now:
                self._let_pass(self._random.choice([1_000, 3_000, 8_000]))
            for shard, until in self._stands_until.items():
                lags = self._random.random() < 0.3 and self._now - self._told_at[shard] <= 2_000
                if self._now >= until and not lags:
                    await self._tell(shard)
            await self._answer()
        for turn in range(60):
            self._let_pass(1_000 if turn < 10 else 15_000)
            for shard in self._stands_until:
                await self._tell(shard)
            await self._answer(calm=True)
        return [fault async for fault in self._faults()]

    # What happens

    def _let_pass(self, ms: int) -> None:
        """What is due until then happens at its instant."""
        until = self._now + ms
        while self._due and min(self._due.values())[0] <= until:
            subject, (at, to) = min(self._due.items(), key=lambda one: (one[1][0], one[0]))
            del self._due[subject]
            self._now = max(self._now, at)
            before = self._state[subject]
            condition = None if before == "pending_open" and to == "healthy" else self._condition.get(subject)
            self._move(subject, before, to, condition, **({"reason": "stable"} if before == "flapping" else {}))
            if to == "pending_open":
                self._due[subject] = (self._now + OPEN_MS, "firing")
        self._now = self._desk.now = until
        self._world.wall = from_ms(until)

    async def _something_happens(self) -> None:
        subject = self._random.choice(INTEGRATIONS if self._random.random() < 0.25 else self._subjects)
        kinds: dict[Callable[[str], Any], int] = {
            self._changes: 60,
            self._person_resolves: 10,
            self._person_reopens: 5,
            self._is_silenced: 10,
            self._silence_ends: 3,
            self._moves_behind_another: 4,
            self._policy_changes: 3 * self._habits.policies,
            self._is_removed: 2 * self._habits.removals,
            self._log_begins_anew: 2 * self._habits.new_logs,
            self._shard_stands_still: 4 * self._habits.stands_still,
        }
        (kind,) = self._random.choices(list(kinds), list(kinds.values()))
        if kind != self._changes:
            self.story.append(f"{self._now} {kind.__name__} {subject}")
        happened = kind(subject)
        if happened is not None:
            await happened

    def _changes(self, subject: str) -> None:
        draw, state = self._random.random(), self._state[subject]
        usual = OFFLINE if subject in DEVICES else UNREACHABLE
        condition = self._condition.get(subject, usual)
        match state:
            case "healthy":
                condition = OFFLINE if subject in DEVICES else self._random.choice([UNREACHABLE, CREDENTIALS])
                self._move(subject, state, "pending_open", condition)
                self._due[subject] = (self._now + OPEN_MS, "firing")
            case "pending_open" if draw < 0.4:
                self._move(subject, state, "healthy", None)
            case "firing" if subject in INTEGRATIONS and draw < 0.3:
                other = CREDENTIALS if condition == UNREACHABLE else UNREACHABLE
                self._move(subject, state, "firing", other, reason="condition_changed")
            case "firing" if draw < 0.4:
                self._move(subject, state, "flapping", condition, reason="changed_too_often")
                self._due[subject] = (self._now + STABLE_MS, self._random.choice(["firing", "healthy"]))
            case "firing" if subject in INTEGRATIONS or draw < 0.7:
                self._move(subject, state, "pending_resolve", condition, reason="reported")
                self._due[subject] = (self._now + self._habits.resolve_debounce_s * 1_000, "healthy")
            case "pending_resolve" if draw < 0.5:
                self._move(subject, state, "firing", condition, reason="reported")
            case _:
                pass

    def _person_resolves(self, _: str) -> None:
        self._desk.person_resolves()

    def _person_reopens(self, _: str) -> None:
        self._desk.person_reopens()

    async def _is_silenced(self, subject: str) -> None:
        schedule = Schedule(self._now, self._random.choice([1, 3, 10, 30]))
        self._silences.append(await self._world.silence(schedule, subject))

    async def _silence_ends(self, _: str) -> None:
        if self._silences:
            await self._world.unsilence(self._random.choice(self._silences))

    async def _moves_behind_another(self, _: str) -> None:
        device, integration = self._random.choice(DEVICES), self._random.choice(["hue-1", "hue-2"])
        await self._world.feed(self._world.profile(device, integration=integration, name=device))

    async def _policy_changes(self, _: str) -> None:
        if self._random.random() < 0.6:
            await self._puts({"rollup_threshold": self._random.choice([2, 3, 3, 4, 6])})
        else:
            await self._puts({"publish_tickets": not self._policy.publish_tickets})

    async def _puts(self, fields: dict[str, Any]) -> None:
        self._policy = self._policy.model_copy(update=fields)
        await self._world.put(self._policy)
        (newest,) = await self._world.rows("SELECT max(version) AS version FROM policy_version WHERE org = 'acme'")
        if newest.version == self._version:
            return
        self._version = newest.version
        for shard in self._generation:
            self._untold[shard].append(self._in_force(shard, self._generation[shard], newest.version, self._now))
        if not self._policy.publish_tickets:
            self._left_out |= {each for each, state in self._state.items() if state != "healthy"}

    @staticmethod
    def _in_force(shard: int, generation: int, version: int, at: int) -> Callable[[], Judgement]:
        return lambda: InForce(
            shard=shard, generation=generation, place=next_place(), org="acme", version=version, enabled=True, at=at
        )

    async def _is_removed(self, _: str) -> None:
        """And is heard again at once, behind the first integration."""
        device = self._random.choice(DEVICES)
        shard, generation, at = self._shard[device], self._generation[self._shard[device]], self._now
        async with unit_of_work(self._world.database) as work:
            await self._world.registry.remove(work, HeartbeatKey.parse(f"acme/{device}"))
        before = self._state[device]
        self._move(device, before, None, None if before == "healthy" else self._condition.get(device))
        said: dict[str, Any] = {"name": device, "integration": "hue-1"}
        said |= dict.fromkeys(("space", "model", "interval_s"))
        about: dict[str, Any] = {"shard": shard, "generation": generation, "org": "acme", "subject": device, "at": at}
        self._untold[shard].append(lambda: Profile(place=next_place(), newcomer=True, **about, **said))
        self._move(device, None, "healthy", None)

    async def _log_begins_anew(self, _: str) -> None:
        """The shard knows nobody then: some are heard, some were silent in the log before."""
        shard = self._random.randrange(2)
        await self._tell(shard)
        self._generation[shard] += 1
        self._log_began[shard] = self._now - T0 + 1_000_000
        for subject in (each for each in self._subjects if self._shard[each] == shard):
            before, heard_at = self._state[subject], self._random.choice([None, self._now])
            if self._random.random() < 1 / 3:
                usual = OFFLINE if subject in DEVICES else UNREACHABLE
                self._move(subject, None, "pending_open", self._condition.get(subject, usual))
                self._due[subject] = (self._now + OPEN_MS, "firing")
                continue
            evidence = Evidence(
                last_heard=heard_at, deadline=None, partition=0, offset=1, status="ok", timeout_s=3.0, debounce_s=2.0
            )
            self._move(subject, None, "healthy", None, evidence=evidence)
            if before in ("firing", "flapping", "pending_open") and self._random.random() < 0.6:
                self._due[subject] = (self._now + 3_000, "pending_open")

    def _shard_stands_still(self, _: str) -> None:
        if max(self._stands_until.values()) < self._now:
            self._stands_until[self._random.randrange(2)] = self._now + self._random.choice([20_000, 90_000])

    def _move(self, subject: str, before: str | None, to: str | None, condition: str | None, **more: Any) -> None:
        self._due.pop(subject, None)
        self._state[subject] = to or ""
        if condition is not None:
            self._condition[subject] = condition
        if to in ("pending_open", "pending_resolve") or (to == "healthy" and before is None):
            self._since[subject] = self._now
        if not self._policy.publish_tickets and to != "healthy":
            self._left_out.add(subject)
        elif to == "healthy" and self._policy.publish_tickets:
            self._left_out.discard(subject)
        shard = self._shard[subject]
        self.story.append(f"{self._now} {subject}: {before} to {to}, {condition}")
        since = self._since.get(subject, self._now)
        said: dict[str, Any] = {"at": self._now, "since": since, "shard": shard, "condition": condition}
        said |= {"generation": self._generation[shard], "policy_version": self._version, **more}
        self._untold[shard].append(lambda: change(subject, before, to, **said))

    # What is told of it

    async def _tell(self, shard: int) -> None:
        """What the shard has said since, in one batch with its clock or in two."""
        said = [each() for each in self._untold.pop(shard, ())]
        observed = self._now - T0 + 1_000_000 - self._log_began[shard]
        clock = self._world.clock(shard, self._now, generation=self._generation[shard], clock=observed)
        in_two = said and self._random.random() < 0.3
        batches: list[list[Judgement]] = [said, [clock]] if in_two else [[*said, clock]]
        for batch in batches:
            await self._world.feed(*batch)
        self._told_at[shard] = self._now

    async def _answer(self, *, calm: bool = False) -> None:
        """The ticket service carries out what has been sent; what it says arrives in any order, some of it later."""
        self._desk.serve(await self._world.commands(), calm=calm)
        await self._world.clear()
        while (self._desk.results or self._desk.events) and (calm or self._random.random() < 0.65):
            by_results = self._random.random() < 0.5
            results = self._desk.some_results() if by_results else []
            events = [] if by_results else self._desk.some_events()
            async with unit_of_work(self._world.database) as work:
                if results:
                    await self._world.tickets.take_results(work, results)
                if events:
                    await self._world.tickets.take_events(work, events)

    # What must hold when all has come to rest

    async def _faults(self) -> AsyncIterator[str]:
        if waiting := await self._world.rows("SELECT subject, cause FROM verdict"):
            yield f"undecided: {[(row.subject, row.cause) for row in waiting]}"
        unresolved = self._desk.unresolved
        if len({each.key for each in unresolved}) < len(unresolved):
            yield f"two tickets at a time: {sorted(each.key for each in unresolved)}"
        listed = await self._world.rows("SELECT * FROM rollup_member WHERE recovered_at IS NULL")
        down_on = {row.subject: f"{row.parent}:{row.parent_condition}" for row in listed}
        for subject, state in self._state.items():
            own = [each for each in unresolved if _is_about(each, subject)]
            if state == "healthy":
                for fault in self._is_well(subject, own):
                    yield fault
            elif state in ("firing", "flapping") and subject in INTEGRATIONS:
                right = [each for each in own if each.key == f"{subject}:{self._condition[subject]}"]
                if (not right and subject not in self._left_out) or len(_not_by_hand(own)) > 1:
                    yield f"{subject} fires for {self._condition[subject]}: {_keys(own)}"
            elif state in ("firing", "flapping"):
                shared = [each for each in unresolved if each.key == down_on.get(subject)]
                if len(_not_by_hand([*own, *shared])) > 1:
                    yield f"{subject} fires, and has several tickets: {_keys([*own, *shared])}"
                if not own and not shared and subject not in self._left_out:
                    yield f"{subject} fires without a ticket"
                if any(each.members.get(subject) is not False for each in shared):
                    yield f"{subject} fires, and is not down on the checklist of {_keys(shared)}"

    def _is_well(self, subject: str, own: list[DeskTicket]) -> Iterator[str]:
        if surplus := _not_by_hand(own):
            yield f"{subject} is well, and has {_keys(surplus)}"
        if unticked := [each for each in self._desk.unresolved if each.members.get(subject) is False]:
            yield f"{subject} is well, and down on the checklist of {_keys(unticked)}"


def _is_about(ticket: DeskTicket, subject: str) -> bool:
    return ticket.key.startswith(f"{subject}:") and not ticket.key.endswith(MANY)


def _not_by_hand(tickets: list[DeskTicket]) -> list[DeskTicket]:
    return [each for each in tickets if not each.by_hand]


def _keys(tickets: list[DeskTicket]) -> list[str]:
    return sorted(f"#{each.number} {each.key}" for each in tickets)
