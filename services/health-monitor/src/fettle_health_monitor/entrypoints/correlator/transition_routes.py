"""The history of transitions."""

from typing import Annotated

from fastapi import APIRouter, Query

from fettle_chassis.http import Viewer
from fettle_health_monitor.adapters.correlator import views
from fettle_health_monitor.entrypoints.correlator.api import HealthApi, subject_of
from fettle_health_monitor.entrypoints.correlator.cursors import read_cursor, write_cursor
from fettle_health_monitor.entrypoints.correlator.shapes import PastTransition, TransitionPage

Limit = Annotated[int, Query(ge=1, le=200)]


def transition_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/transitions")
    async def list_transitions(
        org: str, _caller: Viewer, subject: str | None = None, cursor: str | None = None, limit: Limit = 50
    ) -> TransitionPage:
        """Transitions of one subject (`type/id`), or of the whole org, the newest first."""
        about = None if subject is None else subject_of(subject)
        before = None
        if cursor is not None:
            at, position = read_cursor(cursor, int, int)
            before = (int(at), int(position))
        async with api.database.reading() as connection:
            as_of = await api.as_of(connection, org)
            found = await views.transitions(connection, org, subject=about, before=before, limit=limit + 1)
        more = write_cursor(*found[limit - 1].place) if len(found) > limit else None
        items = tuple(PastTransition.model_validate({**each.body, "id": each.id}) for each in found[:limit])
        return TransitionPage(items=items, next_cursor=more, as_of=as_of)

    return router
