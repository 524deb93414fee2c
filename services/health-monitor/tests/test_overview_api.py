"""The whole fleet at a glance, over HTTP."""

from typing import Any

import pytest
from correlator_facts import change
from correlator_service import CorrelatorService
from test_correlator_api import BRISK, clocks, profile

from fettle_contracts.times import from_ms, rfc3339

MINUTE_MS, HOUR_MS = 60_000, 3_600_000
NOBODY = {
    "healthy": 0,
    "pending_open": 0,
    "firing": 0,
    "pending_resolve": 0,
    "flapping": 0,
    "unknown": 0,
    "unjudged": 0,
}
NOW = 1_790_000_000_000 - 1_790_000_000_000 % MINUTE_MS + 59_999


def ago(minutes: int) -> int:
    return NOW - minutes * MINUTE_MS


@pytest.mark.rule("AC-94")
async def test_the_overview_counts_the_fleet_and_its_day(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.tell_org("other")
        empty = await service.get("/overview")
        assert (empty["states"], empty["integrations"], empty["changes"]) == (NOBODY, [], [])
        assert (empty["enabled"], empty["publish_tickets"], empty["as_of"]) == (False, False, None)
        await service.call("PUT", "/health-policy", json=BRISK)
        for number in range(4):
            await service.say(profile(f"device/{number}", name=f"Lamp {number}", integration="hue-1"))
        await service.say(profile("integration/hue-1", name="Hue bridge"), profile("device/alone", name="Alone"))
        wards = ("device/0", "device/1", "device/2", "device/3", "integration/hue-1", "device/alone")
        await service.say(*(change(one, None, "healthy", at=ago(3_000)) for one in wards))
        for one in ("device/0", "device/1"):
            await service.say(
                change(one, "healthy", "pending_open", at=ago(302)),
                change(one, "pending_open", "firing", at=ago(301)),
                change(one, "firing", "pending_resolve", at=ago(297)),
                change(one, "pending_resolve", "healthy", at=ago(296)),
            )
        await service.say(
            change("device/2", "healthy", "pending_open", at=ago(31)),
            change("device/2", "pending_open", "firing", at=ago(30)),
            change("device/3", "healthy", "pending_open", at=ago(1)),
            change("device/new", None, "healthy", at=ago(20)),
            change("device/new", "healthy", None, at=ago(10)),
            *clocks(NOW),
        )

        async def judged() -> bool:
            return bool((await service.get("/overview"))["as_of"] == rfc3339(from_ms(NOW)))

        await service.eventually(judged)
        await service.nobody_sees(ago(200), ago(190))
        found = await service.get("/overview")
        assert found["since"] == rfc3339(from_ms(NOW + 1 - 24 * HOUR_MS))
        assert found["states"] == {**NOBODY, "healthy": 4, "pending_open": 1, "firing": 1}
        hue, alone = found["integrations"]
        assert (hue["id"], hue["name"], hue["state"]) == ("hue-1", "Hue bridge", "healthy")
        assert hue["devices"] == {**NOBODY, "healthy": 2, "pending_open": 1, "firing": 1}
        assert (alone["id"], alone["state"], alone["devices"]["healthy"]) == (None, None, 1)
        day = found["unhealthy"]
        assert (len(day), max(day), day[-1], day[-3]) == (96, 2, 1, 1)
        assert [step for step, most in enumerate(day) if most == 2] == [96 - 1 - 301 // 15, 96 - 1 - 296 // 15]
        assert hue["unhealthy"] == day
        assert set(alone["unhealthy"]) == {0}
        stretch = {"since": rfc3339(from_ms(ago(200))), "until": rfc3339(from_ms(ago(190))), "shards": 1}
        assert found["blind"] == [stretch]
        told = {(one["integration"], one["became"]): one for one in found["changes"]}
        assert set(told) == {("hue-1", "firing"), (None, "new"), (None, "forgotten")}
        assert told["hue-1", "firing"] == {
            "integration": "hue-1",
            "became": "firing",
            "subjects": 1,
            "latest": rfc3339(from_ms(ago(30))),
            "example": {"type": "device", "id": "2", "name": "Lamp 2"},
        }
        now = await service.get("/overview?day=false")
        integrations = [{**one, "unhealthy": []} for one in found["integrations"]]
        assert now == {**found, "unhealthy": [], "changes": [], "integrations": integrations}
        theirs: dict[str, Any] = await service.get("/overview", org="other")
        assert (theirs["states"], theirs["integrations"], theirs["blind"]) == (NOBODY, [], [])
        assert (await service.call("GET", "/overview", org="nowhere")).status_code == 404


@pytest.mark.rule("AC-96")
async def test_subjects_are_listed_by_several_states_and_by_how_long(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        states = {"device/a": "firing", "device/b": "healthy", "device/c": "flapping", "device/d": "unknown"}
        for number, (subject, state) in enumerate(states.items()):
            at = ago(90 if state == "unknown" else 100 - number)
            await service.say(profile(subject), change(subject, None, state, at=at, since=at))
        await service.call("PUT", "/subjects/device/never", json={})

        async def known() -> bool:
            return len((await service.get("/subjects"))["items"]) == 5

        await service.eventually(known)

        async def listed(query: str) -> list[str]:
            """Page by page, two at a time."""
            found, cursor = list[str](), ""
            while True:
                page = await service.get(f"/subjects?limit=2&{query}{cursor}")
                found += [item["id"] for item in page["items"]]
                if not page["next_cursor"]:
                    return found
                cursor = f"&cursor={page['next_cursor']}"

        assert await listed("") == ["a", "b", "c", "d", "never"]
        assert await listed("integration=&space=&q=") == ["a", "b", "c", "d", "never"]
        assert await listed("sort=-since") == ["d", "c", "b", "a", "never"]
        assert await listed("sort=since") == ["a", "b", "c", "d", "never"]
        assert await listed("state=firing&state=flapping&state=unknown") == ["a", "c", "d"]
        assert await listed("state=healthy&state=firing&sort=-since") == ["b", "a"]
        assert await listed("state=flapping") == ["c"]
        first = await service.get("/subjects?limit=2")
        for query in (f"sort=since&cursor={first['next_cursor']}", "sort=name", "state=ill"):
            assert (await service.call("GET", f"/subjects?{query}")).status_code == 400
