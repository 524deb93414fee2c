"""Workflows by HTTP: documents in YAML or JSON come in, what is kept of them goes out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.answers import Answer
from fettle_chassis.http import Admin, IdempotencyKey, Problem, Viewer
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.problems import ProblemCode
from fettle_workflow_engine.adapters import workflow_rows
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.entrypoints.http import pages, shapes, shown
from fettle_workflow_engine.entrypoints.http.desk import Desk, Seen, TheDesk
from fettle_workflow_engine.entrypoints.http.examples import DOCUMENT, DOCUMENT_BODY
from fettle_workflow_engine.library import Changed, Exists, Misnamed, NoSuchVersion

router = APIRouter(prefix="/api/v1/orgs/{org}/workflows", tags=["workflows"])

YAML_TYPES = ("application/yaml", "text/yaml", "application/x-yaml")


@router.get("")
async def workflows(
    caller: Viewer,
    desk: TheDesk,
    documents: Annotated[bool, Query()] = False,
    cursor: pages.Cursor = None,
    limit: pages.Limit = pages.LIMIT_DEFAULT,
) -> dict[str, Any]:
    """The org's workflows by name, with `documents` each with its document."""
    after = "" if cursor is None else pages.name_of(cursor)
    async with desk.database.reading() as connection:
        found = await workflow_rows.page(connection, caller.org, after, limit + 1)
    page, last = pages.cut(found, limit)
    items = [shown.whole(one) if documents else shown.item(one) for one in page]
    return {"items": items, "next_cursor": pages.encoded(last.name) if last else None}


@router.post(
    "",
    status_code=201,
    response_model=shapes.Workflow,
    responses={200: {"model": shapes.CheckedWorkflow}},
    openapi_extra={"requestBody": DOCUMENT_BODY},
)
async def create(
    request: Request,
    caller: Admin,
    desk: TheDesk,
    key: IdempotencyKey,
    dry_run: Annotated[bool, Query()] = False,
) -> Response:
    """201 with the new workflow; with `dry_run` 200 with its graph and no faults, whether there is one of that name or
    not. 422 with every fault."""
    document = await _document(request)
    if dry_run:
        return JSONResponse(await _checked(desk, caller.org, document))

    async def save(work: UnitOfWork) -> Answer:
        return await _saved(desk, work.connection, caller.org, document, caller.actor_id)

    return shown.response(await desk.write(caller.org, key, f"POST\n{document}", save))


@router.get(
    "/{name}",
    response_model=None,
    responses={
        200: {
            "model": shapes.Workflow,
            "content": {YAML_TYPES[0]: {"schema": {"type": "string"}, "example": DOCUMENT}},
        }
    },
)
async def workflow(request: Request, name: pages.Name, caller: Viewer, desk: TheDesk) -> Response | dict[str, Any]:
    """The workflow with its document; the document alone for those who accept YAML."""
    async with desk.database.reading() as connection:
        found = await workflow_rows.find(connection, caller.org, name)
    if found is None:
        raise shown.no_such_workflow()
    if any(kind in request.headers.get("accept", "") for kind in YAML_TYPES):
        return Response(found.document, media_type=YAML_TYPES[0])
    return shown.whole(found)


@router.get("/{name}/graph")
async def workflow_graph(
    name: pages.Name,
    caller: Viewer,
    desk: TheDesk,
    version: Annotated[int | None, Query(ge=1, le=pages.MOST)] = None,
) -> dict[str, Any]:
    """The nodes of the workflow's document as it is, or of one of its versions, and what follows what. 422 for a
    document that is not understood any more."""
    async with desk.database.reading() as connection:
        try:
            return shown.graph(await desk.library.definition(connection, caller.org, name, version))
        except NoSuchVersion:
            raise shown.no_such_workflow() if version is None else shown.no_such_version() from None
        except DocumentRefused as refusal:
            raise shown.refused(refusal) from None


@router.put("/{name}", openapi_extra={"requestBody": DOCUMENT_BODY})
async def replace(
    request: Request,
    name: pages.Name,
    caller: Admin,
    desk: TheDesk,
    key: IdempotencyKey,
    seen: Seen,
) -> Response:
    """200 with the workflow as it is now, 201 if there was none. The document's name must be the path's. `If-Match`
    names the `saved_at` that its writer saw: where somebody has saved another text since, or removed it, 412 with the
    workflow as it is (`present`) and what saving would change in it (`hunks`)."""
    document = await _document(request)

    async def save(work: UnitOfWork) -> Answer:
        return await _saved(desk, work.connection, caller.org, document, caller.actor_id, replaces=name, seen=seen)

    request_text = f"PUT {name}\n{document}" if seen is None else f"PUT {name} {seen}\n{document}"
    return shown.response(await desk.write(caller.org, key, request_text, save))


@router.delete("/{name}", status_code=204)
async def delete(name: pages.Name, caller: Admin, desk: TheDesk, key: IdempotencyKey, seen: Seen) -> Response:
    """Runs that have begun go on; nothing starts new ones. `If-Match` as for saving it."""

    async def drop(work: UnitOfWork) -> Answer:
        try:
            if not await desk.library.delete(work.connection, caller.org, name, caller.actor_id, seen):
                raise shown.no_such_workflow()
        except Changed as changed:
            raise shown.changed(changed) from None
        return Answer(204, None)

    request_text = f"DELETE {name}" if seen is None else f"DELETE {name} {seen}"
    return shown.response(await desk.write(caller.org, key, request_text, drop))


async def _document(request: Request) -> str:
    """The body as text; which of the two notations it is in does not matter."""
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError:
        raise Problem(400, ProblemCode.MALFORMED, "The document is not UTF-8 text.") from None


async def _checked(desk: Desk, org: str, document: str) -> dict[str, Any]:
    async with desk.database.reading() as connection:
        try:
            definition = await desk.library.check(connection, org, document)
        except DocumentRefused as refusal:
            raise shown.refused(refusal) from None
    return {**shown.graph(definition), "faults": []}


async def _saved(
    desk: Desk,
    connection: AsyncConnection,
    org: str,
    document: str,
    by: str,
    replaces: str | None = None,
    seen: str | None = None,
) -> Answer:
    try:
        saved = await desk.library.save(connection, org, document, by, replaces=replaces, seen=seen)
    except DocumentRefused as refusal:
        raise shown.refused(refusal) from None
    except Changed as changed:
        raise shown.changed(changed) from None
    except Exists as exists:
        message = f"There is a workflow {str(exists)!r} already; PUT replaces it."
        raise Problem(409, ProblemCode.CONFLICT, message, field="workflow") from None
    except Misnamed as misnamed:
        message = f"The document is of {str(misnamed)!r}, the path says {replaces!r}."
        raise Problem(422, ProblemCode.INVALID, message, field="workflow") from None
    return Answer(201 if saved.created else 200, shown.whole(saved.workflow))
