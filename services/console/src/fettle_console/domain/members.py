"""Who is in an org, and what a sign-in and an admin change about that."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from fettle_console.domain.people import Person
from fettle_contracts.roles import Role

SIGN_IN = "sign-in"


class GivenBy(StrEnum):
    """Whose word a role is: the provider's, renewed at each sign-in, or that of the org's own admins, which stands."""

    PROVIDER = "provider"
    ORG = "org"


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an org. `account` is who at the provider first signed in as them; nobody else can any more."""

    org: str
    person: str
    role: Role
    given_by: GivenBy
    added_at: datetime
    added_by: str
    name: str | None = None
    account: str | None = None
    signed_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RoleChange:
    """A role in an org that is another one now; None is none."""

    org: str
    before: Role | None
    after: Role | None


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a sign-in changes: members to write down, and orgs that the person is in no more."""

    present: tuple[Member, ...]
    left: tuple[str, ...]
    taken: tuple[str, ...]
    """Orgs in which another account was this person before."""
    changes: tuple[RoleChange, ...] = ()
    """What the provider gave and took, by org."""


def arrival(known: Sequence[Member], person: Person, orgs: Collection[str], now: datetime) -> Arrival:
    """`known` are the person's memberships, `orgs` those orgs of their claims that there are."""
    rows = {member.org: member for member in known}
    present, left, taken, changes = [], [], [], []
    for org in sorted(rows.keys() | orgs):
        member, granted = rows.get(org), person.roles.get(org) if org in orgs else None
        if member is not None and member.given_by is GivenBy.ORG:
            if member.account not in (None, person.account):
                taken.append(org)
                continue
        elif granted is None:
            left.append(org)
            changes.append(RoleChange(org, rows[org].role, None))
            continue
        else:
            if member is None or member.role is not granted:
                changes.append(RoleChange(org, member.role if member else None, granted))
            begun = member or Member(org, person.person, granted, GivenBy.PROVIDER, now, SIGN_IN)
            member = replace(begun, role=granted)
        present.append(replace(member, name=person.name or member.name, account=person.account, signed_in_at=now))
    return Arrival(tuple(present), tuple(left), tuple(taken), tuple(changes))


def leaves_no_admin(roles: Mapping[str, Role], person: str, role: Role | None) -> bool:
    """Whether an org that has an admin among its members would have none when the person gets `role`, or leaves."""
    before = {who for who, has in roles.items() if has is Role.ADMIN}
    after = before - {person} | ({person} if role is Role.ADMIN else set())
    return bool(before) and not after
