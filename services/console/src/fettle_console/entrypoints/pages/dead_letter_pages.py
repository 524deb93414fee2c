"""Dead letters of the org: which there are, one as a whole, and sending it again once what was wrong is mended."""

from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Query
from fastapi.responses import Response

from fettle_chassis.http import Problem
from fettle_console.adapters.dead_letter_box import FARTHEST
from fettle_console.domain.dead_letters import TOPICS_WITH_LETTERS
from fettle_console.entrypoints.dead_letter_api import redriven
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, Visit
from fettle_console.views.dead_letters import ShownLetter

router = APIRouter()

_PAGE = 50

Offset = Annotated[int | None, Query(ge=0, le=FARTHEST)]


@router.get("/orgs/{org}/dead-letters")
async def letter_list(visit: TheAdmin, topic: str = "", before: Offset = None) -> Response:
    """The newest ones, of one topic if the address says so, and of that one also further back."""
    known = topic if topic in TOPICS_WITH_LETTERS else ""
    found = await visit.console.dead_letters.newest(visit.org, known or None, before if known else None, _PAGE)
    return await visit.page(
        "dead_letters.html",
        letters=[ShownLetter.of(letter) for letter in found.letters],
        topics=TOPICS_WITH_LETTERS,
        topic=known,
        further=found.further,
        before=before if known else None,
    )


@router.get("/orgs/{org}/dead-letters/{topic}/{offset}")
async def letter_page(topic: str, offset: int, visit: TheAdmin) -> Response:
    """Why it is here, where it came from, and what it holds."""
    return await _shown(visit, topic, offset)


@router.post("/orgs/{org}/dead-letters/{topic}/{offset}/redrive")
async def redrive(topic: str, offset: int, visit: TheAdmin, command_id: CommandId) -> Response:
    """Sends it to where it came from, as it came. What has had its effect meanwhile has no second one."""
    try:
        async with visit.recorded("POST", f"/dead-letters/{topic}/{offset}/redrive", command_id) as heard:
            actor = visit.session.caller.actor_id
            answer = await redriven(visit.org, topic, offset, actor, visit.console, command_id)
            heard.status = answer.status
    except Problem as problem:
        if problem.status != 409:
            raise
        return await _shown(visit, topic, offset, refused=problem.message, status=409)
    to = (answer.body or {})["to"]
    return await _shown(visit, topic, offset, sent=f"partition {to['partition']}, offset {to['offset']}")


async def _shown(
    visit: Visit, topic: str, offset: int, *, sent: str = "", refused: str = "", status: int = 200
) -> Response:
    letter = await visit.console.dead_letters.one(visit.org, topic, min(offset, FARTHEST))
    return await visit.page(
        "dead_letter.html",
        status=status,
        letter=ShownLetter.of(letter),
        sent=sent,
        refused=refused,
        command_id=str(uuid4()),
    )
