"""Silences over HTTP: made, listed, removed, and refused in plain words."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from correlator_facts import change
from correlator_service import CorrelatorService
from test_correlator_api import BRISK, clocks, profile

from fettle_chassis.tokens import Role
from fettle_contracts.times import from_ms, rfc3339
from fettle_contracts.topics import COMMANDS

HOUR = {"length_s": 3_600}


def hours_from_now(hours: float) -> str:
    return rfc3339(datetime.now(UTC) + timedelta(hours=hours))


@pytest.mark.rule("HM-120", "HM-132", "HM-134")
async def test_a_silence_from_making_to_removing(environment: dict[str, str]) -> None:
    base = int(datetime.now(UTC).timestamp() * 1000) - 60_000
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.tell_org("other")
        await service.call("PUT", "/health-policy", json=BRISK)
        healthy = change("device/t17", None, "healthy", policy_version=2, at=base)
        await service.say(profile("device/t17", name="Thermostat 17"), healthy)
        since = rfc3339(from_ms(base))
        asked = {"subject": "device/t17", "starts_at": since, "length_s": 7_200, "reason": "Battery"}
        answer = await service.call("POST", "/silences", json=asked, role=Role.OPERATOR)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        assert made | {"name": None, "known": None} == {
            "id": made["id"],
            "selection": None,
            "subject": "device/t17",
            "name": None,
            "known": None,
            "state": "active",
            "starts_at": since,
            "length_s": asked["length_s"],
            "rrule": None,
            "zone": None,
            "from": since,
            "until": made["ends_at"],
            "ends_at": made["ends_at"],
            "reason": "Battery",
            "made_by": "ann@acme.test",
            "made_at": made["made_at"],
            "removed_by": None,
            "removed_at": None,
            "subjects": 1,
            "held": {"count": 0, "latest": []},
            "as_of": None,
        }
        await service.say(change("device/t17", policy_version=2, at=base + 500), *clocks(base + 1_000))

        async def held() -> bool:
            return bool((await service.get("/silences"))["items"][0]["held"]["count"])

        await service.eventually(held)
        (listed,) = (await service.get("/silences?state=active&subject=device/t17", role=Role.VIEWER))["items"]
        latest = {"at": rfc3339(from_ms(base + 500)), "condition": "device_offline", "cause": "firing"}
        assert listed["held"] == {"count": 1, "latest": [latest]}
        shown = await service.get("/subjects/device/t17")
        assert [silence["id"] for silence in shown["silences"]] == [made["id"]]

        path = f"/silences/{made['id']}"
        assert (await service.call("DELETE", path, role=Role.VIEWER)).status_code == 403
        assert (await service.call("DELETE", path, org="other")).status_code == 404
        assert (await service.call("DELETE", path, role=Role.OPERATOR)).status_code == 204
        (ended,) = (await service.get("/silences?state=ended"))["items"]
        assert (ended["removed_by"], ended["until"], ended["held"]["count"]) == ("ann@acme.test", None, 1)
        assert (await service.get("/subjects/device/t17"))["silences"] == []
        assert (await service.get("/silences?state=active&state=upcoming"))["items"] == []
        assert (await service.get("/silences", org="other"))["items"] == []
        await service.say(*clocks(base + 600_000), *clocks(base + 601_000))
        opened, note = await service.read(COMMANDS, lambda found: len(found) >= 2)
        assert opened.body["evidence"]["silence"]["id"] == made["id"]
        assert note.body["comment"].startswith("Held back by a silence of ann@acme.test until ")


@pytest.mark.rule("HM-131", "HM-132", "HM-134")
async def test_a_selection_is_counted_made_paged_and_removed(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        for number in range(3):
            said = {"integration": "hue-1", "space": f"oslo/hq/{number}"}
            assert (await service.call("PUT", f"/subjects/device/{number}", json=said)).status_code == 201
        await service.call("PUT", "/subjects/integration/hue-1", json={})
        await service.call("PUT", "/subjects/device/elsewhere", json={"space": "oslo/hq2", "model": "T100"})

        async def post(filter: dict[str, str], query: str = "") -> tuple[int, Any]:
            answer = await service.call("POST", f"/silences{query}", json={**HOUR, "filter": filter})
            return answer.status_code, answer.json()

        dry = "?dry_run=true"
        for filter, count in (
            ({"integration": "hue-1"}, 4),
            ({"space": "oslo/hq"}, 3),
            ({"space": "bergen"}, 0),
            ({"integration": "hue-1", "type": "device"}, 3),
            ({"integration": "hue-1", "space": "oslo/hq/1"}, 1),
            ({"type": "integration"}, 1),
            ({"model": "T100"}, 1),
            ({"model": "T100", "type": "integration"}, 0),
        ):
            status, told = await post(filter, dry)
            assert (status, told["selection"], told["count"]) == (200, None, count), filter
        assert (await service.get("/silences"))["items"] == []
        status, nothing = await post({"space": "bergen"})
        assert (status, nothing["field"]) == (400, "filter")
        status, made = await post({"integration": "hue-1"})
        assert (status, made["count"]) == (201, 4)
        first = await service.get(f"/silences?limit=3&selection={made['selection']}")
        rest = await service.get(f"/silences?limit=3&cursor={first['next_cursor']}")
        assert rest["next_cursor"] is None
        found = {item["subject"] for item in [*first["items"], *rest["items"]]}
        assert found == {"integration/hue-1", "device/0", "device/1", "device/2"}
        assert {item["subjects"] for item in first["items"]} == {1}
        assert (await service.call("DELETE", f"/silences/{made['selection']}")).status_code == 204
        assert (await service.get("/silences?state=active"))["items"] == []


@pytest.mark.rule("AC-98")
async def test_a_selection_is_one_item_of_a_list_that_puts_it_together(environment: dict[str, str]) -> None:
    base = int(datetime.now(UTC).timestamp() * 1000) - 60_000
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.call("PUT", "/health-policy", json=BRISK)
        lamps = [f"device/{number}" for number in range(3)]
        await service.say(
            *(profile(lamp, integration="hue-1", space="oslo") for lamp in lamps),
            *(change(lamp, None, "healthy", policy_version=2, at=base) for lamp in lamps),
        )

        async def known() -> bool:
            return len((await service.get("/subjects"))["items"]) == 3

        await service.eventually(known)
        since = rfc3339(from_ms(base))
        some = {"filter": {"integration": "hue-1"}, "starts_at": since, "length_s": 7_200}
        selection = (await service.call("POST", "/silences", json=some)).json()["selection"]
        later = (await service.call("POST", "/silences", json={"subject": "device/x", **HOUR})).json()["id"]
        await service.say(*(change(lamp, policy_version=2, at=base + 500) for lamp in lamps[:2]), *clocks(base + 1_000))

        async def held() -> bool:
            return bool((await service.get("/silences?together=true"))["items"][1]["held"]["count"] == 2)

        await service.eventually(held)
        one, all_of_them = (await service.get("/silences?together=true"))["items"]
        assert (one["id"], one["selection"], one["subjects"]) == (later, None, 1)
        assert (all_of_them["selection"], all_of_them["subjects"], all_of_them["subject"]) == (selection, 3, "device/0")
        page = await service.get("/silences?together=true&limit=1")
        rest = await service.get(f"/silences?together=true&limit=1&cursor={page['next_cursor']}")
        assert [item["id"] for item in [*page["items"], *rest["items"]]] == [later, all_of_them["id"]]
        assert rest["next_cursor"] is None
        ended = next(
            item
            for item in (await service.get(f"/silences?selection={selection}"))["items"]
            if item["subject"] == lamps[0]
        )
        await service.call("DELETE", f"/silences/{ended['id']}")
        (left,) = [
            item for item in (await service.get("/silences?together=true&state=active"))["items"] if item["selection"]
        ]
        assert (left["subjects"], left["subject"], left["held"]["count"]) == (2, "device/1", 2)


@pytest.mark.rule("AC-98")
async def test_a_dry_run_says_whom_and_when(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        for number in range(7):
            await service.call("PUT", f"/subjects/device/{number}", json={"name": f"Lamp {number}", "space": "oslo"})
        await service.call("PUT", "/subjects/integration/hue-1", json={"space": "oslo"})

        async def preview(**asked: Any) -> Any:
            answer = await service.call("POST", "/silences?dry_run=true", json=asked)
            assert answer.status_code == 200, answer.text
            return answer.json()["preview"]

        start = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
        rule = {"starts_at": rfc3339(start), **HOUR, "rrule": "FREQ=DAILY;COUNT=5", "zone": "UTC"}
        told = await preview(filter={"space": "oslo"}, **rule)
        assert (told["devices"], told["integrations"]) == (7, 1)
        assert [one["name"] for one in told["first"]] == [f"Lamp {number}" for number in range(5)]
        days = [start + timedelta(days=day) for day in range(5)]
        assert told["occurrences"] == [
            {"from": rfc3339(day), "until": rfc3339(day + timedelta(hours=1))} for day in days[:3]
        ]
        assert told["ends_at"] == rfc3339(days[4] + timedelta(hours=1))
        stranger = await preview(subject="integration/x", **HOUR)
        assert (stranger["devices"], stranger["integrations"]) == (0, 1)
        assert stranger["first"] == [{"type": "integration", "id": "x", "name": None}]
        assert len(stranger["occurrences"]) == 1
        assert (await service.get("/silences"))["items"] == []


@pytest.mark.rule("HM-132", "HM-134")
async def test_upcoming_and_recurring_silences_say_when(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        start = hours_from_now(5)
        rule = {"rrule": "FREQ=DAILY;COUNT=3", "zone": "Europe/Oslo"}
        answer = await service.call(
            "POST", "/silences", json={"subject": "device/new", "starts_at": start, **HOUR, **rule}
        )
        made = answer.json()
        assert (answer.status_code, made["state"], made["known"], made["from"]) == (201, "upcoming", False, start)
        assert made["ends_at"] > made["until"]
        assert len((await service.get("/silences?state=upcoming"))["items"]) == 1
        assert (await service.call("DELETE", f"/silences/{made['id']}")).status_code == 204
        assert [item["state"] for item in (await service.get("/silences"))["items"]] == ["ended"]


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({}, "subject", "one of the two"),
    ({"subject": "device/a", "filter": {"space": "oslo"}}, "subject", "one of the two"),
    ({"filter": {}}, "filter", "at least one of"),
    ({"filter": {"type": "space"}}, "filter.type", "device"),
    ({"filter": {"room": "oslo"}}, "filter.room", "no field"),
    ({"subject": "space/oslo"}, "subject", "only devices and integrations"),
    ({"subject": "lift"}, "subject", "type/id"),
    ({"subject": "device/a", "length_s": 0}, "length_s", "1"),
    ({"subject": "device/a", "length_s": True}, "length_s", "whole number"),
    ({"subject": "device/a", "length_s": 90 * 86_400 + 1}, "length_s", "7776000"),
    ({"subject": "device/a", "starts_at": "2026-01-01T00:00:00Z"}, "starts_at", "has passed"),
    ({"subject": "device/a", "starts_at": "9999-12-31T23:59:59Z"}, "starts_at", "within 10 years"),
    ({"subject": "device/a", "starts_at": "tomorrow"}, "starts_at", "must be a time"),
    ({"subject": "device/a", "rrule": "FREQ=DAILY"}, "zone", "needed"),
    ({"subject": "device/a", "rrule": "FREQ=DAILY", "zone": "Europe/Oslo"}, "rrule", "must end"),
    ({"subject": "device/a", "rrule": "FREQ=MINUTELY;COUNT=2", "zone": "UTC"}, "rrule", "finer than an hour"),
    ({"subject": "device/a", "rrule": "FREQ=DAILY;COUNT=2", "zone": "Mars/One"}, "zone", "no time zone"),
    ({"subject": "device/a", "reason": "a\0b"}, "reason", "U+0000"),
    ({"subject": "device/a", "reason": "x" * 501}, "reason", "500"),
    ({"subject": "device/a", "untill": "x"}, "untill", "no field"),
]


@pytest.mark.rule("HM-125", "HM-132")
async def test_what_cannot_be_silenced_is_refused_with_field_and_rule(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        for body, field, words in REFUSED:
            answer = await service.call("POST", "/silences", json={**HOUR, **body})
            assert (answer.status_code, answer.json().get("field")) == (400, field), (body, answer.text)
            assert words in answer.json()["detail"], (body, answer.text)
        one = {"subject": "device/a", **HOUR}
        assert (await service.call("POST", "/silences", json=one, role=Role.VIEWER)).status_code == 403
        assert (await service.call("POST", "/silences", json=one, org="nowhere")).status_code == 404
        assert (await service.call("DELETE", f"/silences/{'0' * 32}")).status_code == 404
        for query in ("cursor=nonsense", "state=gone", "subject=lift", "selection=x", "limit=201"):
            assert (await service.call("GET", f"/silences?{query}")).status_code == 400
        assert (await service.get("/silences"))["items"] == []


@pytest.mark.rule("HM-132")
async def test_a_deleted_org_has_nothing_to_silence(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        assert (await service.call("PUT", "/subjects/device/a", json={"space": "oslo"})).status_code == 201
        await service.tell_org("acme", deleted=True)

        async def deleted() -> bool:
            return (await service.call("PUT", "/subjects/device/b", json={})).status_code == 404

        await service.eventually(deleted)
        for wanted in ({"subject": "device/a"}, {"filter": {"space": "oslo"}}):
            for path in ("/silences", "/silences?dry_run=true"):
                answer = await service.call("POST", path, json={**HOUR, **wanted})
                assert (answer.status_code, answer.json()["detail"]) == (404, "There is no such org.")
        assert (await service.get("/silences"))["items"] == []


@pytest.mark.rule("HM-133")
async def test_a_silence_that_comes_again_under_its_key_is_made_once(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.call("PUT", "/subjects/device/a", json={"space": "oslo"})

        async def send(method: str, path: str, key: str, body: Any = None, **more: Any) -> tuple[int, Any]:
            answer = await service.call(method, path, json=body, headers={"Idempotency-Key": key}, **more)
            return answer.status_code, answer.json() if answer.content else None

        one, some = {"subject": "device/a", **HOUR}, {"filter": {"space": "oslo"}, **HOUR}
        first, again = [await send("POST", "/silences", "k1", one) for _ in range(2)]
        assert first[0] == 201
        assert first == again
        assert (await send("POST", "/silences", "k1", some))[0] == 422
        nothing = {"filter": {"space": "bergen"}, **HOUR}
        assert (await send("POST", "/silences", "k2", nothing))[0] == 400
        selected, once_more = [await send("POST", "/silences", "k2", some) for _ in range(2)]
        assert selected == once_more
        assert len((await service.get("/silences"))["items"]) == 2
        path = f"/silences/{first[1]['id']}"
        assert [(await send("DELETE", path, "k3"))[0] for _ in range(2)] == [204, 204]
        assert (await send("DELETE", f"/silences/{selected[1]['selection']}", "k3"))[0] == 422


@pytest.mark.rule("HM-132")
async def test_the_openapi_document_shows_how_to_silence(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        document = (await service.client.get("/openapi.json")).json()
        paths = {path: entry for path, entry in document["paths"].items() if "silences" in path}
        assert {method for entry in paths.values() for method in entry} == {"get", "post", "delete"}
        body = paths["/api/v1/orgs/{org}/silences"]["post"]["requestBody"]["content"]["application/json"]
        assert set(body["examples"]) == {"one", "nightly", "selection"}
        assert document["components"]["schemas"]["ShownSilence"]["examples"]


@pytest.mark.rule("AC-86")
async def test_a_subject_names_each_time_that_silences_held_in_its_last_day(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.call("PUT", "/subjects/device/t17", json={"name": "Thermostat 17"})
        recurring = {"rrule": "FREQ=HOURLY;INTERVAL=6;COUNT=9", "zone": "Etc/UTC", "starts_at": hours_from_now(-20.5)}
        for asked in ({**recurring, **HOUR, "reason": "Update"}, {**HOUR, "starts_at": hours_from_now(-48)}):
            await service.call("POST", "/silences", json={"subject": "device/t17", **asked})
        assert (await service.get("/subjects/device/t17"))["silenced"] == [], "they were not made then"
        connection = await asyncpg.connect(service.settings.database_dsn("health"))
        await connection.execute("UPDATE silence SET made_at = made_at - interval '2 days'")
        await connection.close()
        found = (await service.get("/subjects/device/t17"))["silenced"]
        ago = [round((datetime.now(UTC) - datetime.fromisoformat(one["since"])).total_seconds() / 360) for one in found]
        assert ago == [25, 85, 145, 205]
        assert {(one["made_by"], one["reason"]) for one in found} == {("ann@acme.test", "Update")}
