"""What pages of a ticket and of a subject know of its silences."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from fettle_chassis.http import Problem
from fettle_chassis.tokens import Role
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import Visit
from fettle_console.views.silences import LENGTH_S, Silencing, lasting


async def silencing_of(visit: Visit, watched: str | None) -> Silencing | None:
    """What holds now, and what a new silence would be about; None for what cannot be silenced (`type/id` is not
    watched). While the health monitor is away nothing holds that we know of."""
    if watched is None:
        return None
    silences, behind = await asyncio.gather(_active(visit, watched), _behind(visit, watched))
    return Silencing(watched, lasting(silences), behind)


def makers(silencing: Silencing | None) -> Sequence[str]:
    """Who has made the silence that holds, if one does."""
    return (silencing.present.made_by,) if silencing and silencing.present else ()


async def _active(visit: Visit, watched: str) -> Sequence[Mapping[str, Any]]:
    query = visit.client.query(subject=watched, state="active")
    try:
        found: Sequence[Mapping[str, Any]] = (await visit.client.get(Owner.HEALTH, f"/silences{query}"))["items"]
    except Problem:
        return ()
    return found


async def _behind(visit: Visit, watched: str) -> int:
    """How many devices stand behind an integration, for who may silence them with it."""
    kind, _, id = watched.partition("/")
    if kind != "integration" or not visit.may(Role.OPERATOR):
        return 0
    asked = {"filter": {"integration": id}, "length_s": LENGTH_S}
    try:
        answer = await visit.client.send(Owner.HEALTH, "POST", "/silences?dry_run=true", asked)
    except Problem:
        return 0
    return int(answer.body["preview"]["devices"]) if answer.ok else 0
