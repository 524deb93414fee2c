"""Orgs in Postgres; the services hear of each on the compacted topic `orgs`."""

from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import text

from fettle_chassis.database import Database
from fettle_chassis.outbox import Outgoing
from fettle_chassis.signing import Signer
from fettle_chassis.unit_of_work import UnitOfWork
from fettle_contracts.cloudevents import CloudEvent
from fettle_contracts.identity import check_org
from fettle_contracts.orgs import ORG, Org
from fettle_contracts.topics import ORGS

SOURCE = "fettle/console"


class Orgs:
    """The orgs of this installation."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database, self._signer = database, signer

    async def create(self, work: UnitOfWork, org: str, name: str, now: datetime) -> tuple[Org, bool]:
        """The org, and whether it is new. One that exists stays as it is, its name too, and is told again, so that
        calling this twice also mends a topic that lost the message."""
        inserted = await work.connection.execute(
            text("INSERT INTO org VALUES (:org, :name, :now) ON CONFLICT (org) DO NOTHING"),
            {"org": org, "name": name, "now": now},
        )
        row = (await work.connection.execute(text("SELECT * FROM org WHERE org = :org"), {"org": org})).one()
        present = Org(org=row.org, name=row.name, created_at=row.created_at)
        work.publish(Outgoing.of(self._told(present, now), ORGS))
        return present, inserted.rowcount > 0

    async def get(self, org: str) -> Org | None:
        """None also for what can be no org's name: a path may hold any text."""
        try:
            check_org(org)
        except ValueError:
            return None
        async with self._database.reading() as connection:
            row = (await connection.execute(text("SELECT * FROM org WHERE org = :org"), {"org": org})).one_or_none()
        return Org(org=row.org, name=row.name, created_at=row.created_at) if row else None

    async def page(self, after: str, limit: int) -> list[Org]:
        """Up to `limit` orgs after `after`, by name of the org."""
        query = text("SELECT * FROM org WHERE org > :after ORDER BY org LIMIT :limit")
        async with self._database.reading() as connection:
            rows = await connection.execute(query, {"after": after, "limit": limit})
            return [Org(org=row.org, name=row.name, created_at=row.created_at) for row in rows]

    def _told(self, org: Org, now: datetime) -> CloudEvent:
        """Dated now, not at the org's creation: a reader would refuse an old signature as stale."""
        event = CloudEvent(
            id=str(uuid5(NAMESPACE_URL, f"fettle:org:{org.org}:{now.isoformat()}")),
            source=SOURCE,
            type=ORG,
            time=now,
            data=org.to_json(),
            subject=org.org,
            key=org.org,
        )
        return self._signer.sign_event(event)
