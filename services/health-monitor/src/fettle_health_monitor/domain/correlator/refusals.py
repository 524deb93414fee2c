"""The ticket service refuses a ticket that was asked for.

A refusal of the command's own words would be repeated. Any other is about the org, or of a rule that came later, and
may pass: while the subject stays unhealthy the ticket is asked for again, after one more open debounce and at least a
minute, and then twice as long after each refusal, up to an hour.
"""

from typing import Final, Literal, TypeAlias
from uuid import UUID

from fettle_contracts.codes import RejectionCode
from fettle_contracts.transitions import FAILING
from fettle_health_monitor.domain.correlator.early_resolve import Standing
from fettle_health_monitor.domain.correlator.watches import Watch, WatchKind

LASTING: Final = frozenset(
    {
        RejectionCode.ORG_MISMATCH,
        RejectionCode.SOURCE_RESERVED,
        RejectionCode.FIELD_RESERVED,
        RejectionCode.KEY_RESERVED,
        RejectionCode.KEY_INVALID,
        RejectionCode.TITLE_EMPTY,
        RejectionCode.TITLE_TOO_LONG,
        RejectionCode.KIND_INVALID,
        RejectionCode.KIND_RESERVED,
        RejectionCode.TEXT_TOO_LONG,
        RejectionCode.TOO_MANY_LINKS,
        RejectionCode.LINK_INVALID,
    }
)
"""Refusals of what a command says: the same words are refused for ever."""

LEAST_S: Final = 60
MOST_S: Final = 3_600

Followed: TypeAlias = Watch | Literal["lasts", "healthy", "not_published"]


def after_refusal(
    command: UUID, code: str | None, *, org: str, condition: str, standing: Standing | None, waited_s: float
) -> Followed:
    """The watch by whose end the ticket is asked for again, or why none follows. `standing` is None for a subject that
    is not known, `waited_s` how long was waited after the refusal before, 0 if there was none."""
    if code in LASTING:
        return "lasts"
    if standing is None or standing.state not in FAILING or standing.condition != condition:
        return "healthy"
    if not standing.switches.publish_tickets:
        return "not_published"
    return Watch.begin(
        WatchKind.OPEN_REFUSED,
        cause=command,
        org=org,
        subject=standing.subject,
        condition=condition,
        shard=standing.shard,
        since_at=0,
        lasting_ms=round(1000 * max(min(2 * waited_s, MOST_S), LEAST_S, standing.open_debounce_s)),
        runs=standing.switches.enabled,
    )
