"""Silences: listing, making and removing them."""

import asyncio
from typing import Annotated
from uuid import UUID, uuid4, uuid5

from fastapi import APIRouter, Body, Query, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_chassis.http import IdempotencyKey, Operator, Problem, Viewer, comes_first
from fettle_chassis.tokens import Caller
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.identity import HeartbeatKey
from fettle_contracts.problems import ProblemCode
from fettle_contracts.times import to_ms
from fettle_health_monitor.adapters.correlator import silence_register, silence_views, why_facts
from fettle_health_monitor.adapters.correlator.silence_register import Selection
from fettle_health_monitor.correlator.silences import Wanted
from fettle_health_monitor.domain.correlator.recurrence import Unworkable
from fettle_health_monitor.domain.correlator.silences import Schedule, check, first_few
from fettle_health_monitor.entrypoints.correlator.api import HealthApi, subject_of
from fettle_health_monitor.entrypoints.correlator.cursors import read_cursor, write_cursor
from fettle_health_monitor.entrypoints.correlator.silence_shapes import (
    EXAMPLES,
    MadeSilence,
    Selected,
    ShownSilence,
    SilencePage,
    SilencePreview,
    SilenceState,
    WantedSilence,
)

_OCCURRENCES = 3
_REUSES = 140
"""How often a key can come again while what it has made is there: eleven years, where it is remembered for a month."""

Limit = Annotated[int, Query(ge=1, le=200)]

SILENCES = UUID("0c5b9a52-7f0e-5a1c-8f43-5d2b6f6d2f10")
"""The namespace of silences that were asked for under an Idempotency-Key."""


def silence_routes(api: HealthApi) -> APIRouter:
    router = APIRouter()

    @router.get("/silences")
    async def list_silences(
        org: str,
        _caller: Viewer,
        state: Annotated[tuple[SilenceState, ...], Query()] = (),
        subject: str | None = None,
        selection: UUID | None = None,
        together: bool = False,
        cursor: str | None = None,
        limit: Limit = 50,
    ) -> SilencePage:
        """Silences, the newest first, with who made them, why, until when, and what each has held back so far. `state`
        may be given more than once; left out it is all. `together` makes one item of what one filter has silenced."""
        about = None if subject is None else subject_of(subject)
        before = None if cursor is None else int(read_cursor(cursor, int)[0])
        async with api.database.reading() as connection:
            as_of = await api.as_of(connection, org)
            rows = await silence_views.page(
                connection,
                org,
                now=api.silences.now(),
                limit=limit + 1,
                states=[each.value for each in state],
                subject=about,
                selection=selection,
                together=together,
                before=before,
            )
        more = write_cursor(rows[limit - 1].place) if len(rows) > limit else None
        return SilencePage(items=tuple(ShownSilence.of(row) for row in rows[:limit]), next_cursor=more, as_of=as_of)

    @router.post("/silences", status_code=201, responses={200: {"model": Selected}})
    async def make_silence(
        org: str,
        wanted: Annotated[WantedSilence, Body(openapi_examples=EXAMPLES)],
        caller: Operator,
        response: Response,
        key: IdempotencyKey,
        dry_run: bool = False,
    ) -> MadeSilence | Selected:
        """Silences one subject, or by a filter each that it selects now, in one step. While a silence is active no
        ticket about just its subject is opened; nothing else changes, and when it ends, who still fails gets its ticket
        at once. A dry run makes nothing and says whom and when it would be about. A repeat under the same
        Idempotency-Key changes nothing and shows what came first."""
        selection = _selection(wanted)
        if dry_run:
            response.status_code = 200
            return await _preview(api, org, wanted, selection, (await _checked(api, wanted, caller)).schedule)
        async with unit_of_work(api.database) as work:
            first = await comes_first(work, caller, key, "POST silences", wanted.to_dict())
            id = uuid4() if key is None else await _id_under(key, work, org, new=first)
            if first:  # what comes again may be over by now
                await _make(api, work, id, org, wanted, selection, await _checked(api, wanted, caller))
        return await _made(api, org, id, selection)

    @router.delete("/silences/{id}", status_code=204)
    async def remove_silence(org: str, id: UUID, caller: Operator, key: IdempotencyKey) -> None:
        """Ends a silence, or by a selection's id all of it, from now on. Who still fails gets its ticket at once."""
        async with unit_of_work(api.database) as work:
            first = await comes_first(work, caller, key, "DELETE silence", str(id))
            if first and not await api.silences.remove(work, org, id, by=caller.actor_id):
                raise Problem(404, ProblemCode.NOT_FOUND, f"The org has no silence {id}.")

    return router


