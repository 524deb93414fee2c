"""What the API of health answers where something is left out, comes late, is over, or cannot be told now."""

from typing import Any

import pytest
from correlator_facts import T0, change
from correlator_service import CorrelatorService
from loss_facts import GONE, LONG_AGO, fires, heard, silent
from rollup_facts import devices
from test_correlator_api import BRISK, clocks, profile

from fettle_contracts.times import from_ms, rfc3339

INTEGRATIONS_SHOWN = 100


def instant(at: int) -> str:
    return rfc3339(from_ms(at))


@pytest.mark.rule("HM-73")
@pytest.mark.parametrize("seen", ['"1"', 'W/"1"', "1", "*"])
async def test_a_policy_is_put_over_the_version_that_was_seen(environment: dict[str, str], seen: str) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        shown = await service.call("GET", "/health-policy")
        assert shown.headers["etag"] == '"1"'
        headers = {"If-Match": seen}
        put = await service.call("PUT", "/health-policy", json=BRISK, headers=headers)
        assert (put.status_code, put.json()["version"]) == (200, 2)
        again = await service.call("PUT", "/health-policy", json={**BRISK, "timeout_s": 4}, headers=headers)
        assert again.status_code == (200 if seen == "*" else 412)


@pytest.mark.rule("HM-301")
async def test_what_kafka_does_not_have_of_the_registry_in_time_is_accepted(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment, FETTLE_ACKNOWLEDGED_WITHIN_S="0.000001") as service:
        await service.tell_org("acme")
        entered = await service.call("PUT", "/subjects/device/a", json={"name": "A"})
        assert (entered.status_code, entered.json()["registered"]) == (202, True)
        assert (await service.call("DELETE", "/subjects/device/a")).status_code == 202
        assert (await service.call("GET", "/subjects/device/a")).status_code == 404


@pytest.mark.rule("HM-173")
async def test_who_finds_no_turn_to_read_the_past_is_told_to_come_again(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fettle_health_monitor.judge.replaying.AT_A_TIME", 0)
    monkeypatch.setattr("fettle_health_monitor.judge.replaying._WAITS_S", 0.05)
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.call("PUT", "/subjects/device/a", json={})
        await service.say(*clocks(T0))

        async def judged() -> bool:
            return (await service.get("/subjects"))["as_of"] is not None

        await service.eventually(judged)
        asked: dict[str, dict[str, Any]] = {
            "/heard": {"subject": "device/a"},
            "/why": {"subject": "device/a"},
            "/verify": {"partition": 0},
        }
        for path, params in asked.items():
            busy = await service.call("GET", path, params=params)
            assert (busy.status_code, busy.json()["code"]) == (503, "unavailable"), (path, busy.text)
            assert busy.headers["retry-after"] == "10", path


@pytest.mark.rule("AC-94")
async def test_the_overview_says_when_heartbeats_did_not_arrive(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.call("PUT", "/health-policy", json=BRISK)
        everybody = devices(12)
        policy: dict[str, Any] = {"policy_version": 2}
        await service.say(
            *(profile(each, integration=f"hue-{number % 2}") for number, each in enumerate(everybody)),
            *(change(each, None, "healthy", at=LONG_AGO, since=LONG_AGO, **policy) for each in everybody),
            *(silent(each, GONE - 2_000, **policy) for each in everybody),
            *(fires(each, GONE, **policy) for each in everybody),
            *clocks(GONE + 1_000),
        )

        async def lost() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = (await service.get("/overview"))["lost"]
            return found

        await service.eventually(lost)
        (while_it_lasts,) = await lost()
        assert while_it_lasts == {"since": while_it_lasts["since"], "until": None, "subjects": 12}
        assert while_it_lasts["since"] < instant(GONE)
        back = [heard(each, GONE + 5_000 + number, **policy) for number, each in enumerate(everybody[:2])]
        await service.say(*back, *clocks(GONE + 6_000))

        async def is_over() -> bool:
            return (await lost())[0]["until"] is not None

        await service.eventually(is_over)
        assert await lost() == [{**while_it_lasts, "until": instant(GONE + 5_001)}]


@pytest.mark.rule("AC-94")
async def test_of_many_integrations_the_overview_shows_those_in_trouble_first(environment: dict[str, str]) -> None:
    """A hundred of them; the others are counted. One is in trouble itself, though all behind it are well."""
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        names = [f"i{number:03}" for number in range(INTEGRATIONS_SHOWN + 3)]
        await service.say(
            *(profile(f"device/{name}", integration=name) for name in names),
            *(change(f"device/{name}", None, "healthy") for name in names),
            *(change(f"integration/{name}", None, "healthy") for name in names[:50]),
            change(f"integration/{names[-1]}", None, "firing", condition="integration_unreachable"),
        )

        async def known() -> bool:
            found = await service.get("/overview")
            return bool(found["states"]["firing"] and found["states"]["healthy"] == len(names) + 50)

        await service.eventually(known)
        found = await service.get("/overview")
        shown = [one["id"] for one in found["integrations"]]
        assert shown == [names[-1], *names[: INTEGRATIONS_SHOWN - 1]]
        assert found["more_integrations"] == 3
