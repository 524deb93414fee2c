"""What the handler counts of what it does, where that is rolled back and done again. On a real database."""

import pytest
from ticket_desk import BRIDGE, MONITOR, STORM, devices, opening
from ticket_door import Door, asked, numbered

from fettle_ticket_service import metrics
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain.commands import UpdateChecklist


class Away(Exception):
    """The database, at the commit."""


async def roll_back(door: Door, *batch: Asked) -> None:
    async with door.work() as work:
        await door.handler(work, batch)
        raise Away


def counted() -> list[float]:
    """Commands, changes of checklists and repeats, whatever the labels."""
    return [
        sum(sample.value for one in counter.collect() for sample in one.samples if sample.name.endswith("_total"))
        for counter in (metrics.COMMANDS, metrics.CHECKLIST_CHANGES, metrics.REPEATS)
    ]


async def test_what_is_rolled_back_is_not_counted(door: Door) -> None:
    shared = opening(actor=MONITOR, subject=BRIDGE, dedup_key=STORM)
    grown = UpdateChecklist(actor=MONITOR, add=devices(1, 2), recovered=())
    batch = (asked(shared, id="c-1"), asked(grown, ticket=numbered(1)), asked(shared, id="c-1"))
    before = counted()
    with pytest.raises(Away):
        await roll_back(door, *batch)
    assert counted() == before
    await door.ask(*batch)
    assert [after - once for after, once in zip(counted(), before, strict=True)] == [2, 2, 1]
