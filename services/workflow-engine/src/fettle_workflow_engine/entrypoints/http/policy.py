"""The org's switch by HTTP."""

from fastapi import APIRouter
from pydantic import StrictBool

from fettle_chassis.answers import Answer
from fettle_chassis.http import Admin, IdempotencyKey, Viewer
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.message import Message
from fettle_contracts.times import Instant
from fettle_workflow_engine.adapters import policies
from fettle_workflow_engine.adapters.policies import Policy
from fettle_workflow_engine.entrypoints.http.desk import TheDesk

router = APIRouter(prefix="/api/v1/orgs/{org}/workflow-policy", tags=["workflow policy"])


class WantedPolicy(Message):
    """`enabled`: whether the org's workflows run."""

    enabled: StrictBool


class PolicyView(WantedPolicy):
    """The policy, and who changed it last; nobody for one that was never changed."""

    changed_at: Instant | None
    changed_by: str | None


@router.get("")
async def policy(caller: Viewer, desk: TheDesk) -> PolicyView:
    """Whether the org's workflows run; they do until somebody switches them off."""
    async with desk.database.reading() as connection:
        return _view(await policies.policy_of(connection, caller.org))


@router.put("")
async def set_policy(caller: Admin, desk: TheDesk, key: IdempotencyKey, wanted: WantedPolicy) -> PolicyView:
    """Switches all of the org's workflows off or on. While they are off, nothing starts, then or later; a run that has
    begun ends as failed (`switched_off`) when its next node is due, and a call when it is to be made or made again.
    Those can be retried once they are on; what is not due meanwhile goes on."""

    async def switch(work: UnitOfWork) -> Answer:
        after = await desk.library.switch(work.connection, caller.org, wanted.enabled, caller.actor_id)
        return Answer(200, _view(after).to_dict())

    answer = await desk.write(caller.org, key, f"PUT workflow-policy\n{wanted.enabled}", switch)
    return PolicyView.model_validate(answer.body)


def _view(policy: Policy) -> PolicyView:
    return PolicyView(enabled=policy.enabled, changed_at=policy.changed_at, changed_by=policy.changed_by)
