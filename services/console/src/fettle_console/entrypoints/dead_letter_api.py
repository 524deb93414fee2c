"""`/api/v1/orgs/{org}/dead-letters`: sending one again, once what was wrong is mended."""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from fettle_chassis.answers import Answer
from fettle_chassis.http import IdempotencyKey
from fettle_chassis.tokens import Role
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_console.adapters.answers import Written
from fettle_console.adapters.dead_letter_box import FARTHEST
from fettle_console.console import Console, TheConsole
from fettle_console.domain.access import enter
from fettle_console.entrypoints.guards import Holder, admitted
from fettle_console.entrypoints.writes import first_answer
from fettle_contracts.message import Message

router = APIRouter(prefix="/api/v1/orgs/{org}/dead-letters", tags=["dead letters"])


class Place(Message):
    """Where the record was put, its topic as Kafka calls it."""

    topic: str
    partition: int
    offset: int


class SentAgain(Message):
    """A dead letter that was sent again; it stays where it is, too."""

    topic: str
    offset: int
    to: Place


@router.post("/{topic}/{offset}/redrive", response_model=SentAgain)
async def redrive(
    org: str,
    topic: str,
    offset: Annotated[int, Path(ge=0, le=FARTHEST)],
    holder: Holder,
    console: TheConsole,
    key: IdempotencyKey,
) -> JSONResponse:
    """Send a dead letter of the org to where it came from, as it came. What has had its effect meanwhile has no second
    one. Heartbeats, what was cut, and what came from where nothing is any more stay (409)."""
    actor = admitted(enter(holder, org, Role.ADMIN))
    answer = await redriven(org, topic, offset, actor, console, key)
    return JSONResponse(answer.body, answer.status)


async def redriven(org: str, topic: str, offset: int, actor: str, console: Console, key: str | None) -> Answer:
    """Where it was put; a repeat under the key puts nothing. Raises `Problem` 404 for no letter of the org, 409 for one
    that must stay, 422 for a key that came with something else, 503 while Kafka is away or others are sent."""

    async def write(_: UnitOfWork) -> Written:
        place = await console.dead_letters.send_again(org, topic, offset)
        sent = SentAgain(topic=topic, offset=offset, to=Place(**place._asdict()))
        answer = Answer(200, sent.to_dict())
        return Written(answer, again=answer)

    async with console.dead_letters.sending():
        return await first_answer(console, org, key, f"redrive {actor} {topic} {offset}", write)
