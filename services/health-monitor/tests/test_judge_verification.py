"""Comparing what a replay says with what was published: by hand, and on a real broker and database."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from correlator_facts import T0
from correlator_service import PARTITIONS, CorrelatorService
from judge_log import Log, judge
from sqlalchemy import text
from test_monitor_path import BRISK, beat, beating, in_state

from fettle_chassis.database import Database
from fettle_chassis.tokens import Role
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import JUDGEMENTS
from fettle_health_monitor.domain.judge.checkpoint import snapshot
from fettle_health_monitor.domain.judgements import Change, decode, encode
from fettle_health_monitor.domain.verification import (
    Statement,
    compare,
    subjects_that_differ,
)
from fettle_health_monitor.judge_app import build_judge

SUBJECT = "device/x1"
SHARD = partition_for(b"acme/device/x1", PARTITIONS)


def said(*ids: str) -> list[Statement]:
    return [Statement(id, {"subject": id, "at": "then"}) for id in ids]


@pytest.mark.rule("HM-171")
def test_what_is_the_same_is_counted_and_all_else_named() -> None:
    assert compare(said("a", "b"), said("a", "b")).same == 2
    assert not compare(said("a", "b"), said("a", "b")).differences

    found = compare(said("a", "b", "c", "d"), [*said("a", "c", "x"), Statement("d", {"subject": "d", "at": "later"})])
    assert found.same == 2
    assert [(each.wrong, each.id, each.fields) for each in found.differences] == [
        ("missing", "b", ()),
        ("different", "d", ("at",)),
        ("surplus", "x", ()),
    ]


@pytest.mark.rule("HM-171")
def test_what_stands_in_another_order_is_named() -> None:
    found = compare(said("a", "b", "c"), said("a", "c", "b"))
    assert [(each.wrong, each.id) for each in found.differences] == [("out_of_order", "c")]
    assert found.same == 2


@pytest.mark.rule("HM-171")
def test_states_are_compared_subject_by_subject() -> None:
    log = Log().policy().beat().beat("acme/device/b").beat("acme/device/c")
    other = Log().policy().beat().beat("acme/device/c").beat("acme/device/c", status="offline")
    one = snapshot(judge(log).shard)
    assert subjects_that_differ("acme", one, one) == []
    assert subjects_that_differ("acme", one, snapshot(judge(other).shard)) == ["device/b", "device/c"]
    silent_of_itself, told = (snapshot(judge(Log().policy().beat(**said)).shard) for said in ({}, {"model": "T100"}))
    assert subjects_that_differ("acme", silent_of_itself, told) == ["device/t17"]


async def judges_by(service: CorrelatorService, version: int) -> bool:
    """Whether every shard judges by this version of the org's policy."""
    return all(shard["version"] == version for shard in (await service.get("/health-policy"))["in_force"])


@asynccontextmanager
async def judging(service: CorrelatorService, version: int = 2) -> AsyncIterator[None]:
    """A judge runs, and judges by this version of the org's policy."""
    async with build_judge(service.settings).running():
        await service.eventually(lambda: judges_by(service, version))
        yield


@asynccontextmanager
async def monitored(environment: dict[str, str], **more: str) -> AsyncIterator[CorrelatorService]:
    """A correlator with an org that is judged briskly; judges are the test's to run."""
    async with CorrelatorService.open(environment, FETTLE_CHECKPOINT_EVERY_S="0.3", **more) as service:
        await service.tell_org("acme")
        await service.call("PUT", "/health-policy", json=BRISK)
        yield service


async def verified(service: CorrelatorService, shard: int = SHARD, **more: Any) -> dict[str, Any]:
    lines = await lines_of(service, shard, **more)
    body: dict[str, Any] = lines[-1]["verified"]
    return body


async def lines_of(service: CorrelatorService, shard: int = SHARD, **more: Any) -> Sequence[Any]:
    answer = await service.call("GET", "/verify", params={"partition": shard, **more})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.text.splitlines()]


async def judged_until(service: CorrelatorService) -> str:
    until: str = (await service.get("/subjects"))["as_of"]
    return until


async def all_is_saved(service: CorrelatorService, changes: int, shard: int = SHARD) -> dict[str, Any]:
    """Waits until the newest checkpoint is behind so many changes, and the correlator behind the same."""
    found: dict[str, Any] = {}

    async def reached() -> bool:
        answer = await service.call("GET", "/verify", params={"partition": shard})
        if answer.status_code == 200:
            found.update(json.loads(answer.text.splitlines()[-1])["verified"])
        return bool(found) and found["published_same"] == found["history_same"] >= changes

    await service.eventually(reached)
    return found


