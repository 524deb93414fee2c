"""Who a person is and what they may, as the provider that signed them in says it in its claims."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from fettle_contracts.identity import check_org
from fettle_contracts.roles import Role

PERSON_MAX_CHARACTERS = 200
NAME_MAX_CHARACTERS = 120
EMAIL = "email"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_OURS = re.compile(r"demo|installation|sign-in|token/.*|workflow/.*|fettle/.*")
"""Names under which others than people act."""
_RANKS = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody whom the provider let in. `account` is its own name for them, which is never given to another; `roles`
    are those that its claims give, by org."""

    person: str
    account: str
    name: str | None = None
    roles: Mapping[str, Role] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Claims that do not say who it is; `message` says why."""

    message: str


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """How an installation reads its provider's claims.

    `person_claim` names people (`email` counts only when the provider has verified it). Each value of `roles_claim`
    stands for the grants of `roles`; where that is empty the values are grants themselves.
    """

    person_claim: str = EMAIL
    roles_claim: str = "groups"
    roles: Mapping[str, str] = field(default_factory=dict)


def grants(text: str) -> dict[str, Role]:
    """The roles in a text like `acme:operator globex:viewer`. Raises ValueError with a plain reason."""
    found: dict[str, Role] = {}
    for grant in text.split():
        org, colon, role = grant.partition(":")
        if not colon or role not in _RANKS:
            raise ValueError(f"a grant is org:viewer, org:operator or org:admin, not {grant!r}")
        found[check_org(org)] = Role(role)
    if not found:
        raise ValueError("a grant is org:role")
    return found


def person_of(claims: Mapping[str, Any], rules: ClaimRules) -> Person | Unusable:
    """Reads claims that have been verified; `iss` and `sub` are there."""
    person = _person(claims, rules.person_claim)
    if isinstance(person, Unusable):
        return person
    name = claims.get("name")
    shown = _CONTROL.sub(" ", name).strip()[:NAME_MAX_CHARACTERS] if isinstance(name, str) else ""
    return Person(person, f"{claims['iss']}#{claims['sub']}", shown or None, _roles(claims, rules))


def known_as(text: str) -> str:
    """A person's name as it is kept: addresses do not differ by case. Raises ValueError for what can be nobody's."""
    person = text.strip()
    if "@" in person:
        person = person.lower()
    if not person or len(person) > PERSON_MAX_CHARACTERS or _CONTROL.search(person):
        raise ValueError(f"a person is 1 to {PERSON_MAX_CHARACTERS} characters on one line")
    if _OURS.fullmatch(person):
        raise ValueError("this name is one that Fettle itself acts under")
    return person


def _person(claims: Mapping[str, Any], claim: str) -> str | Unusable:
    said = claims.get(claim)
    if not isinstance(said, str):
        return Unusable(f"it does not say who you are: the claim {claim} is missing")
    verified = claims.get("email_verified")
    if claim == EMAIL and verified is not True and verified != "true":
        return Unusable("it has not verified your e-mail address")
    try:
        return known_as(said)
    except ValueError as error:
        return Unusable(f"the claim {claim} does not do: {error}")


def _roles(claims: Mapping[str, Any], rules: ClaimRules) -> dict[str, Role]:
    """Of several roles in one org the highest."""
    highest: dict[str, Role] = {}
    for value in _values(claims, rules.roles_claim):
        try:
            granted = grants(rules.roles.get(value, "") if rules.roles else value)
        except ValueError:
            continue  # a group that has nothing to do with Fettle
        for org, role in granted.items():
            highest[org] = max(role, highest.get(org, role), key=_RANKS.index)
    return highest


def _values(claims: Mapping[str, Any], path: str) -> Iterator[str]:
    """The texts under a claim; `a.b` is also `b` inside `a`, as Keycloak nests its roles."""
    found: Any = claims.get(path)
    if found is None:
        found = claims
        for part in path.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    for value in found if isinstance(found, list) else [found]:
        if isinstance(value, str):
            yield value
