"""`POST /api/v1/orgs/{org}/heartbeats`: heartbeats of devices that cannot speak Kafka."""

from fastapi import APIRouter, Request

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Role
from fettle_console import metrics
from fettle_console.adapters.heartbeat_log import KafkaAway, OutcomeUnknown
from fettle_console.console import TheConsole
from fettle_console.domain.heartbeat_lines import Lines, read_lines
from fettle_console.entrypoints.guards import needs
from fettle_contracts.message import Message
from fettle_contracts.problems import ProblemCode

router = APIRouter(prefix="/api/v1/orgs/{org}/heartbeats", tags=["heartbeats"])

_RETRY_AFTER = {"Retry-After": "5"}

_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"type":"device","id":"t17","status":"ok","interval_s":30}\n',
            }
        },
    }
}


class RefusedLine(Message):
    """A line that is no heartbeat, counted from 1; `code` as in the dead letters of `device.heartbeats`."""

    line: int
    code: str
    message: str
    field: str | None = None


class Taken(Message):
    """How many heartbeats Kafka has, and each line that was refused."""

    accepted: int
    refused: tuple[RefusedLine, ...]


@router.post(
    "",
    status_code=202,
    dependencies=[needs(Role.INGEST)],
    openapi_extra=_BODY,
    responses={
        503: {"description": "Kafka is away: nothing was taken and nothing of it will appear later."},
        504: {"description": "Kafka stopped answering half-way: some may be taken. Sending all again does no harm."},
    },
)
async def post_heartbeats(org: str, request: Request, console: TheConsole) -> Taken:
    """Report heartbeats: one JSON object a line, with `type` and `id` besides the fields of a heartbeat."""
    lines = read_lines(org, await request.body())
    if not lines.accepted and not lines.refused:
        raise Problem(400, ProblemCode.MALFORMED, "The body holds no heartbeat: send one JSON object a line.")
    metrics.HEARTBEAT_LINES.labels("refused").inc(len(lines.refused))
    await _append(lines, console)
    metrics.HEARTBEAT_LINES.labels("accepted").inc(len(lines.accepted))
    refused = (
        RefusedLine(line=line.line, code=line.code, message=line.message, field=line.field) for line in lines.refused
    )
    return Taken(accepted=len(lines.accepted), refused=tuple(refused))


async def _append(lines: Lines, console: TheConsole) -> None:
    try:
        await console.heartbeats.append([(line.key, line.value) for line in lines.accepted])
    except KafkaAway:
        metrics.HEARTBEAT_LINES.labels("kafka_away").inc(len(lines.accepted))
        message = "Kafka is away. None of these heartbeats was taken; send them again in a moment."
        raise Problem(503, ProblemCode.UNAVAILABLE, message, headers=_RETRY_AFTER) from None
    except OutcomeUnknown as unknown:
        metrics.HEARTBEAT_LINES.labels("unknown").inc(len(lines.accepted))
        message = "Kafka stopped answering half-way: some of these heartbeats may be taken. Sending all again is safe."
        raise Problem(504, "outcome_unknown", message, headers=_RETRY_AFTER, taken=unknown.taken) from None
