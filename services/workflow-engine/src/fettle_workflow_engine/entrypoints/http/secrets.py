"""An org's secrets by HTTP: they go in, and only their names come out."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from fettle_chassis.answers import Answer
from fettle_chassis.http import Admin, IdempotencyKey, Problem, keepable
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import rfc3339
from fettle_workflow_engine.adapters import channel_rows, secret_rows
from fettle_workflow_engine.adapters.secret_box import NoKeys, SecretBox
from fettle_workflow_engine.adapters.secret_rows import KeptSecret
from fettle_workflow_engine.domain.channels import secrets_of
from fettle_workflow_engine.domain.secrets import LONGEST, NAME, NAME_RULE, SHORTEST
from fettle_workflow_engine.entrypoints.http import pages
from fettle_workflow_engine.entrypoints.http.desk import TheDesk

router = APIRouter(prefix="/api/v1/orgs/{org}/secrets", tags=["secrets"])


async def _box(request: Request) -> SecretBox:
    box: SecretBox = request.app.state.secret_box
    return box


TheBox = Annotated[SecretBox, Depends(_box)]


def _usable(value: SecretStr) -> SecretStr:
    keepable(value.get_secret_value())
    return value


class SecretBody(BaseModel):
    """The value of a secret."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    value: Annotated[SecretStr, Field(min_length=SHORTEST, max_length=LONGEST), AfterValidator(_usable)]


@router.get("")
async def secrets(
    caller: Admin, desk: TheDesk, cursor: pages.Cursor = None, limit: pages.Limit = pages.LIMIT_DEFAULT
) -> dict[str, Any]:
    """The names of the org's secrets, with who saved them when, and under which key they are sealed."""
    after = "" if cursor is None else pages.name_of(cursor)
    async with desk.database.reading() as connection:
        found = await secret_rows.page(connection, caller.org, after, limit + 1)
    page, last = pages.cut(found, limit)
    return {"items": [_item(one) for one in page], "next_cursor": pages.encoded(last.name) if last else None}


@router.put("/{name}")
async def put(
    name: pages.Name, body: SecretBody, caller: Admin, desk: TheDesk, box: TheBox, key: IdempotencyKey
) -> Response:
    """201 for a new secret, 200 for one that has another value now. The value is never shown again. 409 when the
    installation has no key to seal it with."""
    if not NAME.fullmatch(name):
        raise Problem(422, ProblemCode.INVALID, f"{NAME_RULE[0].upper()}{NAME_RULE[1:]}.", field="name")
    value = body.value.get_secret_value()
    try:
        sealed, request = box.seal(caller.org, name, value), f"PUT secret {name}\n{box.mark(value)}"
    except NoKeys:
        message = "This installation keeps no secrets: FETTLE_SECRET_KEYS is not set."
        raise Problem(409, ProblemCode.CONFLICT, message) from None

    async def save(work: UnitOfWork) -> Answer:
        now = desk.clock()
        new = await secret_rows.save(work.connection, caller.org, name, sealed, caller.actor_id, now)
        return Answer(201 if new else 200, _item(KeptSecret(name, sealed.key_id, now, caller.actor_id)))

    answer = await desk.write(caller.org, key, request, save)
    return JSONResponse(answer.body, answer.status)


@router.delete("/{name}", status_code=204)
async def delete(name: pages.Name, caller: Admin, desk: TheDesk, key: IdempotencyKey) -> Response:
    """Calls that name it fail from now on. 409 while a channel names it."""

    async def drop(work: UnitOfWork) -> Answer:
        users = [
            channel.name
            for channel in await channel_rows.all_of(work.connection, caller.org)
            if name in dict(secrets_of(channel.settings)).values()
        ]
        if users:
            message = f"The channel {', '.join(users)} names this secret."
            raise Problem(409, ProblemCode.CONFLICT, message)
        if not await secret_rows.delete(work.connection, caller.org, name):
            raise Problem(404, ProblemCode.NOT_FOUND, "There is no such secret.")
        return Answer(204, None)

    await desk.write(caller.org, key, f"DELETE secret {name}", drop)
    return Response(status_code=204)


def _item(kept: KeptSecret) -> dict[str, Any]:
    return {
        "name": kept.name,
        "key_id": kept.key_id,
        "saved_at": rfc3339(kept.saved_at),
        "saved_by": kept.saved_by,
    }
