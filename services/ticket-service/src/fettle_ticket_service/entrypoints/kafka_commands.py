"""Commands from `ticket.commands`: who may say what, before anything is remembered or decided.

What cannot be read, or speaks for the monitor or a workflow without a signature, raises and becomes a dead letter. What
can be read but breaks a rule of this door is marked `refused`, and the handler answers it.
"""

from collections.abc import Callable
from datetime import datetime
from hashlib import blake2b

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_chassis.signing import Refused, Verifier
from fettle_contracts.cloudevents import CloudEvent, from_record
from fettle_contracts.codes import DeadLetterCode, RejectionCode
from fettle_contracts.commands import COMMANDS, Command, Verb, verb_of
from fettle_contracts.people import ActorType
from fettle_contracts.times import from_ms
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain.decisions import Rejected
from fettle_ticket_service.domain.texts import is_line
from fettle_ticket_service.entrypoints.traces import traceparent_of
from fettle_ticket_service.entrypoints.translation import ref_of, translated

ID_MAX_CHARACTERS = 256
OWN_SOURCE = "fettle/"
SIGNED_ONLY = ("at", "evidence", "flap_count", "integration", "parent", "resolution")
"""Fields that count only in a signed command; one that is not signed is refused for them, not read without them."""
_SIGNED_ONLY_OF = {
    model: tuple(name for name in SIGNED_ONLY if name in model.model_fields) for model in COMMANDS.values()
}


class CommandDecoder:
    """Turns records into commands. `clock` tells how old a signature is."""

    def __init__(self, verifier: Verifier, clock: Callable[[], datetime]) -> None:
        self._verifier = verifier
        self._clock = clock

    def __call__(self, record: Record) -> Asked:
        """Raises BadRecord or Unreadable for what becomes a dead letter."""
        event = from_record(record.headers, record.key, record.value, received_at=from_ms(record.timestamp_ms))
        verb = verb_of(event.type)
        message = COMMANDS[verb].from_json(event.data)
        _check_identity(event, message)
        signed = self._is_signed(event, message, verb)
        return Asked(
            org=message.org,
            source=event.source,
            id=event.id,
            command=translated(message),
            ticket=ref_of(message),
            fingerprint=blake2b(event.type.encode() + b"\n" + event.data, digest_size=16).digest(),
            refused=_refused_at_the_door(event, message, signed=signed),
            from_outside=not signed,
            depth=event.causation_depth,
            traceparent=traceparent_of(event.traceparent),
        )

    def _is_signed(self, event: CloudEvent, message: Command, verb: Verb) -> bool:
        """Whether a good signature vouches for the command; a bad one, or none where one is needed, is no command."""
        needed = message.actor.type is not ActorType.USER or verb is Verb.UPDATE_CHECKLIST
        if event.signature is None and not needed:
            return False
        verdict = self._verifier.verify_event(event, self._clock())
        if isinstance(verdict, Refused):
            raise BadRecord(verdict.code, verdict.message)
        return True


def _check_identity(event: CloudEvent, message: Command) -> None:
    for name, text in (("id", event.id), ("source", event.source), ("org", message.org)):
        if not is_line(text, ID_MAX_CHARACTERS):
            rule = f"{name} must be one line of 1 to {ID_MAX_CHARACTERS} characters"
            raise BadRecord(DeadLetterCode.FIELD_INVALID, rule)


def _refused_at_the_door(event: CloudEvent, message: Command, *, signed: bool) -> Rejected | None:
    # First, as results name their command's source: any other answer to what claims one of ours would pass for ours.
    if not signed and event.source.startswith(OWN_SOURCE):
        return Rejected(RejectionCode.SOURCE_RESERVED, f"Sources under {OWN_SOURCE} need Fettle's signature.")
    if event.key != message.org:
        return Rejected(RejectionCode.ORG_MISMATCH, "The record's key is not the organization that its data names.")
    if signed:
        return None
    reserved = next((name for name in _SIGNED_ONLY_OF[type(message)] if getattr(message, name)), None)
    if reserved is not None:
        return Rejected(RejectionCode.FIELD_RESERVED, f"Only a signed command may carry {reserved}.")
    return None
