"""Which service owns a path under `/api/v1/orgs/{org}/`, and what of a request and answer passes the front."""

from collections.abc import Iterable
from enum import StrEnum
from urllib.parse import unquote

from fettle_contracts.causation import DEPTH_HEADER


class Owner(StrEnum):
    """The services behind the front."""

    TICKETS = "tickets"
    HEALTH = "health"
    WORKFLOWS = "workflows"


_OWNERS = {
    "tickets": Owner.TICKETS,
    "ticket-policy": Owner.TICKETS,
    "overview": Owner.HEALTH,
    "subjects": Owner.HEALTH,
    "transitions": Owner.HEALTH,
    "health-policy": Owner.HEALTH,
    "silences": Owner.HEALTH,
    "verify": Owner.HEALTH,
    "why": Owner.HEALTH,
    "heard": Owner.HEALTH,
    "workflows": Owner.WORKFLOWS,
    "workflow-policy": Owner.WORKFLOWS,
    "runs": Owner.WORKFLOWS,
    "secrets": Owner.WORKFLOWS,
    "channels": Owner.WORKFLOWS,
}

OWN = frozenset({"tokens", "members", "audit", "dead-letters", "heartbeats", "events"})
"""Paths that the front answers itself; what is passed on of them is nobody's, or has a method that they do not know."""

REQUEST_HEADERS = frozenset(
    {
        *("accept", "accept-language", "content-type", "idempotency-key", "if-match", "if-none-match", "traceparent"),
        DEPTH_HEADER,
    }
)
"""What a service hears of the caller's headers. Credentials and cookies stay at the front."""

ANSWER_HEADERS = frozenset(
    {
        "allow",
        "cache-control",
        "content-disposition",
        "content-type",
        "etag",
        "last-modified",
        "location",
        "retry-after",
        "vary",
    }
)
"""What a caller hears of a service's headers; all that concerns one hop only (RFC 9110, 7.6.1) is left out."""


def owner_of(rest: str) -> Owner | None:
    """The service for a raw (still percent-encoded) path after `/api/v1/orgs/{org}/`, if anyone owns it.

    Nobody owns a path with `.` or `..` as a segment: what it means would depend on who reads it.
    """
    segments = [unquote(part) for part in rest.split("/")]
    if any(segment in (".", "..") for segment in segments):
        return None
    return _OWNERS.get(segments[0])


def passing(headers: Iterable[tuple[str, str]], allowed: frozenset[str]) -> list[tuple[str, str]]:
    """The headers of one side that the other side may see, names in lower case."""
    return [(name.lower(), value) for name, value in headers if name.lower() in allowed]
