"""What the console says of orgs on the internal topic `orgs`, as every service reads it.

What Fettle did not sign is set aside and changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fettle_chassis.failures import BadRecord
from fettle_chassis.records import Record
from fettle_chassis.signing import Refused, Verifier
from fettle_contracts.cloudevents import from_record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.orgs import ORG, Org


@dataclass(frozen=True, slots=True)
class ToldOrg:
    """The state of an org, and when the console told it."""

    org: Org
    at: datetime


class OrgDecoder:
    """Turns records into statements about orgs."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def __call__(self, record: Record) -> ToldOrg | None:
        """None for a tombstone and for what comes later under another type. Raises BadRecord or Unreadable."""
        if not record.value:
            return None
        event = from_record(record.headers, record.key, record.value)
        if event.type != ORG:
            return None
        # The topic is compacted and keeps an org's word for ever, so its age is no fault.
        verdict = self._verifier.verify_event(event, event.time)
        if isinstance(verdict, Refused):
            raise BadRecord(verdict.code, verdict.message)
        org = Org.from_json(event.data)
        if event.key != org.org:
            message = f"the key is {event.key!r}, but the data is about {org.org!r}"
            raise BadRecord(DeadLetterCode.KEY_INVALID, message)
        return ToldOrg(org, event.time)


def newest_of_each(told: Iterable[ToldOrg]) -> list[ToldOrg]:
    """The newest statement about each org; of two of one instant the later one. That an org was deleted is the last
    word about it, whatever the times say: its name is not used again."""
    newest: dict[str, ToldOrg] = {}
    for one in told:
        before = newest.get(one.org.org)
        if before is None or _place(before) <= _place(one):
            newest[one.org.org] = one
    return list(newest.values())


def _place(told: ToldOrg) -> tuple[bool, datetime]:
    return told.org.deleted, told.at
