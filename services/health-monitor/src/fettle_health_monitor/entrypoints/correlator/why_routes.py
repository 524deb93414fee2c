"""Why there is or is not a ticket."""

from typing import Annotated

from fastapi import APIRouter, Query

from fettle_chassis.http import Problem, Viewer
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import Instant, to_ms
from fettle_health_monitor.entrypoints.correlator.api import HealthApi, key_of, subject_of
from fettle_health_monitor.entrypoints.correlator.why_shapes import ShownWhy
from fettle_health_monitor.judge.replaying import Busy

_LATER = {"Retry-After": "10"}


def why_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/why")
    async def why(
        org: str,
        _caller: Viewer,
        subject: Annotated[str, Query(description="`type/id`, for instance `device/t17`.")],
        at: Instant | None = None,
    ) -> ShownWhy:
        """Why there is or is not a ticket about a subject at an instant: what was heard and decided, what kept it from
        opening, and the smallest single change (one policy value, silence or switch) that would have decided otherwise.
        Without `at`, and where that is later, it is the instant up to which heartbeats have been judged."""
        type_, _, id_ = subject_of(subject).partition("/")
        key = key_of(org, type_, id_)
        async with api.database.reading() as connection:
            as_of = await api.as_of(connection, org)
        if as_of is None:
            message = "Nothing can be said before every shard has judged: none of its heartbeats, or not all, are read."
            raise Problem(503, ProblemCode.UNAVAILABLE, message, headers=_LATER)
        instant = min(to_ms(at or as_of), to_ms(as_of))
        try:
            answer = await api.why.answer(key, api.controls.shard_of(HeartbeatKey.parse(key.encode())), instant)
        except Busy:
            message = "Others are asking why; try again in a moment."
            raise Problem(503, ProblemCode.UNAVAILABLE, message, headers=_LATER) from None
        except TimeoutError:
            message = "Reading and judging that stretch of the log again took too long; try again, or another instant."
            raise Problem(503, ProblemCode.UNAVAILABLE, message, headers=_LATER) from None
        return ShownWhy.of(key, answer, as_of)

    return router
