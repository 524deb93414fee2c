"""The real shards and the real correlator over a history with flapping, holes and policies."""

from collections.abc import Sequence

from correlator_world import CorrelatorWorld
from org_histories import batches
from org_run import Seen, TicketDesk, ended, forget_everything, moved, outages
from org_times_histories import Times

from fettle_chassis.unit_of_work import unit_of_work
from fettle_health_monitor.domain.judgements import Judgement


async def run(world: CorrelatorWorld, history: Times, steps: Sequence[tuple[int, int]], again: frozenset[int]) -> Seen:
    """`again` are the batches that are delivered a second time, with what came before them, as after a restart of the
    correlator: all that it knows is in its database."""
    await forget_everything(world)
    await world.tell("acme")
    for version, policy in history.policies.items():
        await world.put(policy, publish_existing=version in history.existing)
    await world.clear()
    desk = TicketDesk()
    before: list[Judgement] = []
    for number, batch in enumerate(batches(history.judged(), steps)):
        await world.feed(*batch)
        if number in again:
            await world.feed(*before, *batch)
        before = list(batch)
        results = [desk.handle(command) for command in await world.outbox("ticket.commands")]
        if results:
            async with unit_of_work(world.database) as work:
                await world.tickets.take_results(work, results)
            await world.clear()
    until = min(log[-1].timestamp for log in history.logs)
    return Seen(await moved(world, until), await ended(world), desk.open, await outages(world))