@pytest.mark.rule("HM-79", "HM-171", "HM-172", "HM-277")
async def test_an_untouched_log_verifies_across_a_restart_of_its_judge(environment: dict[str, str]) -> None:
    async with monitored(environment) as service:
        async with judging(service):
            await beat(service, SUBJECT)
            await in_state(service, SUBJECT, "firing")
        async with judging(service), beating(service, SUBJECT):
            await in_state(service, SUBJECT, "healthy")
            earlier = await judged_until(service)
            found = await all_is_saved(service, 5)
            assert earlier <= found["as_of"] <= await judged_until(service)

            async def all_shards_are_past_it() -> bool:
                """The checkpoint is one shard's and saved when it is due; a clock is told once a second, and the
                slowest shard's is `as_of`."""
                return await judged_until(service) >= str(found["until"])

            await service.eventually(all_shards_are_past_it)
        assert found["same"]
        assert found["published_same"] == found["history_same"] >= 5
        assert found["partition"] == SHARD
        assert found["states"] == []
        assert found["records"] > 5
        assert (await verified(service, since=found["since"]))["since"] == found["since"]
        # When the hour has changed in between, another checkpoint is kept.
        assert found["since"] <= (await verified(service, since=found["until"]))["since"] <= found["until"]
        refused = await service.call("GET", "/verify", params={"partition": PARTITIONS})
        assert refused.status_code == 404
        assert refused.json()["detail"] == f"There is no partition {PARTITIONS}, only 0 to {PARTITIONS - 1}."
        assert (await service.call("GET", "/verify", params={"partition": 0}, role=Role.OPERATOR)).status_code == 403


@pytest.mark.rule("HM-171")
@pytest.mark.forgets
async def test_what_was_tampered_with_in_the_history_is_named(environment: dict[str, str]) -> None:
    async with monitored(environment) as service:
        async with judging(service):
            await beat(service, SUBJECT)
            await in_state(service, SUBJECT, "firing")
            await all_is_saved(service, 3)
        database = Database(service.settings.database_dsn("health"))
        async with unit_of_work(database) as work:
            for tampering in (
                "UPDATE transition SET body = jsonb_set(body, '{since}', to_jsonb('2026-01-01T00:00:00.000Z'::text)) "
                "WHERE to_state = 'pending_open'",
                "DELETE FROM transition WHERE to_state = 'firing'",
                "INSERT INTO transition (id, org, subject, from_state, to_state, at, body) "
                "SELECT gen_random_uuid(), org, subject, from_state, to_state, at, body FROM transition "
                "WHERE to_state = 'healthy'",
            ):
                await work.connection.execute(text(tampering))
        await database.close()

        found = await verified(service)
    assert not found["same"]
    assert found["published_same"] == 3
    assert [(each["where"], each["wrong"], each["fields"]) for each in found["differences"]] == [
        ("history", "different", ["since"]),
        ("history", "missing", []),
        ("history", "surplus", []),
    ]


@pytest.mark.rule("HM-171")
async def test_what_nobody_judged_is_found_among_the_judgements(environment: dict[str, str]) -> None:
    async with monitored(environment) as service, judging(service):
        await beat(service, SUBJECT)
        await in_state(service, SUBJECT, "firing")
        await all_is_saved(service, 3)
        made_up = await newest_change(service)
        await service.say(made_up)

        async def named() -> bool:
            found = (await verified(service))["differences"]
            wrong = {(each["where"], each["wrong"]) for each in found if each["id"] == made_up.id}
            return wrong == {("published", "surplus"), ("history", "surplus")}

        await service.eventually(named)


async def newest_change(service: CorrelatorService) -> Change:
    """A change like the last one, that a later record is said to have caused: the correlator takes it in."""

    def changes(found: Sequence[Any]) -> list[Change]:
        return [one for one in (decode(told.value) for told in found) if isinstance(one, Change)]

    told = await service.read(JUDGEMENTS, lambda found: len(changes(found)) >= 3)
    last = changes(told)[-1]
    ahead = max(decode(one.value).place[0] for one in told if decode(one.value).shard == SHARD) + 8
    raw = json.loads(encode(last))
    raw |= {"id": "6f0a2d5e-52d5-4d0c-9c0b-1f1f7c3f8a11", "place": [ahead, 1_000], "at": max(last.at, T0)}
    made_up = decode(json.dumps(raw).encode())
    assert isinstance(made_up, Change)
    return made_up


@pytest.mark.rule("HM-171", "HM-277")
async def test_a_shard_without_a_checkpoint_says_so(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        refused = await service.call("GET", "/verify", params={"partition": SHARD})
        assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
        wayout = "while its judge runs it soon has one"
        assert refused.json()["detail"] == f"shard {SHARD} has no checkpoint yet; {wayout}."
