"""Whatever happens in an org, and whatever order it is told in: nobody who is down is left without a ticket, nobody who
is well has one, and checklists say who is down. A run is its seed's; a failed one is run again by its name."""

from collections.abc import Mapping

import pytest
from correlator_world import CorrelatorWorld
from org_at_work import Habits, OrgAtWork

STEPS = 60
HABITS = {
    "people": Habits(),
    "stands still": Habits(stands_still=True, refused=0),
    "new logs": Habits(new_logs=True, stands_still=True, refused=0),
    "policies": Habits(policies=True, removals=True, refused=0),
    "no debounce": Habits(resolve_debounce_s=0, policies=True, refused=0),
    "always another": Habits(anew=1, policies=True, removals=True, refused=0),
    "refuses": Habits(refused=0.3, stands_still=True),
}


async def comes_to_rest(environment: Mapping[str, str], habits: Habits, seed: int) -> None:
    async with CorrelatorWorld.open(environment) as world:
        org = OrgAtWork(world, seed, habits)
        faults = await org.work(STEPS)
        assert faults == [], "\n".join(org.story)


@pytest.mark.rule("HM-236", "HM-144", "HM-145", "HM-146", "HM-239", "HM-247")
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("habits", HABITS)
async def test_an_org_comes_to_rest_with_the_right_tickets(environment: dict[str, str], habits: str, seed: int) -> None:
    await comes_to_rest(environment, HABITS[habits], seed)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", range(100, 200))
@pytest.mark.parametrize("habits", HABITS)
async def test_many_orgs_come_to_rest_with_the_right_tickets(
    environment: dict[str, str], habits: str, seed: int
) -> None:
    await comes_to_rest(environment, HABITS[habits], seed)
