"""Versions of workflows by HTTP: what each began with, how two differ, and bringing one back."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from fettle_chassis.answers import Answer
from fettle_chassis.http import Admin, IdempotencyKey, Viewer
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_workflow_engine.adapters import workflow_rows
from fettle_workflow_engine.adapters.workflow_rows import SavedVersion
from fettle_workflow_engine.domain.difference import difference, unified
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.entrypoints.http import pages, shown
from fettle_workflow_engine.entrypoints.http.desk import Desk, Seen, TheDesk
from fettle_workflow_engine.library import Changed, NoSuchVersion

router = APIRouter(prefix="/api/v1/orgs/{org}/workflows/{name}/versions", tags=["workflows"])

Version = Annotated[int, Path(ge=1, le=pages.MOST)]


@router.get("")
async def versions(
    name: pages.Name,
    caller: Viewer,
    desk: TheDesk,
    cursor: pages.Cursor = None,
    limit: pages.Limit = pages.LIMIT_DEFAULT,
) -> dict[str, Any]:
    """What each version was made of, the newest first."""
    before = pages.MOST if cursor is None else pages.version_of(cursor)
    async with desk.database.reading() as connection:
        if await workflow_rows.find(connection, caller.org, name) is None:
            raise shown.no_such_workflow()
        found = await workflow_rows.versions_page(connection, caller.org, name, before, limit + 1)
    page, last = pages.cut(found, limit)
    return {
        "items": [shown.version(one) for one in page],
        "next_cursor": pages.encoded(last.version) if last else None,
    }


@router.get("/{version}")
async def version(name: pages.Name, version: Version, caller: Viewer, desk: TheDesk) -> dict[str, Any]:
    """What a version was made of."""
    return shown.version(await _found(desk, caller.org, name, version))


@router.get("/{version}/difference")
async def version_difference(
    name: pages.Name,
    version: Version,
    caller: Viewer,
    desk: TheDesk,
    from_version: Annotated[int | None, Query(ge=1, le=pages.MOST)] = None,
) -> dict[str, Any]:
    """How a version's document differs from that of `from_version`, or else of the one before it (the first: from
    nothing): as `text`, as `diff -u` shows it, and as data."""
    to = await _found(desk, caller.org, name, version)
    base = from_version or version - 1
    before = (await _found(desk, caller.org, name, base)).document if base else ""
    hunks = difference(before, to.document)
    return {
        "from_version": base or None,
        "version": version,
        "text": unified(hunks, f"{name} version {base}", f"{name} version {version}"),
        "hunks": [asdict(hunk) for hunk in hunks],
    }


@router.post("/{version}/restore")
async def restore(
    name: pages.Name,
    version: Version,
    caller: Admin,
    desk: TheDesk,
    key: IdempotencyKey,
    seen: Seen,
) -> Response:
    """Saves the version's document as it stands, `enabled` included. 422 for one that does not validate any more.
    `If-Match` as for saving a document."""

    async def bring_back(work: UnitOfWork) -> Answer:
        try:
            saved = await desk.library.restore(work.connection, caller.org, name, version, caller.actor_id, seen)
        except NoSuchVersion:
            raise shown.no_such_version() from None
        except DocumentRefused as refusal:
            raise shown.refused(refusal) from None
        except Changed as changed:
            raise shown.changed(changed) from None
        return Answer(200, shown.whole(saved.workflow))

    request_text = f"POST {name} {version} restore" if seen is None else f"POST {name} {version} restore {seen}"
    return shown.response(await desk.write(caller.org, key, request_text, bring_back))


async def _found(desk: Desk, org: str, name: str, version: int) -> SavedVersion:
    async with desk.database.reading() as connection:
        found = await workflow_rows.find_version(connection, org, name, version)
    if found is None:
        raise shown.no_such_version()
    return found
