"""Intervals and timeouts that just work together, and those a second apart that do not. On a real database."""

from typing import Any

import pytest
from correlator_facts import BRISK
from correlator_world import CorrelatorWorld
from hypothesis import given, settings
from hypothesis import strategies as st
from test_org_oracle import correlator

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.health_policy import HealthPolicy
from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.adapters.correlator.registry import Outlasting
from fettle_health_monitor.domain.correlator.registration import Refused, Registration

SUBJECT = SubjectRef.parse("device/a")
TIMEOUTS = st.none() | st.sampled_from([599, 600, 601])
MATCHES: dict[str, dict[str, str]] = {
    "integration": {"integration": "hue-1"},
    "model": {"model": "tower"},
    "subject": {"subject": "device/a"},
    "another": {"subject": "device/b"},
}


def policy(of_org: int | None, of_others: dict[str, int | None]) -> HealthPolicy:
    said: list[dict[str, Any]] = [{"match": MATCHES[name], "timeout_s": s} for name, s in of_others.items()]
    return HealthPolicy.kept({**BRISK.to_dict(), "timeout_s": of_org, "overrides": said})


async def enters(world: CorrelatorWorld, said: Registration) -> bool:
    async with unit_of_work(world.database) as work:
        became = await world.registry.enter(work, "acme", {SUBJECT: said}, by="ann@acme.test")
    assert became is not None
    return not isinstance(became[SUBJECT], Refused)


async def starts_over(world: CorrelatorWorld) -> None:
    """Nothing is registered, and any interval could be."""
    async with unit_of_work(world.database) as work:
        await world.registry.enter(work, "acme", {SUBJECT: Registration()}, by="ann@acme.test")
    await world.put(policy(None, {}))
    await world.clear()


@pytest.mark.rule("HM-88")
def test_what_is_entered_and_what_is_put_are_held_to_the_same_second(environment: dict[str, str]) -> None:
    """Whichever comes first, the other is refused just where the interval is above the timeout that counts."""
    with correlator(environment) as (runner, world):

        @settings(max_examples=60, deadline=None, derandomize=True)
        @given(
            TIMEOUTS,
            st.dictionaries(st.sampled_from(sorted(MATCHES)), TIMEOUTS),
            st.sampled_from([599, 600, 601]),
            st.sampled_from(["hue-1", "hue-2", None]),
            st.sampled_from(["tower", "pump", None]),
        )
        def alike(
            of_org: int | None,
            of_others: dict[str, int | None],
            interval_s: int,
            integration: str | None,
            model: str | None,
        ) -> None:
            wanted, said = (
                policy(of_org, of_others),
                Registration(integration=integration, model=model, interval_s=interval_s),
            )
            narrowest = [
                of_others[name]
                for name, is_its in (
                    ("subject", True),
                    ("model", model == "tower"),
                    ("integration", integration == "hue-1"),
                )
                if is_its and name in of_others
            ]
            timeout_s = [*narrowest, of_org][0]
            fits = timeout_s is None or interval_s <= timeout_s

            async def tried() -> None:
                await starts_over(world)
                assert await enters(world, said)
                assert (not isinstance(await world.put(wanted), Outlasting)) is fits
                await starts_over(world)
                await world.put(wanted)
                assert await enters(world, said) is fits

            runner.run(tried())

        runner.run(world.tell("acme"))
        alike()


@pytest.mark.rule("HM-88")
async def test_an_interval_that_has_just_fitted_is_held_to_the_next_policy(environment: dict[str, str]) -> None:
    """Entered under one, refused to the other by a second, and free again when it is taken back."""
    async with CorrelatorWorld.open(environment) as world:
        await world.put(policy(600, {}))
        assert not await enters(world, Registration(interval_s=601))
        assert await enters(world, Registration(interval_s=600))
        assert isinstance(await world.put(policy(599, {})), Outlasting)
        assert isinstance(await world.put(policy(599, {"another": 600})), Outlasting)
        assert not isinstance(await world.put(policy(599, {"subject": 600})), Outlasting)
        assert isinstance(await world.put(policy(599, {})), Outlasting)
        assert await enters(world, Registration())
        assert not isinstance(await world.put(policy(599, {})), Outlasting)
        assert not await enters(world, Registration(interval_s=600))
