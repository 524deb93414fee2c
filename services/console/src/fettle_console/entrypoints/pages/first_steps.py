"""What a new org shows instead of an empty list: three steps, each until it is done."""

import asyncio
from dataclasses import dataclass

from fettle_console.adapters.org_client import unless_away
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
        unless_away(visit.client.get_health_policy()),
        unless_away(visit.client.list_subjects(limit=100).page()),
        unless_away(visit.client.list_workflows(limit=100).page()),
    )
    watched = subjects["items"] if subjects else ()
    return FirstSteps(
        judging=bool(policy["enabled"] and policy["publish_tickets"]) if policy else None,
        heard=any(subject["state"] for subject in watched),
        registered=any(subject["registered"] for subject in watched),
        automated=any(workflow["enabled"] for workflow in (workflows["items"] if workflows else ())),
    )
