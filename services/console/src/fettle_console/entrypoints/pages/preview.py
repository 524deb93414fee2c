"""Markdown as it will look, while it is being written."""

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import HTMLResponse, Response

from fettle_console.entrypoints.pages.visits import TheVisit
from fettle_console.views.markdown import render

router = APIRouter()


@router.post("/orgs/{org}/preview")
async def preview(_: TheVisit, text: Annotated[str, Form()] = "") -> Response:
    """The text as HTML that cannot act, as a ticket's page would show it; nothing is kept."""
    return HTMLResponse(render(text.replace("\r\n", "\n")))
