"""The correlator as a process: Kafka in, Kafka out, and its API."""

import json
from base64 import urlsafe_b64encode
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest
from correlator_facts import T0, change, next_place
from correlator_service import PARTITIONS, CorrelatorService, Told

from fettle_chassis.signing import Verified, Verifier
from fettle_chassis.tokens import Role
from fettle_contracts.times import from_ms, rfc3339, to_ms
from fettle_contracts.topics import COMMANDS, HEARTBEATS, ORGS, TRANSITIONS, dead_letters_of
from fettle_health_monitor.domain.judgements import CLOCK_INDEX, Clock, InForce, Judgement, Profile

HOUR_MS = 3_600_000
BRISK = {"enabled": True, "publish_tickets": True, "timeout_s": 3, "open_debounce_s": 2, "resolve_debounce_s": 2}


def clocks(at: int) -> list[Judgement]:
    return [
        Clock(
            shard=shard,
            generation=1,
            place=(next_place()[0], CLOCK_INDEX),
            at=at,
            clock=at - T0,
            offset=1,
            address="http://127.0.0.1:9",
        )
        for shard in range(PARTITIONS)
    ]


def profile(subject: str, **said: Any) -> Profile:
    fields = {"name": None, "integration": None, "space": None, "model": None, "interval_s": None, **said}
    return Profile(shard=0, generation=1, place=next_place(), org="acme", subject=subject, at=T0, **fields)


def versions_by_partition(records: list[Told]) -> dict[int, list[int]]:
    found = defaultdict(list)
    for record in records:
        if record.headers["fettle-control"] == "policy":
            found[record.partition].append(record.body["version"])
    return dict(found)


@pytest.mark.rule("HM-73", "HM-75", "HM-76")
async def test_a_policy_is_put_into_every_partition_and_shown_where_it_is_in_force(
    environment: dict[str, str],
) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        first = await service.get("/health-policy")
        assert (first["version"], first["enabled"], first["publish_tickets"]) == (1, False, False)
        assert first["in_force"] == [{"shard": shard, "version": None} for shard in range(PARTITIONS)]

        put = await service.call("PUT", "/health-policy", json={**first, **BRISK})
        assert put.status_code == 200
        assert put.headers["etag"] == '"2"'
        assert put.json()["version"] == 2

        def complete(records: list[Told]) -> bool:
            return versions_by_partition(records) == {shard: [1, 2] for shard in range(PARTITIONS)}

        topic = service.settings.topic(HEARTBEATS)
        for record in await service.read(HEARTBEATS, complete):
            verified = Verifier(service.settings.signing_keys).verify_control(
                topic=topic,
                partition=record.partition,
                key=record.key.encode(),
                number=int(record.headers["fettle-number"]),
                body=record.value,
                signature=record.headers["fettle-signature"],
            )
            assert isinstance(verified, Verified)

        await service.say(
            InForce(shard=1, generation=1, place=next_place(), org="acme", version=2, enabled=True, at=T0),
            *clocks(T0 + 1),
        )

        async def shown() -> bool:
            return bool((await service.get("/health-policy"))["in_force"][1] == {"shard": 1, "version": 2})

        await service.eventually(shown)


@pytest.mark.rule("HM-73")
async def test_a_put_that_kafka_does_not_have_in_time_is_accepted(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment, FETTLE_ACKNOWLEDGED_WITHIN_S="0.000001") as service:
        await service.tell_org("acme")
        put = await service.call("PUT", "/health-policy", json=BRISK)
        assert (put.status_code, put.json()["version"]) == (202, 2)


