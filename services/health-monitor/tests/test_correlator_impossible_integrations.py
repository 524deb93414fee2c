"""An integration that cannot be one, said by a device of which the registry names another. On a real database."""

from importlib import import_module

import pytest
from correlator_facts import BRISK, T0
from correlator_world import CorrelatorWorld
from judge_log import DEVICE, Log, judge
from rollup_facts import fails
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.identity import SubjectRef
from fettle_health_monitor.domain.correlator.registration import Registration
from fettle_health_monitor.domain.judgements import Profile

IMPOSSIBLE = "\u00f8" * 101
"""So many letters may a text have, but not so many bytes an id."""


def said(key: str) -> tuple[list[str], list[str | None]]:
    """What is refused of that, and what is told."""
    log = Log().policy(timeout_s=10).register(key, integration="hue-1").pulsed(5).beat(key, integration=IMPOSSIBLE)
    judged = judge(log)
    told = [one.integration for one in judged.judgements if isinstance(one, Profile)]
    return [refusal.code for refusal in judged.folded.refusals], told


@pytest.mark.rule("HM-30")
def test_it_is_refused_also_where_the_registry_names_another() -> None:
    assert said(DEVICE) == (["field_invalid"], [])


@pytest.mark.rule("HM-30", "HM-263", "HM-302")
async def test_its_device_is_decided_about_when_the_registry_names_none_and_holds_up_no_other_org(
    environment: dict[str, str],
) -> None:
    subject = SubjectRef.parse("device/d1")
    async with CorrelatorWorld.open(environment) as world:
        await world.tell("beta")
        await world.put(BRISK, org="beta")
        await world.in_force(2, org="beta")
        await world.feed(*(world.profile("device/d1", integration=one) for one in said("acme/device/d1")[1]))
        for entry in (Registration(integration="hue-1"), Registration()):
            async with unit_of_work(world.database) as work:
                await world.registry.enter(work, "acme", {subject: entry}, by="ann@acme.test")
        await world.clear()
        await world.feed(*fails("device/d1", T0 + 10_000))
        await world.feed(*fails("device/b1", T0 + 10_000, org="beta", policy_version=2))
        await world.tick(T0 + 11_000)
        assert {row.key for row in await world.commands()} == {"acme", "beta"}


@pytest.mark.rule("HM-30")
async def test_what_was_kept_of_one_before_it_was_refused_is_gone(environment: dict[str, str]) -> None:
    migration = import_module("fettle_health_monitor.migrations.versions.0020_integrations_that_cannot_be")
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*(world.profile(f"device/{one}", integration=one) for one in ("hue-1", IMPOSSIBLE)))
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text(migration.CANNOT_BE))
        known = await world.rows("SELECT integration FROM subject ORDER BY integration NULLS LAST")
        assert [row.integration for row in known] == ["hue-1", None]
