"""Asking why, on a real broker and database: judge, correlator and API together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from correlator_service import CorrelatorService
from sqlalchemy import text
from test_judge_verification import judging, monitored
from test_monitor_path import BRISK, beat, beating, in_state

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.partitions import partition_for
from fettle_contracts.times import rfc3339
from fettle_contracts.topics import HEARTBEATS

_AS_OF_ANOTHER = """
    WITH known AS (
        INSERT INTO outcome (verdict, org, subject, condition, cause, at, outcome, reason, policy_version, evidence,
                             decided_at)
        SELECT gen_random_uuid(), org, 'device/listed', condition, cause, at, outcome, reason, policy_version, evidence,
               decided_at
        FROM outcome WHERE subject = 'device/new' AND outcome = 'opened'
        RETURNING verdict, org, cause, at
    ) INSERT INTO called SELECT verdict, org, cause, at FROM known
"""
"""That one's ticket, from when it was watched."""


async def why(service: CorrelatorService, subject: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def answered() -> bool:
        answer = await service.call("GET", "/why", params={"subject": subject, **more})
        if answer.status_code == 200:
            found.update(answer.json())
        return answer.status_code == 200

    await service.eventually(answered)
    return found


async def until(service: CorrelatorService, subject: str, **fields: Any) -> dict[str, Any]:
    """Asks until the answer has these fields."""
    found: dict[str, Any] = {}

    async def so() -> bool:
        found.update(await why(service, subject))
        found["heard_of"] = bool(found["replayed"] and found["replayed"]["ignored"].get("list_only"))
        return all(found[name] == value for name, value in fields.items())

    await service.eventually(so)
    return found


@asynccontextmanager
async def world(environment: dict[str, str]) -> AsyncIterator[CorrelatorService]:
    async with monitored(environment) as service, judging(service):
        yield service


@pytest.mark.rule("HM-185", "HM-181", "HM-182", "HM-184")
@pytest.mark.forgets
async def test_a_silent_device_has_a_ticket_and_is_told_by_how_little(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(environment) as service:
        before = rfc3339(datetime.now(UTC))
        await beat(service, "device/x1")
        await in_state(service, "device/x1", "firing")
        found = await until(service, "device/x1", called_for=True)

        assert (found["state"], found["condition"], found["suppressed_by"]) == ("firing", "device_offline", None)
        assert found["reported"] == "ok"
        assert found["timer"]["what"] == "silence"
        assert found["timer"]["ran_out"]
        assert found["policy"]["numbers"]["timeout_s"] == {"value": 2, "set_by": "org"}
        assert found["policy"]["version"] == 2
        assert found["verdict"]["outcome"] == "opened"
        assert found["verdict"]["evidence"]["last_heard"] == found["last_heard"]
        assert "its silence was too long at" in found["because"]
        assert found["change"]["what"] in ("timeout_s", "open_debounce_s", "silence")
        assert {each["what"] for each in found["others"]} >= {"publish_tickets", "enabled"}
        assert found["replayed"]["heartbeats"] == 1

        past = await why(service, "device/x1", at=found["last_heard"])
        assert (past["called_for"], past["state"], past["at"]) == (False, "healthy", found["last_heard"])
        assert past["because"].startswith("It was healthy: last heard at")
        assert past["timer"]["what"] == "silence"
        assert not past["timer"]["ran_out"]

        early = await why(service, "device/x1", at=before)
        assert early["state"] is None
        later = await why(service, "device/x1", at="2099-01-01T00:00:00Z")
        assert later["at"] == later["as_of"]

        with monkeypatch.context() as hurried:
            hurried.setattr("fettle_health_monitor.correlator.why.WITHIN_S", 0.001)
            slow = await service.call("GET", "/why", params={"subject": "device/x1"})
            assert (slow.status_code, slow.headers["retry-after"]) == (503, "10")
        with monkeypatch.context() as poor:
            poor.setattr("fettle_health_monitor.correlator.why.RECORDS_MAX", 30)
            unfinished = await why(service, "device/x1")
            assert (unfinished["called_for"], unfinished["change"]) == (True, None)
            assert unfinished["no_change"].startswith("its log is too long for all changes to be tried")

        database = Database(service.settings.database_dsn("health"))
        async with unit_of_work(database) as work:
            await work.connection.execute(text("DELETE FROM outcome"))
        await database.close()
        unclear = await why(service, "device/x1")
        assert (unclear["called_for"], unclear["change"]) == (False, None)
        assert unclear["no_change"].startswith("what was decided does not follow from this subject's log alone")


@pytest.mark.rule("HM-288")
async def test_what_is_named_can_be_put(environment: dict[str, str]) -> None:
    """No more open debounce, as the rollup window is a second longer than it: a longer timeout."""
    tight = {**BRISK, "timeout_s": 2, "open_debounce_s": 5, "rollup_window_s": 6}
    async with monitored(environment) as service:
        await service.call("PUT", "/health-policy", json=tight)
        async with judging(service, version=3):
            await beat(service, "device/x1")
            await in_state(service, "device/x1", "firing")
            found = await until(service, "device/x1", called_for=True)
            named = {each["what"]: each for each in (found["change"], *found["others"])}
            assert "timeout_s" in named
            assert "open_debounce_s" not in named
            longer = {"match": {"subject": "device/x1"}, "timeout_s": named["timeout_s"]["wanted"]}
            answer = await service.call("PUT", "/health-policy", json={**tight, "overrides": [longer]})
            assert answer.status_code in (200, 202), answer.text


@pytest.mark.rule("HM-300")
async def test_what_cannot_be_put_is_not_named(environment: dict[str, str]) -> None:
    """No other override has room; a silence has."""
    others = [{"match": {"subject": f"device/{number}"}, "timeout_s": 9} for number in range(1_000)]
    async with monitored(environment) as service:
        answer = await service.call("PUT", "/health-policy", json={**BRISK, "overrides": others})
        assert answer.status_code in (200, 202), answer.text
        async with judging(service, version=3):
            await beat(service, "device/x1")
            await in_state(service, "device/x1", "firing")
            found = await until(service, "device/x1", called_for=True)
            named = {each["what"] for each in (found["change"], *found["others"])}
            assert named == {"silence", "publish_tickets", "enabled"}
            nothing = await until(service, "device/ghost", suppressed_by="never_heard")
            assert "nor was what could not be put" in nothing["no_change"]


@pytest.mark.rule("HM-185", "HM-183", "HM-317")
async def test_what_keeps_a_ticket_from_opening_is_named_and_what_would_let_it(environment: dict[str, str]) -> None:
    async with world(environment) as service:
        made = await service.call("POST", "/silences", json={"subject": "device/x1", "length_s": 3_600})
        await beat(service, "device/x1")
        await in_state(service, "device/x1", "firing")
        silenced = await until(service, "device/x1", suppressed_by="silenced")
        assert not silenced["called_for"]
        assert silenced["change"]["silence"] == made.json()["id"]
        assert silenced["change"]["text"] == "without the silence of ann@acme.test"

        await service.call("PUT", "/health-policy", json={**BRISK, "publish_tickets": False})
        await until(service, "device/x2", suppressed_by="never_heard")

        async def in_force() -> bool:
            return all(shard["version"] == 3 for shard in (await service.get("/health-policy"))["in_force"])

        await service.eventually(in_force)
        await beat(service, "device/x2")
        await in_state(service, "device/x2", "firing")
        unpublished = await until(service, "device/x2", suppressed_by="unpublished")
        assert unpublished["change"]["text"] == "publish_tickets off -> on"
        assert unpublished["verdict"]["outcome"] == "unpublished"

        await service.call("PUT", "/health-policy", json=BRISK)

        async def is_named_as_on_all_along() -> bool:
            found = await until(service, "device/x2", suppressed_by="unpublished")
            changes = [each for each in (found["change"], *found["others"]) if each is not None]
            (publishing,) = [each for each in changes if each["what"] == "publish_tickets"]
            assert publishing["wanted"]
            on = "publish_tickets on from the beginning"
            return bool(publishing["text"] == on and publishing["present"] and publishing["from_the_beginning"])

        await service.eventually(is_named_as_on_all_along)


@pytest.mark.rule("HM-186")
async def test_where_nothing_ever_arrived_the_answer_says_which_nothing(environment: dict[str, str]) -> None:
    async with world(environment) as service:
        nothing = await until(service, "device/ghost", suppressed_by="never_heard")
        assert (nothing["called_for"], nothing["change"]) == (False, None)
        assert nothing["no_change"] == (
            "no single change that was tried would have decided otherwise; subject_cap and default_interval_s were "
            "not tried"
        )

        put = await service.call("PUT", "/subjects/device/new", json={"interval_s": 1})
        assert put.status_code == 201
        registered = await until(service, "device/new", called_for=True)
        assert registered["last_heard"] is None
        assert registered["because"].startswith("It has never reported; its silence was too long at")

        await service.producer.send_and_wait(service.settings.topic(HEARTBEATS), b"{", key=b"acme/device/broken")
        broken = await until(service, "device/broken", suppressed_by="refused_heartbeats")
        assert broken["replayed"]["refused"] == {"not_json": 1}
        assert "(1 as not_json)" in broken["because"]

        await service.call("PUT", "/health-policy", json={**BRISK, "discover": "list_only"})

        async def in_force() -> bool:
            return all(shard["version"] == 3 for shard in (await service.get("/health-policy"))["in_force"])

        await service.eventually(in_force)
        async with beating(service, "device/listed"):
            listed = await until(service, "device/listed", suppressed_by="list_only", heard_of=True)
        assert listed["state"] is None
        assert listed["no_change"] == (
            "it is not watched, and judged from what is kept of the log it would have no ticket either"
        )
        silent = await until(service, "device/listed", no_change=None)
        assert (silent["change"]["what"], silent["change"]["text"]) == ("discover", "discover list_only -> judge")
        assert silent["suppressed_by"] == "list_only"

        await service.call("PUT", "/health-policy", json=BRISK)
        meanwhile = {"what": "discover", "present": "judge", "wanted": "judge", "from_the_beginning": True}

        async def is_judged_by_now() -> bool:
            change = (await why(service, "device/listed"))["change"] or {}
            return meanwhile.items() <= change.items()

        await service.eventually(is_judged_by_now)

        database = Database(service.settings.database_dsn("health"))
        async with unit_of_work(database) as work:
            await work.connection.execute(text(_AS_OF_ANOTHER))
        await database.close()
        both = await until(service, "device/listed", called_for=True)
        assert both["no_change"].startswith("what was decided does not follow from this subject's log alone")


@pytest.mark.rule("HM-266")
async def test_whose_ticket_was_merged_is_told_what_was_seen_of_itself(environment: dict[str, str]) -> None:
    async with world(environment) as service:
        await service.call("PUT", "/health-policy", json={**BRISK, "rollup_threshold": 2})

        async def in_force() -> bool:
            return all(shard["version"] == 3 for shard in (await service.get("/health-policy"))["in_force"])

        await service.eventually(in_force)
        await beat(service, "device/m1", integration="hue-1")
        await until(service, "device/m1", called_for=True)
        await beat(service, "device/m2", integration="hue-1")
        other = await until(service, "device/m2", called_for=True)
        found = await until(service, "device/m1", suppressed_by="joined")
        assert found["verdict"]["cause"] == "merged"
        assert found["last_heard"] < other["last_heard"]
        assert found["because"].startswith(f"Last heard at {found['last_heard']}; its silence was too long at")
        assert "its own ticket was merged into" in found["because"]
        assert found["verdict"]["evidence"]["last_heard"] == found["last_heard"]
        assert found["verdict"]["evidence"]["shares"] == "integration/hue-1:multiple_devices_offline"


@pytest.mark.rule("HM-180", "HM-182", "HM-186")
async def test_who_is_over_the_cap_is_said_to_be_so_though_there_is_room_for_one_alone(
    environment: dict[str, str],
) -> None:
    async with world(environment) as service:
        await service.call("PUT", "/health-policy", json={**BRISK, "subject_cap": 1})

        async def in_force() -> bool:
            return all(shard["version"] == 3 for shard in (await service.get("/health-policy"))["in_force"])

        await service.eventually(in_force)
        shards = len((await service.get("/health-policy"))["in_force"])
        first, over = in_one_partition(shards)
        await beat(service, first)
        await in_state(service, first, "firing")
        await beat(service, over)
        found = await until(service, over, suppressed_by="subject_cap")
        assert (found["state"], found["called_for"], found["change"]) == (None, False, None)
        assert found["no_change"].startswith("it is not watched")
        assert (await why(service, first))["suppressed_by"] is None


def in_one_partition(partitions: int) -> tuple[str, str]:
    names = [f"device/c{number}" for number in range(partitions + 1)]
    taken: dict[int, str] = {}
    for name in names:
        partition = partition_for(f"acme/{name}".encode(), partitions)
        if partition in taken:
            return taken[partition], name
        taken[partition] = name
    raise AssertionError("more names than partitions")


@pytest.mark.rule("HM-186")
async def test_an_org_that_is_switched_off_says_so_and_names_the_switch(environment: dict[str, str]) -> None:
    async with world(environment) as service:
        await service.call("PUT", "/health-policy", json={**BRISK, "enabled": False})
        off = await until(service, "device/x1", suppressed_by="not_enabled")
        assert "switched off" in off["because"]
        await beat(service, "device/x1")

        async def would_have() -> bool:
            change = (await why(service, "device/x1"))["change"]
            return change is not None and change["text"] == "enabled off -> on"

        await service.eventually(would_have)


@pytest.mark.rule("HM-185", "HM-81")
async def test_what_cannot_be_asked_is_refused(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        early = await service.call("GET", "/why", params={"subject": "device/x1"})
        assert (early.status_code, early.headers.get("retry-after")) == (503, "10"), early.text
        assert (await service.call("GET", "/why", params={"subject": "x1"})).status_code == 400
        assert (await service.call("GET", "/why", params={"subject": "space/x"})).status_code == 404
        assert (await service.call("GET", "/why", params={"subject": "device/x1"}, of="other")).status_code == 404
        refused = await service.call("GET", "/why", params={"subject": "device/x1", "at": "then"})
        assert refused.status_code == 400
