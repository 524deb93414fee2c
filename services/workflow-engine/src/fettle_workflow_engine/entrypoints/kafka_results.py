"""What became of commands, from `ticket.command-results`: those of runs, and those of everybody else."""

from typing import Any
from uuid import UUID

from fettle_chassis.consume import Record
from fettle_chassis.failures import BadRecord
from fettle_contracts.cloudevents import from_record
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.results import COMMAND_RESULT, CommandResult, Outcome
from fettle_contracts.times import from_ms
from fettle_workflow_engine.adapters.command_events import SOURCE
from fettle_workflow_engine.domain.run import Failure, Result

Output = dict[str, Any]


class ResultDecoder:
    """Turns records into results. `console_url` is where people find tickets."""

    def __init__(self, console_url: str) -> None:
        self._console_url = console_url

    def __call__(self, record: Record) -> Result | None:
        """None for the result of a command that is no run's. Raises BadRecord or Unreadable."""
        event = from_record(record.headers, record.key, record.value, received_at=from_ms(record.timestamp_ms))
        if event.type != COMMAND_RESULT:
            raise BadRecord(DeadLetterCode.TYPE_UNKNOWN, f"{event.type!r} is no result of a command")
        message = CommandResult.from_json(event.data)
        command_id = _run_command_id(message.command_id)
        if command_id is None or not message.answers(SOURCE):
            return None
        if message.outcome is Outcome.REJECTED:
            return Result(command_id, _failure(message))
        return Result(command_id, self._output(message))

    def _output(self, message: CommandResult) -> Output:
        ticket = message.ticket
        if ticket is None:
            return {"outcome": message.outcome.value, "ticket": None}
        url = f"{self._console_url}/orgs/{message.org}/tickets/{ticket.number}"
        return {"outcome": message.outcome.value, "ticket": {**ticket.to_dict(), "url": url}}


def _failure(message: CommandResult) -> Failure:
    reason = message.reason
    return Failure(reason.code, reason.message) if reason else Failure("rejected", "The ticket service says no more.")


def _run_command_id(text: str) -> UUID | None:
    """Ids of runs' commands are UUIDs of version 5; other senders' often are not."""
    try:
        found = UUID(text)
    except ValueError:
        return None
    return found if found.version == 5 and str(found) == text else None
