"""The org's channels, each with a button that tries it, and its secrets by their names."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

from fastapi import APIRouter
from fastapi.responses import Response

from fettle_chassis.tokens import Role
from fettle_client.shapes.secrets import Secret
from fettle_console.adapters.org_client import ServiceRefused
from fettle_console.entrypoints.pages.visits import CommandId, TheAdmin, TheVisit, Visit
from fettle_console.views.channels import NamedSecret, ShownChannel, outcome

router = APIRouter()

_MOST = 200
"""Channels and secrets that are shown; the command line lists more."""


@router.get("/orgs/{org}/channels")
async def channel_page(visit: TheVisit) -> Response:
    """Channels with what they have sent; an admin sees the secrets' names, too."""
    return await shown_channels(visit)


@router.post("/orgs/{org}/channels/{name}/test")
async def try_out(name: str, visit: TheAdmin, command_id: CommandId) -> Response:
    """Sends one message over the channel and says what became of it. Takes up to 20 s."""
    try:
        trial = await visit.client.test_channel(name, key=command_id)
    except ServiceRefused as refused:
        return await shown_channels(visit, refused=refused.message, status=refused.status)
    said = outcome(name, trial)
    if trial["outcome"] == "sent":
        return await shown_channels(visit, sent=said)
    return await shown_channels(visit, refused=said)


async def shown_channels(
    visit: Visit, *, sent: str = "", refused: str = "", status: int = 200, secret: str = ""
) -> Response:
    """The page, with what became of a test or why a write was refused, and the name of a secret that was to be kept."""
    channels, secrets = await asyncio.gather(visit.client.list_channels(limit=_MOST).page(), secrets_of(visit))
    return await visit.page(
        "channels.html",
        status=status,
        channels=[ShownChannel.of(item) for item in channels["items"]],
        secrets=[NamedSecret.of(item) for item in secrets],
        names=await visit.names(*(item["saved_by"] for item in secrets)),
        more=bool(channels.get("next_cursor")),
        sent=sent,
        refused=refused,
        secret=secret,
        command_id=str(uuid4()),
    )


async def secrets_of(visit: Visit) -> Sequence[Secret]:
    """The org's secrets, without their values; none for somebody who is no admin."""
    if not visit.may(Role.ADMIN):
        return ()
    return (await visit.client.list_secrets(limit=_MOST).page())["items"]
