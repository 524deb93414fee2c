"""Organizations from the internal topic `orgs`."""

from collections.abc import Sequence

from fettle_chassis.told_orgs import ToldOrg, newest_of_each
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_ticket_service.adapters import orgs


async def handle_orgs(work: UnitOfWork, batch: Sequence[ToldOrg]) -> None:
    """Takes in the newest statement about each org."""
    await orgs.take_in(
        work.connection,
        [(told.org.org, told.org.name, told.org.deleted, told.at) for told in newest_of_each(batch)],
    )
