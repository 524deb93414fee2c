"""The real shards and the real correlator over a history in which everything happens that can."""

from collections.abc import Sequence
from dataclasses import dataclass

from correlator_world import CorrelatorWorld
from org_histories import batches, cut
from org_run import NEVER, forget_everything, moved, outages, silence, unsilence
from org_shared_run import Desk, answer, ended, lists, resolve
from org_times_histories import MODEL, Times
from org_words import Ended, Moved

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import HeartbeatKey, SubjectRef
from fettle_health_monitor.domain.correlator.registration import Registration
from fettle_health_monitor.domain.judgements import Judgement


async def _move(world: CorrelatorWorld, name: str, integration: str) -> None:
    """Its shard has it from the history, and is told nothing else."""
    async with unit_of_work(world.database) as work:
        entry = Registration(integration=integration, model=MODEL)
        await world.registry.enter(work, "acme", {SubjectRef.parse(name): entry}, by="ann@acme.test")
    await world.clear()


async def _remove(world: CorrelatorWorld, name: str) -> None:
    """Its shard has it from the history, where it knows the subject; it is told nothing else."""
    if await world.rows("SELECT subject FROM subject WHERE subject = :name AND state IS NOT NULL", name=name):
        async with unit_of_work(world.database) as work:
            await world.registry.remove(work, HeartbeatKey.parse(f"acme/{name}"))
        await world.clear()


@dataclass
class Seen:
    moved: list[Moved]
    ended: list[Ended]
    desk: Desk
    lists: dict[str, dict[str, bool]]
    waiting: int
    outages: list[tuple[int, int, int, int | None]]


async def run(
    world: CorrelatorWorld,
    history: Times,
    steps: Sequence[tuple[int, int]],
    again: frozenset[int],
    late: frozenset[int],
) -> Seen:
    """In batches that are cut where somebody resolves a ticket. `again` are the batches that are delivered a second
    time, with what came before them, as after a restart of the correlator: all that it knows is in its database. Behind
    the `late` ones the ticket service does nothing; it goes on behind the next, or before people do something."""
    await forget_everything(world)
    await world.tell("acme")
    for version, policy in history.policies.items():
        await world.put(policy, publish_existing=version in history.existing)
    for name in history.entered:
        entry = Registration(integration=history.integrations[name] or None, model=MODEL)
        async with unit_of_work(world.database) as work:
            await world.registry.enter(work, "acme", {SubjectRef.parse(name): entry}, by="ann@acme.test")
    await world.clear()
    silences = await silence(world, history.made)
    desk, deeds, removed = Desk(), history.deeds, history.removed
    done = [*(deed.at for deed in deeds), *(at for at, _ in removed), *(at for at, _, _ in history.moved)]
    seconds = sorted({at // 1000 for at in done} | silences.keys() - {NEVER})
    before: list[Judgement] = []
    number = 0
    for place, piece in enumerate(cut(history.judged(), seconds)):
        for batch in batches(piece, steps):
            await world.feed(*batch)
            if number in again:
                await world.feed(*before, *batch)
            before, number = list(batch), number + 1
            if number not in late:
                await answer(world, desk)
        await answer(world, desk)
        for deed in deeds:
            if place < len(seconds) and deed.at == 1000 * seconds[place] and deed.key in desk.open:
                await resolve(world, desk, deed)
        for at, name, integration in history.moved:
            if place < len(seconds) and at == 1000 * seconds[place]:
                await _move(world, name, integration)
        for at, name in removed:
            if place < len(seconds) and at == 1000 * seconds[place]:
                await _remove(world, name)
        if place < len(seconds):
            await unsilence(world, silences.get(seconds[place], ()))
    until = min(log[-1].timestamp for log in history.logs)
    return Seen(
        await moved(world, until),
        await ended(world, until),
        desk,
        await lists(world),
        len(await world.rows("SELECT id FROM verdict WHERE waits_for IS NOT NULL")),
        await outages(world),
    )
