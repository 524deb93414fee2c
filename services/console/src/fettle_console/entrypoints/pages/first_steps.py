"""What a new org shows instead of an empty list: three steps, each until it is done."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fettle_chassis.http import Problem
from fettle_console.domain.routing import Owner
from fettle_console.entrypoints.pages.visits import Visit


@dataclass(frozen=True, slots=True)
class FirstSteps:
    """What is done already. `judging` is None when the health monitor does not say, and then nothing is said of it."""

    judging: bool | None
    heard: bool
    registered: bool
    automated: bool


async def first_steps(visit: Visit) -> FirstSteps:
    """Asks who watches and who automates. What a service that is away would know counts as not done."""
    policy, subjects, workflows = await asyncio.gather(
        _asked(visit, Owner.HEALTH, "/health-policy"),
        _asked(visit, Owner.HEALTH, "/subjects?limit=100"),
        _asked(visit, Owner.WORKFLOWS, "/workflows?limit=100"),
    )
    watched = subjects.get("items", ())
    return FirstSteps(
        judging=bool(policy["enabled"] and policy["publish_tickets"]) if policy else None,
        heard=any(subject.get("state") for subject in watched),
        registered=any(subject.get("registered") for subject in watched),
        automated=any(workflow.get("enabled") for workflow in workflows.get("items", ())),
    )


async def _asked(visit: Visit, owner: Owner, path: str) -> Mapping[str, Any]:
    try:
        return await visit.client.get(owner, path)
    except Problem:
        return {}
