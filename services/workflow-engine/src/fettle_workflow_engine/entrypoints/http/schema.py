"""`GET /workflow.schema.json`: the form of documents, for editors. No token is needed to read it."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from fettle_workflow_engine.domain.schema import document_schema

router = APIRouter(include_in_schema=False)

MEDIA_TYPE = "application/schema+json"


@router.get("/workflow.schema.json")
async def workflow_schema() -> JSONResponse:
    schema: dict[str, Any] = document_schema()
    return JSONResponse(schema, media_type=MEDIA_TYPE)
