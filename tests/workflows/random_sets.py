"""Random sets of workflows, and what of them may set off what: a second writing, that knows nothing of the engine's."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

PUBLISHES: Mapping[str, frozenset[str]] = {
    "ticket.comment": frozenset({"ticket.comment-added"}),
    "ticket.start": frozenset({"ticket.started"}),
    "ticket.resolve": frozenset({"ticket.resolved", "ticket.reopened"}),
    "ticket.open": frozenset({"ticket.opened", "ticket.reopened"}),
}
"""By action the triggers that may follow it, those that the health monitor adds included."""
TRIGGERS = tuple(sorted(set().union(*PUBLISHES.values())))
FIELDS: Mapping[str, str] = {
    "ticket.comment": "ticket: {ref: event.ticket.id}, text: Noted.",
    "ticket.start": "ticket: {ref: event.ticket.id}",
    "ticket.resolve": "ticket: {ref: event.ticket.id}",
    "ticket.open": "title: Follow-up, kind: follow_up, subject: {ref: event.ticket.subject}",
}
FRESH_KEY = ', dedup_key: {template: "{{ event.entry.id }}/%s"}'
"""Each event has a ticket of its own; with the key that a workflow has otherwise most opens change nothing."""


@dataclass(frozen=True)
class Doing:
    """An action; `more`: with a comment, or for `ticket.open` with a key of its own for each event."""

    does: str
    more: bool = False

    @property
    def publishes(self) -> frozenset[str]:
        comments = self.more and self.does in ("ticket.start", "ticket.resolve")
        return PUBLISHES[self.does] | ({"ticket.comment-added"} if comments else frozenset())


@dataclass(frozen=True)
class Flow:
    """A workflow whose actions all follow its triggers."""

    name: str
    triggers: tuple[str, ...]
    actions: tuple[Doing, ...]
    allow_cycle: bool = False
    budget: int = 12

    @property
    def publishes(self) -> frozenset[str]:
        return frozenset().union(*(action.publishes for action in self.actions))

    @property
    def document(self) -> str:
        on = [f"on{place}" for place, _ in enumerate(self.triggers)]
        nodes = [f"  {name}: {{trigger: {kind}}}" for name, kind in zip(on, self.triggers, strict=True)]
        for place, action in enumerate(self.actions):
            key = FRESH_KEY % place if action.does == "ticket.open" else ", comment: Done."
            fields = FIELDS[action.does] + (key if action.more and action.does != "ticket.comment" else "")
            nodes.append(f"  do{place}: {{after: [{', '.join(on)}], action: {action.does}, with: {{{fields}}}}}")
        switches = f"enabled: true\nallow_cycle: {str(self.allow_cycle).lower()}\nbudget_per_hour: {self.budget}\n"
        return f"workflow: {self.name}\n{switches}nodes:\n" + "\n".join(nodes) + "\n"


def random_set(chance: random.Random) -> list[Flow]:
    """Up to five workflows, and among them sometimes a ring whose members each start the next one."""
    flows = [_flow(chance, f"w{place}") for place in range(chance.randrange(1, 4))]
    if chance.random() < 0.5:
        flows += planted_ring(chance)
    chance.shuffle(flows)
    return flows


def planted_ring(chance: random.Random) -> list[Flow]:
    """One to three workflows, each started by what the one before it does."""
    doing = chance.sample(sorted(PUBLISHES), chance.randrange(1, 4))
    started_by = [chance.choice(sorted(PUBLISHES[does])) for does in doing]
    return [
        Flow(f"ring{place}", (started_by[place - 1],), (Doing(does, does == "ticket.open"),))
        for place, does in enumerate(doing)
    ]


def _flow(chance: random.Random, name: str) -> Flow:
    triggers = tuple(chance.sample(TRIGGERS, chance.randrange(1, 3)))
    actions = (Doing(chance.choice(sorted(PUBLISHES)), chance.random() < 0.5) for _ in range(chance.randrange(1, 3)))
    return Flow(name, triggers, tuple(actions), allow_cycle=chance.random() < 0.2)


def comes_back(saved: Flow, others: Iterable[Flow]) -> bool:
    """Whether what `saved` does may start it again, by following everything until nothing new is found."""
    org = {flow.name: flow for flow in (*others, saved)}
    started: set[str] = set()
    ahead = saved.publishes
    while found := {name for name, flow in org.items() if ahead & set(flow.triggers)} - started:
        started |= found
        ahead = frozenset().union(*(org[name].publishes for name in found))
    return saved.name in started


def check_named(told: str, saved: Flow, others: Sequence[Flow]) -> None:
    """A refusal names a chain that begins with an action of `saved`, ends with it, and that events could take."""
    org = {flow.name: flow for flow in (*others, saved)}
    _, found, way = told.partition("starts this workflow again: ")
    assert found, told
    does, *chain = way.partition(";")[0].split(" -> ")
    can_follow = frozenset().union(*(action.publishes for action in saved.actions if action.does == does))
    for on, name in zip(_triggers(chain), chain[1::2], strict=True):
        assert on in can_follow, told
        assert on in org[name].triggers, told
        can_follow = org[name].publishes
    assert chain[-1] == saved.name, told


def _triggers(chain: Sequence[str]) -> Iterator[str]:
    return (on.partition(" (")[0] for on in chain[::2])


def allowing(flow: Flow) -> Flow:
    return replace(flow, allow_cycle=True)
