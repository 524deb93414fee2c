"""Organizations from the internal topic `orgs`. What Fettle did not sign is set aside and changes nothing."""

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_chassis.signing import Refused, Verifier
from fettle_contracts.cloudevents import from_record
from fettle_contracts.orgs import Org
from fettle_workflow_engine.adapters.orgs import Told


class OrgDecoder:
    """Turns records into statements about orgs; a tombstone says nothing."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def __call__(self, record: Record) -> Told | None:
        """Raises BadRecord or Unreadable."""
        if not record.value:
            return None
        event = from_record(record.headers, record.key, record.value)
        # The latest statement about an org holds for ever, so it is never too old to count.
        verdict = self._verifier.verify_event(event, event.time)
        if isinstance(verdict, Refused):
            raise BadRecord(verdict.code, verdict.message)
        return Told(Org.from_json(event.data), event.time)
