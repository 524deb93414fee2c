"""Who may do what at the front. Another org's thing is answered exactly like one that does not exist."""

from dataclasses import dataclass

from fettle_console.domain.credentials import Bearer, Installer
from fettle_contracts.roles import Caller, Role


@dataclass(frozen=True, slots=True)
class Admitted:
    """`actor_id` is who acts, for the record."""

    actor_id: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """As if the org did not exist."""


@dataclass(frozen=True, slots=True)
class Forbidden:
    """The org is the caller's, the deed is not. `message` says what would be needed."""

    message: str


Answer = Admitted | Hidden | Forbidden


def enter(bearer: Bearer, org: str, needed: Role) -> Answer:
    """May the bearer use a path of `org` that asks for `needed`?"""
    if isinstance(bearer, Installer):
        return Forbidden(
            "The installation's token creates orgs and tokens only: mint a token of this org and use that."
        )
    return _as_member(bearer, org, needed)


def administer(bearer: Bearer, org: str) -> Answer:
    """May the bearer mint and revoke tokens of `org`? Its admins and the installation may."""
    if isinstance(bearer, Installer):
        return Admitted(bearer.actor_id)
    return _as_member(bearer, org, Role.ADMIN)


def found(bearer: Bearer) -> Answer:
    """May the bearer create orgs? Only the installation may."""
    if isinstance(bearer, Installer):
        return Admitted(bearer.actor_id)
    return Forbidden("Only the installation's own token creates orgs.")


def _as_member(caller: Caller, org: str, needed: Role) -> Answer:
    if caller.org != org:
        return Hidden()
    if not caller.role.covers(needed):
        return Forbidden(f"This needs the role {needed.value}; the token has {caller.role.value}.")
    return Admitted(caller.actor_id)
