"""Runs that a person starts, by HTTP."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, Field
from uuid_utils.compat import uuid7

from fettle_chassis.answers import Answer
from fettle_chassis.http import CausationDepth, IdempotencyKey, Operator, Problem
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.message import Message
from fettle_contracts.people import Actor, ActorType
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.adapters import run_lists
from fettle_workflow_engine.domain.json_objects import kept
from fettle_workflow_engine.entrypoints.http import pages
from fettle_workflow_engine.entrypoints.http.desk import TheDesk
from fettle_workflow_engine.starting import Asked, NotStarted, by_hand

router = APIRouter(prefix="/api/v1/orgs/{org}/workflows", tags=["runs"])

DATA_LIMIT = 64 * 1024

_WHY_NOT = {
    NotStarted.SWITCHED_OFF: "The org's workflows are switched off.",
    NotStarted.DISABLED: "The workflow is not enabled.",
    NotStarted.NO_TRIGGER: "The workflow has no manual trigger.",
    NotStarted.NOT_MATCHED: "The condition of the workflow's manual trigger does not hold for this data.",
}


def _small(data: dict[str, Any]) -> dict[str, Any]:
    if len(json.dumps(kept(data), ensure_ascii=False, separators=(",", ":")).encode()) > DATA_LIMIT:
        raise ValueError(f"has at most {DATA_LIMIT // 1024} KiB of JSON")
    return data


class Pressed(Message):
    """What the run is to work with: `event.data` in the workflow."""

    data: Annotated[dict[str, Any], AfterValidator(_small)] = Field(default_factory=dict)


@router.post("/{name}/runs", status_code=201)
async def start(
    name: pages.Name,
    caller: Operator,
    desk: TheDesk,
    key: IdempotencyKey,
    depth: CausationDepth,
    pressed: Pressed | None = None,
) -> Response:
    """201 with the run, as far as it has come; one that is over the workflow's budget is refused and says so. 409 when
    nothing starts: the workflow or the org is off, or has no manual trigger that takes the data."""
    data = pressed.data if pressed else {}
    actor = Actor(type=ActorType.USER, id=caller.actor_id, name=caller.actor_name).to_dict()

    async def press(work: UnitOfWork) -> Answer:
        event = {"at": rfc3339(desk.clock()), "actor": actor, "data": data}
        started = await by_hand(work, desk.engine, Asked(caller.org, name, uuid7(), event, depth))
        if started is NotStarted.UNKNOWN:
            raise Problem(404, ProblemCode.NOT_FOUND, "There is no such workflow.")
        if isinstance(started, NotStarted):
            raise Problem(409, ProblemCode.CONFLICT, _WHY_NOT[started])
        return Answer(201, await run_lists.find(work.connection, caller.org, started.id))

    answer = await desk.write(caller.org, key, f"POST {name}/runs\n{json.dumps(data, sort_keys=True)}", press)
    return JSONResponse(answer.body, answer.status)
