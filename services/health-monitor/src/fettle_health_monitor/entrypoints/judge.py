"""What a judge answers from memory: subjects as their shards see them now. Asked by the correlator alone."""

from typing import Annotated, Any

from fastapi import APIRouter, Body

from fettle_chassis.http import Problem, Viewer
from fettle_contracts.times import from_ms
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.domain.judge.states import Reading, State
from fettle_health_monitor.judge.owned import Shards

ASKED_AT_ONCE = 200
"""As many as a page of subjects holds."""


def judge_routes(shards: Shards) -> APIRouter:
    router = APIRouter(prefix="/internal")

    @router.get("/subjects/{org}/{type}/{id:path}")
    async def subject(org: str, type: str, id: str, _caller: Viewer) -> dict[str, Any]:
        key = f"{org}/{type}/{id}".encode()
        shard = shards.of(key)
        row = None if shard is None else shard.judge.subjects.rows.get(key)
        if shard is None or row is None:
            raise Problem(404, "subject_unknown", "No shard of this process watches this subject.")
        return seen(shard, row)

    @router.post("/last-heard/{org}")
    async def last_heard(
        org: str, wanted: Annotated[list[str], Body(max_length=ASKED_AT_ONCE)], _caller: Viewer
    ) -> dict[str, dict[str, Any]]:
        """When each subject (`type/id`) was last heard, as of when; who is watched by no shard of ours is left out."""
        told = {}
        for subject in wanted:
            key = f"{org}/{subject}".encode()
            shard = shards.of(key)
            row = None if shard is None else shard.judge.subjects.rows.get(key)
            if shard is not None and row is not None:
                one = seen(shard, row)
                told[subject] = {"last_heard": one["last_heard"], "as_of": one["as_of"]}
        return told

    return router


def seen(shard: Shard, row: int) -> dict[str, Any]:
    """A subject as its shard sees it. `deadline`: when its silence will be too long, null when its reading is not
    healthy or its org is switched off. `as_of`: the broker time up to which the shard has judged."""
    judge, subjects, clock = shard.judge, shard.judge.subjects, shard.judge.clock
    heard_at = subjects.heard_at[row]
    waits = subjects.timing[row] and subjects.reading[row] == Reading.OK
    return {
        "org": subjects.keys[row].split(b"/", 1)[0].decode(),
        "subject": judge.subject_of(row),
        "state": State(subjects.state[row]).word,
        "since": from_ms(subjects.since_at[row]),
        "last_heard": from_ms(heard_at) if heard_at else None,
        "deadline": from_ms(clock.said + judge.silent_at(row) - clock.now) if waits else None,
        "as_of": from_ms(shard.judged_until),
        "shard": shard.partition,
        "generation": shard.generation,
    }