async def _checked(api: HealthApi, wanted: WantedSilence, caller: Caller) -> Wanted:
    """Raises Problem 400 that names the field. A rule may take a while to unfold."""
    now = api.silences.now()
    start = now if wanted.starts_at is None else to_ms(wanted.starts_at)
    schedule = Schedule(start, wanted.length_s, wanted.rrule, wanted.zone)
    try:
        await asyncio.to_thread(check, schedule, now)
    except Unworkable as error:
        raise Problem(400, ProblemCode.MALFORMED, error.rule, field=error.field) from None
    return Wanted(schedule, wanted.reason, caller.actor_id)


async def _id_under(key: str, work: UnitOfWork, org: str, *, new: bool) -> UUID:
    """What is made under this key, or what was last. A silence may outlive the memory of its key: then the key is that
    of another request, and what it makes has another id."""
    ids = [uuid5(SILENCES, f"{org}/{key}"), *(uuid5(SILENCES, f"{org}/{key}\n{more}") for more in range(_REUSES))]
    there = await silence_register.called(work.connection, org, ids)
    if not new:
        return there[0] if there else ids[0]
    return next((id for id in ids if id not in there), uuid4())


def _selection(wanted: WantedSilence) -> Selection | None:
    """None for one subject. Raises Problem 400 unless it is one thing that is to be silenced."""
    if (wanted.subject is None) == (wanted.filter is None):
        raise Problem(400, ProblemCode.MALFORMED, "must be there, or filter instead: one of the two", field="subject")
    if wanted.filter is None:
        return None
    selection = Selection(wanted.filter.integration, wanted.filter.space, wanted.filter.type, wanted.filter.model)
    if selection == Selection():
        message = "must name at least one of integration, space, type, model"
        raise Problem(400, ProblemCode.MALFORMED, message, field="filter")
    return selection


async def _preview(
    api: HealthApi, org: str, wanted: WantedSilence, selection: Selection | None, schedule: Schedule
) -> Selected:
    """Whom a silence would be about, and when. A rule may take a while to unfold."""
    now = api.silences.now()
    occurrences, ends_at = await asyncio.to_thread(lambda: (first_few(schedule, now, _OCCURRENCES), schedule.end))
    async with api.database.reading() as connection:
        await _of_known(connection, org)
        as_of = await api.as_of(connection, org)
        covered = await silence_register.covered(connection, org, selection, wanted.subject)
    preview = SilencePreview.of(covered, occurrences, ends_at)
    return Selected(selection=None, count=covered.count, preview=preview, as_of=as_of)


async def _make(
    api: HealthApi,
    work: UnitOfWork,
    id: UUID,
    org: str,
    wanted: WantedSilence,
    selection: Selection | None,
    asked: Wanted,
) -> None:
    await _of_known(work.connection, org)
    if selection is None:
        await api.silences.make(work, id, HeartbeatKey.parse(f"{org}/{wanted.subject}"), asked)
    elif not await api.silences.select(work, id, org, selection, asked):
        raise Problem(400, ProblemCode.MALFORMED, "selects no subject", field="filter")


async def _of_known(connection: AsyncConnection, org: str) -> None:
    """Raises Problem 404 for an org that is not known, or deleted."""
    if await why_facts.org_deleted(connection, org) is not False:
        raise Problem(404, ProblemCode.NOT_FOUND, "There is no such org.")


async def _made(api: HealthApi, org: str, id: UUID, selection: Selection | None) -> MadeSilence | Selected:
    async with api.database.reading() as connection:
        as_of = await api.as_of(connection, org)
        if selection is not None:
            return Selected(selection=id, count=await silence_views.size(connection, org, id), as_of=as_of)
        row = await silence_views.one(connection, org, id, now=api.silences.now())
    if row is None:
        raise Problem(404, ProblemCode.NOT_FOUND, f"The org has no silence {id}.")
    return MadeSilence.of(row, as_of=as_of)
