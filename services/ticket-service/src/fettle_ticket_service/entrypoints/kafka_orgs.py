"""Organizations from the internal topic `orgs`. What Fettle did not sign is set aside and changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_chassis.signing import Refused, Verifier
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.cloudevents import from_record
from fettle_contracts.orgs import Org
from fettle_ticket_service.adapters import orgs


@dataclass(frozen=True, slots=True)
class Told:
    """What was said about an org, and when."""

    org: Org
    at: datetime


class OrgDecoder:
    """Turns records into statements about orgs; a tombstone says nothing."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def __call__(self, record: Record) -> Told | None:
        if not record.value:
            return None
        event = from_record(record.headers, record.key, record.value)
        # The latest statement about an org holds for ever, so it is never too old to count.
        verdict = self._verifier.verify_event(event, event.time)
        if isinstance(verdict, Refused):
            raise BadRecord(verdict.code, verdict.message)
        return Told(Org.from_json(event.data), event.time)


async def handle_orgs(work: UnitOfWork, batch: Sequence[Told]) -> None:
    """Takes in the newest statement about each org."""
    newest: dict[str, Told] = {}
    for told in batch:
        before = newest.get(told.org.org)
        if before is None or before.at <= told.at:
            newest[told.org.org] = told
    await orgs.take_in(
        work.connection, [(told.org.org, told.org.name, told.org.deleted, told.at) for told in newest.values()]
    )
