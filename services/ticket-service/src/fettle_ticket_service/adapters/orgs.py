"""Organizations: what the console has said of them, their ticket policy and their kept counts."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import structlog
from pydantic import Field, ValidationError
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service.adapters.tables import ORG

log = structlog.get_logger(__name__)

_TAKE_IN = text("""
    INSERT INTO org (org, name, deleted, told_at)
    SELECT * FROM unnest(CAST(:orgs AS text[]), CAST(:names AS text[]), CAST(:deleted AS boolean[]),
                         CAST(:told_at AS timestamptz[]))
    ON CONFLICT (org) DO UPDATE
    SET name = excluded.name, deleted = excluded.deleted, told_at = excluded.told_at
    WHERE (NOT org.deleted OR org.told_at <= to_timestamp(0)) AND (excluded.deleted OR org.told_at <= excluded.told_at)
""")
"""A deletion is the last word about an org, whatever the times say. What nobody has told is no deletion: an org that
only the numbers on `ticket.events` speak of (`given_numbers`)."""

_KNOWN = text("SELECT org FROM org WHERE org = ANY(CAST(:orgs AS text[])) AND told_at > to_timestamp(0)")


class NumberedPolicy(TicketPolicy):
    """A ticket policy as it is kept and shown. `version`: how often the org's policy was changed."""

    version: int = Field(default=0, ge=0, lt=2**31)


async def take_in(connection: AsyncConnection, told: Iterable[tuple[str, str, bool, datetime]]) -> None:
    """Enters or renews orgs `(org, name, deleted, told at)`, each named once. Older statements change nothing, and
    none does behind a deletion; that counts whenever it was told."""
    columns = zip(*sorted(told), strict=True)
    names = ("orgs", "names", "deleted", "told_at")
    await connection.execute(_TAKE_IN, {name: list(column) for name, column in zip(names, columns, strict=True)})


async def known(connection: AsyncConnection, orgs: Collection[str]) -> set[str]:
    """Those of the orgs that were ever heard of, deleted ones too."""
    return set(await connection.scalars(_KNOWN, {"orgs": list(orgs)}))


async def living(connection: AsyncConnection) -> list[str]:
    """The orgs that are not deleted, by name."""
    return list(await connection.scalars(select(ORG.c.org).where(~ORG.c.deleted).order_by(ORG.c.org)))


async def policy_of(connection: AsyncConnection, org: str, *, locked: bool = False) -> NumberedPolicy | None:
    """The org's ticket policy, or None when there is no such org. `locked`: nobody else changes it until the commit."""
    wanted = select(ORG.c.policy).where(ORG.c.org == org, ~ORG.c.deleted)
    row = (await connection.execute(wanted.with_for_update(key_share=True) if locked else wanted)).one_or_none()
    return None if row is None else readable(org, row.policy) or NumberedPolicy()


def readable(org: str, stored: object) -> NumberedPolicy | None:
    """The policy in an org's row. None: it is none, so somebody else has written it, and the log says so."""
    try:
        return NumberedPolicy.model_validate(stored)
    except ValidationError:
        log.critical("org.policy_unreadable", org=org)
        return None


async def set_policy(connection: AsyncConnection, org: str, policy: TicketPolicy) -> None:
    """Replaces the org's ticket policy as it stands; whoever does holds it locked (`policy_of`)."""
    stored: dict[str, Any] = policy.to_dict()
    await connection.execute(update(ORG).where(ORG.c.org == org).values(policy=stored))


async def counts_of(connection: AsyncConnection, org: str) -> dict[TicketState, int] | None:
    """How many tickets the org has in each state, or None when there is no such org."""
    columns = [ORG.c[state] for state in TicketState]
    row = (await connection.execute(select(*columns).where(ORG.c.org == org, ~ORG.c.deleted))).one_or_none()
    return None if row is None else dict(zip(TicketState, row, strict=True))
