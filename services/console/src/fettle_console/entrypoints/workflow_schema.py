"""`GET /api/workflow.schema.json`: the form of workflow documents, for editors. No token is needed to read it."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from fettle_console.console import TheConsole
from fettle_console.domain.routing import Owner

router = APIRouter(include_in_schema=False)


@router.get("/api/workflow.schema.json")
async def workflow_schema(console: TheConsole) -> JSONResponse:
    """The workflow engine's."""
    schema = await console.documents.of(Owner.WORKFLOWS, "/workflow.schema.json")
    headers = {"cache-control": "max-age=300"}
    return JSONResponse(schema, media_type="application/schema+json", headers=headers)
