"""What the audit log says of people who come in, and of what their sign-in changes of roles."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from fettle_console.domain.audit import SIGN_IN_PATH, Asked, Door, Who, named, words_of_change
from fettle_console.domain.members import SIGN_IN, Arrival, Member
from fettle_console.domain.people import Person
from fettle_contracts.roles import Caller

LET_IN = 303
ENDED = 401
KEPT_OUT = 403


@dataclass(frozen=True, slots=True)
class Said:
    """An entry that is whole from the beginning."""

    asked: Asked
    status: int
    about: Mapping[str, str]


def sign_in_of(caller: Caller) -> Asked:
    """A sign-in to the caller's own org."""
    return Asked(caller.org, Who.of(caller), Door.PAGE, "POST", SIGN_IN_PATH, None)


def said_of(arrived: Arrival, person: Person, provider: str) -> Iterator[Said]:
    """What each org is told of a sign-in by way of `provider` (its host): the role that it gave or took, and that the
    person came; of another account under a member's name that it was kept out."""
    for change in arrived.changes:
        words = words_of_change(change.before, change.after)
        path = named(f"/members/{quote(person.person)}/{words['to']}")
        by = Who(SIGN_IN, provider, None)
        yield Said(Asked(change.org, by, Door.PAGE, "PUT", path, None), 200, {**words, "provider": provider})
    about = {"provider": provider, "account": person.account}
    for member in arrived.present:
        yield Said(sign_in_of(caller_of(member, person)), LET_IN, about)
    for org in arrived.taken:
        who = Who(person.person, person.name, None)
        yield Said(Asked(org, who, Door.PAGE, "POST", SIGN_IN_PATH, None), KEPT_OUT, about)


def caller_of(member: Member, person: Person) -> Caller:
    """Whom the services are told of."""
    return Caller(member.org, member.role, person.person, person.name)
