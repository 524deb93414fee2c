"""Subjects as they are now, and the registry."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import Row

from fettle_chassis.http import IdempotencyKey, Operator, Problem, Viewer, comes_first
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import to_ms
from fettle_contracts.transitions import HealthState
from fettle_health_monitor.adapters.correlator import progress, silence_views, silences, views, why_facts
from fettle_health_monitor.adapters.correlator.acknowledgement import acknowledged
from fettle_health_monitor.adapters.correlator.last_heard import LastHeard
from fettle_health_monitor.domain.correlator.registration import Entering, Refused, Registration
from fettle_health_monitor.domain.correlator.silences import held_between
from fettle_health_monitor.entrypoints.correlator.api import Filter, HealthApi, key_of
from fettle_health_monitor.entrypoints.correlator.cursors import read_cursor, write_cursor
from fettle_health_monitor.entrypoints.correlator.shapes import ShownSubject, SubjectDetail, SubjectPage

Limit = Annotated[int, Query(ge=1, le=200)]

SILENCES_SHOWN = 10
_DAY_MS = 86_400_000


def subject_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/subjects")
    async def list_subjects(
        org: str,
        _caller: Viewer,
        state: Annotated[tuple[HealthState, ...], Query()] = (),
        type: Literal["device", "integration"] | None = None,
        integration: Filter = None,
        space: Filter = None,
        q: Filter = None,
        sort: views.Sort = "subject",
        cursor: str | None = None,
        limit: Limit = 50,
        heard: bool = False,
    ) -> SubjectPage:
        """The org's subjects. `state` may be given more than once, `space` is one and all in it, `q` a part of the name
        or id. With `heard` each says when it was last heard, as far as somebody answers within a moment."""
        wanted = views.Filter([each.value for each in state], type, integration or None, space or None, q or None)
        async with api.database.reading() as connection:
            as_of = await api.as_of(connection, org)
            rows = await views.subjects(connection, org, wanted, sort=sort, after=_after(cursor, sort), limit=limit + 1)
        told = await _last_heard(api, org, rows[:limit]) if heard else {}
        return _page(rows, limit, sort, told, as_of)

    @router.get("/subjects/{type}/{id:path}")
    async def show_subject(org: str, type: str, id: str, _caller: Viewer) -> SubjectDetail:
        """One subject, with when it was last heard as the owner of its shard knows."""
        return await _shown(api, key_of(org, type, id))

    @router.put("/subjects/{type}/{id:path}", responses={201: {"model": SubjectDetail}, 202: {"model": SubjectDetail}})
    async def register_subject(
        org: str,
        type: str,
        id: str,
        said: Registration,
        caller: Operator,
        response: Response,
        idempotency_key: IdempotencyKey,
    ) -> SubjectDetail:
        """Enters a subject into the registry, or replaces its entry; what it says wins over heartbeats. 201 when it is
        new, 200 when it was there, 202 when its shard's log does not have it within five seconds, however often it
        comes. A repeat under the same Idempotency-Key changes nothing and shows the subject as it is."""
        key = key_of(org, type, id)
        async with unit_of_work(api.database) as work:
            new = False
            if await comes_first(work, caller, idempotency_key, "PUT subject", str(key), said.to_dict()):
                new = await _enter(api, work, key, said, by=caller.actor_id)
        done = await acknowledged(api.database, str(key), within_s=api.acknowledged_within_s)
        response.status_code = 202 if not done else 201 if new else 200
        return await _shown(api, key)

    @router.delete("/subjects/{type}/{id:path}", status_code=204)
    async def forget_subject(
        org: str, type: str, id: str, caller: Operator, idempotency_key: IdempotencyKey
    ) -> Response:
        """Removes a subject; its tickets are resolved as `removed`. If it reports again, it is new. 204, or 202 when
        its shard's log does not have it within five seconds. A repeat under the same Idempotency-Key changes nothing
        and is answered alike."""
        key = key_of(org, type, id)
        async with unit_of_work(api.database) as work:
            first = await comes_first(work, caller, idempotency_key, "DELETE subject", str(key))
            if first and not await api.registry.remove(work, key):
                raise _unknown(key)
        done = await acknowledged(api.database, str(key), within_s=api.acknowledged_within_s)
        return Response(status_code=204 if done else 202)

    return router


def _page(
    rows: Sequence[Row[Any]], limit: int, sort: views.Sort, told: Mapping[str, LastHeard], as_of: datetime | None
) -> SubjectPage:
    """The first `limit` rows, and where the rest begins."""
    more = write_cursor(*views.place_of(rows[limit - 1], sort)) if len(rows) > limit else None
    items = tuple(ShownSubject.of(row, told.get(row.subject)) for row in rows[:limit])
    return SubjectPage(items=items, next_cursor=more, as_of=as_of)


async def _last_heard(api: HealthApi, org: str, rows: Sequence[Row[Any]]) -> Mapping[str, LastHeard]:
    """Of these subjects when they were last heard, as the owners of their shards know; each owner is asked once."""
    async with api.database.reading() as connection:
        addresses = await progress.addresses_of(connection, api.partitions.of_org(org), {row.shard for row in rows})
    owned: defaultdict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.shard in addresses:
            owned[addresses[row.shard]].append(row.subject)
    return await api.listeners.last_heard_of(org, owned)


def _after(cursor: str | None, sort: views.Sort) -> views.Place | None:
    if cursor is None:
        return None
    return tuple(read_cursor(cursor, str) if sort == "subject" else read_cursor(cursor, int, str))


async def _enter(api: HealthApi, work: UnitOfWork, key: HeartbeatKey, said: Registration, *, by: str) -> bool:
    """Whether the subject is new in the registry."""
    became = await api.registry.enter(work, key.org, {key.subject: said}, by=by)
    if became is None:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such org.")
    one = became[key.subject]
    if isinstance(one, Refused):
        raise Problem(400, ProblemCode.MALFORMED, one.rule, field=one.field)
    return one is Entering.ADDED


async def _shown(api: HealthApi, key: HeartbeatKey) -> SubjectDetail:
    org, subject = key.org, str(key.subject)
    async with api.database.reading() as connection:
        as_of = await api.as_of(connection, org)
        row = await views.subject(connection, org, subject)
        if row is None:
            raise _unknown(key)
        silenced = await silence_views.page(
            connection, org, now=api.silences.now(), states=["active"], subject=subject, limit=SILENCES_SHOWN
        )
        now = api.silences.now()
        blind = await why_facts.blind(connection, row.shard, since=now - _DAY_MS, until=now)
        addresses = await progress.addresses_of(connection, api.partitions.of_org(org), {row.shard})
        end = now if as_of is None else to_ms(as_of)
        known = await silences.reaching(connection, [(org, subject)], after=end - _DAY_MS, until=end)
    held = await asyncio.to_thread(held_between, known, end - _DAY_MS, end)
    heard = await api.listeners.last_heard(row.shard, addresses.get(row.shard), key)
    return SubjectDetail.shown(row, silenced, held, blind, heard, as_of)


def _unknown(key: HeartbeatKey) -> Problem:
    return Problem(404, ProblemCode.NOT_FOUND, f"The org has no subject {key.subject}.")