@pytest.mark.rule("HM-74", "HM-81", "HM-73", "HM-272")
async def test_what_cannot_work_or_is_not_allowed_is_refused_with_field_and_rule(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.tell_org("other")

        async def refused(status: int, method: str, path: str, **more: Any) -> dict[str, Any]:
            answer = await service.call(method, path, **more)
            assert answer.status_code == status, answer.text
            body: dict[str, Any] = answer.json()
            return body

        put = ("PUT", "/health-policy")
        silent = await refused(400, *put, json={**BRISK, "default_interval_s": 30})
        assert "under default_interval_s" in silent["detail"]
        assert silent["field"] == "timeout_s"
        lasting = await refused(400, *put, json={**BRISK, "open_debounce_s": 300})
        assert lasting["field"] == "open_debounce_s"
        assert "open_debounce_s 300 is not below rollup_window_s 300 for the org" in lasting["detail"]
        window = await refused(400, *put, json={"flap_window_s": 86_401})
        assert "flap_window_s" in window["field"]
        assert "no field 'enabeld'" in (await refused(400, *put, json={"enabeld": True}))["detail"]
        stale = await refused(412, *put, json=BRISK, headers={"If-Match": '"7"'})
        assert stale["code"] == "stale"
        assert (await refused(403, *put, json=BRISK, role=Role.OPERATOR))["code"] == "forbidden"
        await refused(404, *put, json=BRISK, of="other")
        await refused(403, "PUT", "/subjects/device/a", json={}, role=Role.VIEWER)
        await refused(404, "PUT", "/subjects/space/a", json={})
        await refused(404, "GET", "/subjects/device/nobody")
        await refused(404, "DELETE", "/subjects/device/nobody")
        interval = await refused(400, "PUT", "/subjects/device/a", json={"interval_s": 0})
        assert "interval_s" in interval["field"]
        await refused(400, "GET", "/subjects?cursor=nonsense")
        await refused(400, "GET", "/subjects?limit=201")
        await refused(400, "GET", "/transitions?subject=lift")
        assert (await service.client.get("/api/v1/orgs/acme/subjects")).status_code == 401
        assert (await service.get("/health-policy"))["version"] == 1


@pytest.mark.rule("HM-65", "HM-72", "HM-79", "HM-80", "HM-81")
async def test_judgements_become_a_picture_a_history_and_a_command(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        await service.tell_org("other")
        await service.call("PUT", "/health-policy", json=BRISK)
        assert (await service.get("/subjects"))["as_of"] is None
        await service.say(
            profile("device/hall/3 b", name="Panel 3_b", integration="hue-1", space="oslo/hq/3"),
            profile("device/t1", name="Thermostat", space="oslo/hq2"),
            change("device/t1", None, "healthy", policy_version=2),
            change("integration/hue-1", None, "healthy", policy_version=2),
            fired := change("device/hall/3 b", policy_version=2, at=T0 + 500),
            *clocks(T0 + 1_000),
        )
        (opened,) = await service.read(COMMANDS, lambda found: bool(found))
        assert opened.key == "acme"
        assert opened.body["dedup_key"] == "device/hall/3 b:device_offline"
        told = await service.read(TRANSITIONS, lambda found: len(found) == 3)
        assert fired.id in {record.headers["ce_id"] for record in told}

        async def ids(query: str, **more: Any) -> list[str]:
            return [item["id"] for item in (await service.get(f"/subjects{query}", **more))["items"]]

        assert await ids("") == ["hall/3 b", "t1", "hue-1"]
        assert await ids("?state=firing") == ["hall/3 b"]
        assert await ids("?type=integration") == ["hue-1"]
        assert await ids("?integration=hue-1") == ["hall/3 b"]
        assert await ids("?space=oslo/hq") == ["hall/3 b"]
        assert await ids("?q=3_B") == ["hall/3 b"]
        assert await ids("?q=HUE") == ["hue-1"]
        assert await ids("?q=device") == []
        assert await ids("?q=device/t") == ["t1"]
        assert await ids("", org="other") == []
        pages: list[int] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await service.get(f"/subjects?limit=2{cursor and '&cursor=' + cursor}")
            pages.append(len(page["items"]))
            cursor = page["next_cursor"]
        assert pages == [2, 1]
        assert page["as_of"] == "2026-09-21T14:13:21.000Z"

        shown = await service.get("/subjects/device/hall/3%20b", role=Role.VIEWER)
        assert (shown["state"], shown["condition"], shown["name"]) == ("firing", "device_offline", "Panel 3_b")
        assert (shown["last_heard"], shown["last_heard_told_by"]) == (None, None)
        history = await service.get("/transitions?subject=device/hall/3%20b")
        assert [(item["id"], item["from"], item["to"]) for item in history["items"]] == [
            (fired.id, "pending_open", "firing")
        ]
        first = await service.get("/transitions?limit=2")
        rest = await service.get(f"/transitions?limit=2&cursor={first['next_cursor']}")
        assert len({item["id"] for item in [*first["items"], *rest["items"]]}) == 3
        assert rest["next_cursor"] is None


@pytest.mark.rule("HM-78", "AC-86")
async def test_a_subject_is_entered_shown_and_removed(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        made = await service.call("PUT", "/subjects/device/a/b", json={"name": "A", "interval_s": 30})
        assert made.status_code == 201
        assert made.json()["registered"] is True
        assert made.json()["state"] is None
        again = await service.call("PUT", "/subjects/device/a/b", json={"name": "B"}, role=Role.OPERATOR)
        assert (again.status_code, again.json()["name"], again.json()["interval_s"]) == (200, "B", None)
        now = to_ms(datetime.now(UTC))
        await service.nobody_sees(now - 60 * HOUR_MS, now - 59 * HOUR_MS)
        await service.nobody_sees(now - 2 * HOUR_MS, now - HOUR_MS)
        shown = await service.get("/subjects/device/a/b")
        stretch = {"kind": "unobserved", "since": rfc3339(from_ms(now - 2 * HOUR_MS))}
        assert shown["blind"] == [{**stretch, "until": rfc3339(from_ms(now - HOUR_MS))}]
        assert (await service.call("DELETE", "/subjects/device/a/b")).status_code == 204
        assert (await service.call("GET", "/subjects/device/a/b")).status_code == 404

        def complete(records: list[Told]) -> bool:
            kinds = [record.headers["fettle-control"] for record in records if record.key == "acme/device/a/b"]
            return kinds == ["register", "register", "forget"]

        await service.read(HEARTBEATS, complete)


@pytest.mark.rule("HM-75")
async def test_an_org_that_fettle_did_not_sign_for_is_set_aside(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("forged", signed=False)
        await service.tell_org("acme")
        (letter,) = await service.read(dead_letters_of(ORGS), lambda found: bool(found))
        assert (letter.key, letter.headers["dlq-reason"]) == ("forged", "unsigned")
        assert (await service.call("GET", "/health-policy", org="forged")).status_code == 404


def cursor(*place: object) -> str:
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


UNKEEPABLE = [
    (f"/transitions?cursor={cursor(2**63, 1)}", "cursor"),
    (f"/transitions?cursor={cursor(1, -(2**80))}", "cursor"),
    (f"/subjects?cursor={cursor('a' + chr(0))}", "cursor"),
    (f"/subjects?cursor={cursor(chr(0xD800))}", "cursor"),
    (f"/subjects?cursor={urlsafe_b64encode(b'[' * 9_000).decode()}", "cursor"),
    *((f"/subjects?{name}=a%00", name) for name in ("integration", "space", "q")),
    ("/transitions?subject=device/a%00", "subject"),
]


@pytest.mark.rule("OP-47")
async def test_what_no_column_can_hold_is_malformed(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        for path, field in UNKEEPABLE:
            answer = await service.call("GET", path)
            assert (answer.status_code, answer.json()["field"]) == (400, field), (path, answer.text)
        assert (await service.call("GET", "/subjects/device/a%00")).status_code == 404
        versions = {"If-Match": '"' + "9" * 5_000 + '"'}
        answer = await service.call("PUT", "/health-policy", json={}, headers=versions)
        assert (answer.status_code, answer.json()["field"]) == (400, "If-Match")


IMPOSSIBLE = [
    ({"timeout_s": 30, "default_interval_s": 60}, "timeout_s"),
    ({"overrides": [{"match": {"model": "a\0"}, "timeout_s": 90}]}, "overrides.0.match.model"),
    ({"overrides": [{"match": {"model": "a"}, "timeout_s": 9, "default_interval_s": 60}]}, "overrides.0.timeout_s"),
    ({"default_interval_s": 60, "overrides": [{"match": {"model": "a"}, "timeout_s": 9}]}, "overrides.0.timeout_s"),
    ({"overrides": [{"match": {"model": "a"}, "timeout_s": 90, "open_debouce_s": 3}]}, "overrides.0.open_debouce_s"),
    ({"overrides": [{"match": {"model": "a", "site": "b"}, "timeout_s": 90}]}, "overrides.0.match.site"),
    ({"enabeld": True}, "enabeld"),
]


@pytest.mark.rule("HM-74")
async def test_a_policy_says_what_it_says_and_an_answer_can_be_sent_back(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        for body, field in IMPOSSIBLE:
            answer = await service.call("PUT", "/health-policy", json=body)
            assert (answer.status_code, answer.json()["field"]) == (400, field), answer.text
        shown = (await service.call("PUT", "/health-policy", json={"timeout_s": 30})).json()
        assert (shown["timeout_s"], shown["default_interval_s"]) == (30, 60)
        again = await service.call("PUT", "/health-policy", json=shown)
        assert (again.status_code, again.json()["version"]) == (200, shown["version"])


@pytest.mark.rule("HM-88")
async def test_an_interval_that_the_timeout_does_not_outlast_is_not_registered(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")

        async def register(interval_s: int, **said: Any) -> tuple[int, str | None]:
            answer = await service.call("PUT", "/subjects/device/a", json={"interval_s": interval_s, **said})
            return answer.status_code, answer.json().get("field")

        slow = {"match": {"model": "chiller"}, "timeout_s": 600}
        own = {"match": {"subject": "device/a"}, "open_debounce_s": 1}
        policy = {"timeout_s": 30, "overrides": [slow, own]}
        assert (await service.call("PUT", "/health-policy", json=policy)).status_code == 200
        assert await register(31) == (400, "interval_s")
        assert await register(30) == (201, None)
        assert await register(601, model="chiller") == (400, "interval_s")
        assert await register(600, model="chiller") == (200, None)
        assert await register(600) == (400, "interval_s")
        await service.say(profile("device/a", model="chiller"))

        async def heard() -> bool:
            return await register(598) == (200, None)

        await service.eventually(heard)
        loose = {"timeout_s": 30, "overrides": [{"match": {"subject": "device/a"}, "timeout_s": None}]}
        assert (await service.call("PUT", "/health-policy", json=loose)).status_code == 200
        assert await register(86_400) == (200, None)


@pytest.mark.rule("HM-88", "HM-211")
async def test_a_timeout_under_an_interval_that_is_registered_is_not_put(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        chiller = {"interval_s": 3_600, "model": "chiller", "integration": "bms"}
        assert (await service.call("PUT", "/subjects/device/a", json=chiller)).status_code == 201
        assert (await service.call("PUT", "/subjects/device/b", json={"interval_s": 60})).status_code == 201

        async def put(timeout_s: int | None, *overrides: tuple[dict[str, str], int | None], **more: Any) -> str | None:
            said = [{"match": match, "timeout_s": seconds} for match, seconds in overrides]
            answer = await service.call(
                "PUT", "/health-policy", json={"timeout_s": timeout_s, "overrides": said, **more}
            )
            body = answer.json()
            assert answer.status_code == (400 if "field" in body else 200), body
            return body.get("field")  # type: ignore[no-any-return]

        by_integration, by_model, own = {"integration": "bms"}, {"model": "chiller"}, {"subject": "device/a"}
        assert await put(60) == "timeout_s"
        stale = await service.call("PUT", "/health-policy", json={"timeout_s": 60}, headers={"If-Match": '"7"'})
        assert (stale.status_code, stale.json()["version"]) == (412, 1)
        assert await put(59, (by_model, 3_600)) == "timeout_s"
        assert await put(60, ({"model": "other"}, 3_600)) == "timeout_s"
        assert await put(60, (by_model, 3_600)) is None
        assert await put(60, (by_model, 3_599)) == "overrides.0.timeout_s"
        assert await put(60, (by_integration, 3_600), (by_model, 60)) == "overrides.1.timeout_s"
        assert await put(60, (own, None), (by_integration, 60), (by_model, 60)) is None
        assert await put(None, (by_integration, 60), (own, 3_599)) == "overrides.1.timeout_s"
        assert await put(3_600) is None

        assert (await service.call("PUT", "/subjects/device/a", json={"interval_s": 3_600})).status_code == 200
        await service.say(profile("device/a", model="chiller"))

        async def heard_as_chiller() -> bool:
            return await put(60, (by_model, 3_600)) is None

        await service.eventually(heard_as_chiller)
        await service.say(profile("device/a", model="pump"))

        async def heard_as_pump() -> bool:
            return (await service.get("/subjects/device/a"))["model"] == "pump"  # type: ignore[no-any-return]

        await service.eventually(heard_as_pump)
        assert await put(60, (by_model, 3_600), enabled=True) is None
        assert await put(61, (by_model, 3_600), enabled=True) == "timeout_s"


@pytest.mark.rule("HM-89")
async def test_a_write_that_comes_again_under_its_key_changes_nothing(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")

        async def write(method: str, path: str, key: str, **more: Any) -> tuple[int, Any]:
            headers = {"Idempotency-Key": key, **more.pop("headers", {})}
            answer = await service.call(method, path, headers=headers, **more)
            return answer.status_code, answer.json() if answer.content else None

        async def refused(method: str, path: str, key: str, **more: Any) -> None:
            status, body = await write(method, path, key, **more)
            assert (status, body["code"]) == (422, "idempotency_key_reused")

        policy, subject = "/health-policy", "/subjects/device/a"
        status, body = await write("PUT", policy, "k1", json={"open_debounce_s": 1})
        assert (status, body["version"]) == (200, 2)
        await write("PUT", policy, "k2", json={"open_debounce_s": 2})
        status, body = await write("PUT", policy, "k1", json={"open_debounce_s": 1})
        assert (status, body["version"], body["open_debounce_s"]) == (200, 3, 2)
        await refused("PUT", policy, "k1", json={"open_debounce_s": 3})
        await refused("PUT", policy, "k1", json={"open_debounce_s": 1}, headers={"If-Match": '"2"'})
        stale = await write("PUT", policy, "k3", json={"open_debounce_s": 3}, headers={"If-Match": '"2"'})
        assert stale[0] == 412
        assert (await write("PUT", policy, "k3", json={"open_debounce_s": 3}))[0] == 200

        assert (await write("PUT", subject, "k4", json={"name": "A"}))[0] == 201
        await write("PUT", subject, "k5", json={"name": "B"})
        status, body = await write("PUT", subject, "k4", json={"name": "A"})
        assert (status, body["name"]) == (200, "B")
        await refused("PUT", subject, "k4", json={"name": "C"})
        await refused("PUT", "/subjects/device/b", "k4", json={"name": "A"})
        await refused("DELETE", subject, "k4")
        assert [(await write("DELETE", subject, "k6"))[0] for _ in range(2)] == [204, 204]
        await refused("DELETE", "/subjects/device/b", "k6")
        assert (await write("DELETE", subject, "k7"))[0] == 404
