"""What people do to runs, by HTTP."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from fettle_chassis.answers import Answer
from fettle_chassis.http import CausationDepth, IdempotencyKey, Operator, Problem
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.problems import ProblemCode
from fettle_workflow_engine.adapters import run_lists
from fettle_workflow_engine.entrypoints.http.desk import Desk, TheDesk
from fettle_workflow_engine.entrypoints.http.runs import no_such_run, run_id_of
from fettle_workflow_engine.interventions import NoSuchRun, NoSuchVersion, NotPossible

router = APIRouter(prefix="/api/v1/orgs/{org}/runs/{run_id}", tags=["runs"])

Act = Callable[[UnitOfWork, UUID], Awaitable[UUID]]
"""Returns the run to show."""


class Rerun(BaseModel):
    """By which version of the workflow; without one by its newest."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, lt=2**31)] | None = None


@router.post("/cancel")
async def cancel(run_id: str, caller: Operator, desk: TheDesk, key: IdempotencyKey) -> JSONResponse:
    """Ends the run; what it waits for changes nothing any more. 409 for one that has ended otherwise."""

    async def act(work: UnitOfWork, id: UUID) -> UUID:
        await desk.interventions.cancel(work, caller.org, id, caller.actor_id)
        return id

    return await _done(desk, caller.org, key, "cancel", run_id, act)


@router.post("/retry")
async def retry(
    run_id: str, caller: Operator, desk: TheDesk, key: IdempotencyKey, depth: CausationDepth
) -> JSONResponse:
    """Has a failed run go on from the node that failed it. 409 for one that no node has failed or that was retried a
    hundred times, while the org is switched off, and when a run asks for it that is the last which its chain may
    have."""

    async def act(work: UnitOfWork, id: UUID) -> UUID:
        await desk.interventions.retry(work, caller.org, id, caller.actor_id, depth)
        return id

    return await _done(desk, caller.org, key, "retry", run_id, act)


@router.post("/rerun", status_code=201)
async def rerun(
    run_id: str,
    caller: Operator,
    desk: TheDesk,
    key: IdempotencyKey,
    depth: CausationDepth,
    body: Rerun | None = None,
) -> JSONResponse:
    """201 with a new run by the same event. 409 when no trigger of the version takes the event, the org is switched
    off, the workflow's budget is spent, or a run asks for it that is the last which its chain may have."""
    version = body.version if body else None

    async def act(work: UnitOfWork, id: UUID) -> UUID:
        return await desk.interventions.rerun(work, caller.org, id, version, caller.actor_id, depth)

    return await _done(desk, caller.org, key, f"rerun {version}", run_id, act, status=201)


async def _done(
    desk: Desk, org: str, key: str | None, name: str, run_id: str, act: Act, *, status: int = 200
) -> JSONResponse:
    id = run_id_of(run_id)

    async def action(work: UnitOfWork) -> Answer:
        try:
            shown = await act(work, id)
        except NoSuchRun:
            raise no_such_run() from None
        except NoSuchVersion:
            message = "The workflow never had this version."
            raise Problem(422, ProblemCode.INVALID, message, field="version") from None
        except NotPossible as reason:
            raise Problem(409, ProblemCode.CONFLICT, str(reason)) from None
        body: dict[str, Any] | None = await run_lists.find(work.connection, org, shown)
        return Answer(status, body)

    answer = await desk.write(org, key, f"POST run {id}\n{name}", action)
    return JSONResponse(answer.body, answer.status)
