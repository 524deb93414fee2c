"""Verdicts, changes and policies as the correlator's tests need them."""

import itertools
from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.ticket import TicketState
from fettle_health_monitor.domain.correlator.decide import Facts, Switches
from fettle_health_monitor.domain.correlator.incident import Incident, KnownTicket
from fettle_health_monitor.domain.correlator.verdicts import Cause, Named, Verdict
from fettle_health_monitor.domain.judgements import Change, Evidence

T0 = 1_790_000_000_000
OFFLINE = "device_offline"
PUBLISHING = Switches(version=3, enabled=True, publish_tickets=True)
BRISK = HealthPolicy(enabled=True, publish_tickets=True, timeout_s=3, open_debounce_s=2, resolve_debounce_s=2)


_offsets = itertools.count(10)


def next_place() -> tuple[int, int]:
    """Behind all places given before, in whichever shard."""
    return (next(_offsets), 0)


QUIET = HealthPolicy(enabled=True, publish_tickets=False, timeout_s=3, open_debounce_s=2, resolve_debounce_s=2)


def change(
    subject: str = "device/t17",
    from_state: str | None = "pending_open",
    to_state: str | None = "firing",
    *,
    at: int = T0,
    place: tuple[int, int] | None = None,
    **more: Any,
) -> Change:
    place = place or next_place()
    fields: dict[str, Any] = {
        "shard": 0,
        "generation": 1,
        "org": "acme",
        "condition": OFFLINE,
        "since": at - 2_000,
        "reason": "silent for the whole open debounce",
        "policy_version": 3,
        "flap_count": 0,
        "id": str(uuid4()),
        "evidence": Evidence(
            last_heard=at - 5_000,
            deadline=at - 2_000,
            partition=0,
            offset=place[0],
            status="ok",
            timeout_s=3.0,
            debounce_s=2.0,
        ),
        **more,
    }
    return Change(subject=subject, from_state=from_state, to_state=to_state, at=at, place=place, **fields)


def verdict(cause: Cause = Cause.FIRING, condition: str = OFFLINE, **more: Any) -> Verdict:
    fields: dict[str, Any] = {
        "id": UUID(int=1),
        "org": "acme",
        "subject": "device/t17",
        "at": T0,
        "since": T0 - 2_000,
        "policy_version": 3,
        "evidence": {"reason": "silent"},
        "named": Named("Thermostat 17", "hue-1", "oslo/hq/3"),
        **more,
    }
    return Verdict(cause=cause, condition=condition, **fields)


def facts(
    incident: Incident | None = None,
    *,
    switches: Switches | None = PUBLISHING,
    deleted: bool = False,
    others: Mapping[str, Incident] | None = None,
) -> Facts:
    incidents = {OFFLINE: incident} if incident is not None else {}
    return Facts(switches=switches, org_deleted=deleted, incidents={**incidents, **(others or {})})


def ticket(state: str = "open", *, version: int = 1, number: int = 42, id: int = 42) -> KnownTicket:
    return KnownTicket(UUID(int=id), number, TicketState(state), version)
