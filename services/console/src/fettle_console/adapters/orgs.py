"""Orgs in Postgres; the services hear of each on the compacted topic `orgs`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.outbox import Outgoing
from fettle_chassis.signing import Signer
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.identity import check_org
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.topics import ORGS

SOURCE = "fettle/console"

_DELETE = text("""
    UPDATE org SET deleted_at = :now WHERE org = :org AND deleted_at IS NULL RETURNING name, created_at
""")

_COLUMNS = "org, name, created_at, zone, deleted_at"
_BY_NAME = text(f"SELECT {_COLUMNS} FROM org WHERE org = :org")  # noqa: S608 - constant columns

_CHANGE = text("""
    UPDATE org SET name = COALESCE(CAST(:name AS text), name),
        zone = CASE WHEN CAST(:zoned AS boolean) THEN CAST(:zone AS text) ELSE zone END
    WHERE org = :org AND deleted_at IS NULL RETURNING org, name, created_at, zone
""")


@dataclass(frozen=True, slots=True)
class PresentOrg:
    """An org as it is. By its `zone` its pages show exact times; None: by the clock of each reader."""

    org: str
    name: str
    created_at: datetime
    zone: str | None = None

    @classmethod
    def of(cls, row: Any) -> "PresentOrg":
        return cls(row.org, row.name, row.created_at, row.zone)


class NameTaken(Exception):
    """An org of that name was deleted. Its name is not used again: what others still know of it would be another's."""


class Orgs:
    """The orgs of this installation. A deleted one is not there any more, to any question."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database, self._signer = database, signer

    async def create(self, work: UnitOfWork, org: str, name: str, now: datetime) -> tuple[PresentOrg, bool]:
        """The org, and whether it is new. One that exists stays as it is, its name too, and is told again, so that
        calling this twice also mends a topic that lost the message. Raises NameTaken."""
        inserted = await work.connection.execute(
            text("INSERT INTO org (org, name, created_at) VALUES (:org, :name, :now) ON CONFLICT (org) DO NOTHING"),
            {"org": org, "name": name, "now": now},
        )
        row = (await work.connection.execute(_BY_NAME, {"org": org})).one()
        if row.deleted_at is not None:
            raise NameTaken(org)
        present = PresentOrg.of(row)
        work.publish(Outgoing.of(self._told(present, now), ORGS))
        return present, inserted.rowcount > 0

    async def change(
        self, org: str, name: str | None, zone: str | None, now: datetime, *, zoned: bool
    ) -> PresentOrg | None:
        """The org with its new name, which the services are told, and if `zoned` its new zone; None when there is no
        such org. Without a name it keeps the one that it has."""
        said = {"org": org, "name": name, "zone": zone, "zoned": zoned}
        async with unit_of_work(self._database) as work:
            row = (await work.connection.execute(_CHANGE, said)).one_or_none()
            if row is None:
                return None
            present = PresentOrg.of(row)
            work.publish(Outgoing.of(self._told(present, now), ORGS))
        return present

    async def delete(self, org: str, now: datetime) -> bool:
        """Ends the org, its tokens, sessions and members, and tells the services; False when there is no such org."""
        async with unit_of_work(self._database) as work:
            row = (await work.connection.execute(_DELETE, {"org": org, "now": now})).one_or_none()
            if row is None:
                return False
            for table in ("token", "session", "member"):
                await work.connection.execute(text(f"DELETE FROM {table} WHERE org = :org"), {"org": org})  # noqa: S608
            gone = PresentOrg(org, row.name, row.created_at)
            work.publish(Outgoing.of(self._told(gone, now, deleted=True), ORGS))
        return True

    async def get(self, org: str) -> PresentOrg | None:
        """None also for what can be no org's name: a path may hold any text."""
        try:
            check_org(org)
        except ValueError:
            return None
        async with self._database.reading() as connection:
            row = (await connection.execute(_BY_NAME, {"org": org})).one_or_none()
        return PresentOrg.of(row) if row and row.deleted_at is None else None

    async def page(self, after: str, limit: int) -> list[PresentOrg]:
        """Up to `limit` orgs after `after`, by name of the org."""
        query = text(
            f"SELECT {_COLUMNS} FROM org WHERE org > :after AND deleted_at IS NULL ORDER BY org LIMIT :limit"  # noqa: S608
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(query, {"after": after, "limit": limit})
            return [PresentOrg.of(row) for row in rows]

    def _told(self, org: PresentOrg, now: datetime, *, deleted: bool = False) -> CloudEvent:
        """Dated now, not at the org's creation: a reader would refuse an old signature as stale."""
        event = CloudEvent(
            id=str(uuid5(NAMESPACE_URL, f"fettle:org:{org.org}:{now.isoformat()}")),
            source=SOURCE,
            type=ORG,
            time=now,
            data=Org(org=org.org, name=org.name, created_at=org.created_at, deleted=deleted).to_json(),
            subject=org.org,
            key=org.org,
        )
        return self._signer.sign_event(event)
