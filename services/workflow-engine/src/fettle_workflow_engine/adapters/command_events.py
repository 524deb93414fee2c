"""What runs ask for, as signed commands for the ticket service."""

from datetime import datetime

from fettle_chassis.outbox import Outgoing
from fettle_chassis.signing import Signer
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.topics import COMMANDS
from fettle_workflow_engine.domain.run import GiveCommand, Run

SOURCE = "fettle/workflow-engine"


class CommandWriter:
    """Turns effects into outgoing messages. Given again, an effect is the same command: its id is the effect's."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def message(self, run: Run, effect: GiveCommand, now: datetime) -> Outgoing:
        event = CloudEvent(
            id=str(effect.id),
            source=f"{SOURCE}/{run.workflow}",
            type=effect.verb.ce_type,
            time=now,
            data=effect.command.to_json(),
            key=run.org,
            traceparent=run.cause.traceparent,
            causation_id=run.cause.event_id,
            causation_depth=run.cause.depth,
        )
        return Outgoing.of(self._signer.sign_event(event), COMMANDS)
