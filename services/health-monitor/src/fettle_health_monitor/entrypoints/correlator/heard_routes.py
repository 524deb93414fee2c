"""When a subject was heard, heartbeat by heartbeat."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from fettle_chassis.http import Problem, Viewer
from fettle_contracts.identity import HeartbeatKey, SubjectText
from fettle_contracts.message import Message
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import Instant, from_ms, to_ms
from fettle_health_monitor.adapters.correlator import views
from fettle_health_monitor.correlator.hearing import Heard
from fettle_health_monitor.entrypoints.correlator.api import HealthApi, key_of, subject_of
from fettle_health_monitor.judge.replaying import Busy, NotKept

_LATER = {"Retry-After": "10"}


class ShownHeartbeat(Message):
    """One heartbeat by the broker's time; `status` is null for one that could not be read and was not heard."""

    at: Instant
    status: Literal["ok", "offline", "unreachable", "credentials_invalid"] | None


class ShownHeard(Message):
    """All heartbeats of a subject from `since` to `until`, the earliest first."""

    subject: SubjectText
    since: Instant
    until: Instant
    heartbeats: tuple[ShownHeartbeat, ...]
    as_of: Instant | None

    @classmethod
    def of(cls, subject: str, heard: Heard, as_of: Instant | None) -> "ShownHeard":
        said = [(beat.at, None if beat.reading is None else beat.reading.word) for beat in heard.beats]
        beats = tuple(ShownHeartbeat.model_validate({"at": from_ms(at), "status": status}) for at, status in said)
        return cls(
            subject=subject, since=from_ms(heard.since), until=from_ms(heard.until), heartbeats=beats, as_of=as_of
        )


def heard_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/heard")
    async def heard(
        org: str,
        _caller: Viewer,
        subject: Annotated[str, Query(description="`type/id`, for instance `device/t17`.")],
        at: Instant | None = None,
    ) -> ShownHeard:
        """The heartbeats of a subject in the hour up to an instant, read from the log: all of them, or of a busy log
        and a subject that reports often those of the end of that hour, from `since` on. Without `at`, and where that is
        later, it is the instant up to which heartbeats have been judged."""
        type_, _, id_ = subject_of(subject).partition("/")
        key = key_of(org, type_, id_)
        async with api.database.reading() as connection:
            as_of = await api.as_of(connection, org)
            known = await views.subject(connection, org, str(key.subject))
        if known is None:
            raise Problem(404, ProblemCode.NOT_FOUND, f"The org has no subject {key.subject}.")
        now = to_ms(as_of) if as_of else api.silences.now()
        shard = api.controls.shard_of(HeartbeatKey.parse(key.encode()))
        try:
            found = await api.hearing.heard(key, shard, min(to_ms(at), now) if at else now)
        except Busy:
            message = "Others are reading the past; try again in a moment."
            raise Problem(503, ProblemCode.UNAVAILABLE, message, headers=_LATER) from None
        except NotKept:
            message = "The log of heartbeats does not reach back that far."
            raise Problem(404, ProblemCode.NOT_FOUND, message) from None
        return ShownHeard.of(str(key.subject), found, as_of)

    return router
