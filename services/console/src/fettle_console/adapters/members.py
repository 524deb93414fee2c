"""Members of orgs in Postgres."""

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text

from fettle_chassis.database import Database
from fettle_chassis.tokens import Role
from fettle_chassis.unit_of_work import UnitOfWork, unit_of_work
from fettle_console.adapters.audit import Audit
from fettle_console.domain.members import Arrival, GivenBy, Member, arrival, leaves_no_admin
from fettle_console.domain.people import Person
from fettle_console.domain.sign_ins import said_of

_COLUMNS = "org, person, role, given_by, name, account, added_at, added_by, signed_in_at"

_KNOWN = text(f"SELECT {_COLUMNS} FROM member WHERE person = :person ORDER BY org FOR UPDATE")  # noqa: S608 - a constant
# Locked against `_LOCK` before members are read: what an admin says of a newcomer meanwhile must not be written over.
_ORGS = text("""
    SELECT org FROM org WHERE org = ANY(CAST(:orgs AS text[])) AND deleted_at IS NULL ORDER BY org FOR SHARE
""")
_LOCK = text("SELECT org FROM org WHERE org = :org AND deleted_at IS NULL FOR NO KEY UPDATE")
# Locked, as a sign-in may be writing the same row: what it says of the account must not be written over.
_CONCERNED = text(
    f"SELECT {_COLUMNS} FROM member WHERE org = :org AND (person = :person OR role = 'admin') "  # noqa: S608 - a constant
    "ORDER BY person FOR UPDATE"
)
_REMOVE = text("DELETE FROM member WHERE org = ANY(CAST(:orgs AS text[])) AND person = :person RETURNING org")
_WRITE = text(f"""
    INSERT INTO member ({_COLUMNS})
    VALUES (:org, :person, :role, :given_by, :name, :account, :added_at, :added_by, :signed_in_at)
    ON CONFLICT (org, person) DO UPDATE SET role = excluded.role, given_by = excluded.given_by, name = excluded.name,
        account = excluded.account, signed_in_at = excluded.signed_in_at
""")  # noqa: S608 - constants


class LastAdmin(Exception):
    """The org would be left without an admin."""


class Members:
    """The members of all orgs."""

    def __init__(self, database: Database, audit: Audit) -> None:
        self._database, self._audit = database, audit

    async def arrive(self, person: Person, provider: str, now: datetime) -> Arrival:
        """Writes down that the person signed in, with what the provider's claims change, in the audit logs of the orgs
        too, and returns it."""
        async with unit_of_work(self._database) as work:
            orgs = frozenset(await work.connection.scalars(_ORGS, {"orgs": list(person.roles)}))
            rows = await work.connection.execute(_KNOWN, {"person": person.person})
            decided = arrival([_member(row) for row in rows], person, orgs, now)
            if decided.left:
                await work.connection.execute(_REMOVE, {"orgs": list(decided.left), "person": person.person})
            for member in decided.present:
                await work.connection.execute(_WRITE, _values(member))
            for said in said_of(decided, person, provider):
                await self._audit.enter(work, said)
        return decided

    async def page(self, org: str, after: str, limit: int) -> list[Member]:
        """Up to `limit` members of the org after the person `after`, by person."""
        query = text(
            f"SELECT {_COLUMNS} FROM member WHERE org = :org AND person > :after ORDER BY person LIMIT :limit"  # noqa: S608
        )
        async with self._database.reading() as connection:
            rows = await connection.execute(query, {"org": org, "after": after, "limit": limit})
            return [_member(row) for row in rows]

    async def put(
        self, work: UnitOfWork, org: str, person: str, role: Role | None, actor: str, now: datetime
    ) -> tuple[Member | None, Member | None]:
        """Gives the person a role in the org, or takes them out of it (None); who it was before, and who it is now.

        Changes of one org's members wait for each other. Raises LastAdmin.
        """
        await work.connection.execute(_LOCK, {"org": org})
        rows = await work.connection.execute(_CONCERNED, {"org": org, "person": person})
        known = {row.person: _member(row) for row in rows}
        if leaves_no_admin({who: member.role for who, member in known.items()}, person, role):
            raise LastAdmin(org)
        before = known.get(person)
        if role is None:
            await work.connection.execute(_REMOVE, {"orgs": [org], "person": person})
            return before, None
        begun = before or Member(org, person, role, GivenBy.ORG, now, actor)
        now_is = replace(begun, role=role, given_by=GivenBy.ORG)
        await work.connection.execute(_WRITE, _values(now_is))
        return before, now_is


def _values(member: Member) -> dict[str, Any]:
    return {**asdict(member), "role": member.role.value, "given_by": member.given_by.value}


def _member(row: Row[Any]) -> Member:
    found = dict(row._mapping)
    return Member(**{**found, "role": Role(row.role), "given_by": GivenBy(row.given_by)})
