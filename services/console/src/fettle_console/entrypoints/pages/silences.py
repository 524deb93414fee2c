"""What pages of a ticket and of a subject know of its silences."""

import asyncio
from collections.abc import Sequence

from fettle_chassis.tokens import Role
from fettle_client.shapes.silences import Silence
from fettle_console.adapters.org_client import unless_away
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


async def _active(visit: Visit, watched: str) -> Sequence[Silence]:
    found = await unless_away(visit.client.list_silences(subject=watched, state=["active"]).page())
    return found["items"] if found else ()


async def _behind(visit: Visit, watched: str) -> int:
    """How many devices stand behind an integration, for who may silence them with it."""
    kind, _, id = watched.partition("/")
    if kind != "integration" or not visit.may(Role.OPERATOR):
        return 0
    selected = await unless_away(visit.client.silence_selection(LENGTH_S, integration=id, dry_run=True))
    return selected["preview"]["devices"] if selected and selected["preview"] else 0
