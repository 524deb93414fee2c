"""What the API says of a judge and a correlator that both run, whatever is asked."""

import json
from collections import Counter
from typing import Any

import pytest
from correlator_service import CorrelatorService
from test_judge_verification import judges_by, judging, monitored
from test_monitor_path import BRISK, beat, beating, in_state

from fettle_contracts.partitions import partition_for
from fettle_contracts.times import parse_time

SUBJECT = "device/x1"
OF_ORG = "/api/v1/orgs/{org}"
ASKED: dict[str, Any] = {"subject": SUBJECT, "partition": 0}
"""What questions need to be told."""


def last_line(answer: str) -> dict[str, Any]:
    """The answer, or of one that comes in lines the last one's body."""
    body: dict[str, Any] = json.loads(answer.splitlines()[-1])
    return body if len(body) > 1 else next(iter(body.values()))


@pytest.mark.rule("HM-79")
async def test_every_question_is_answered_with_up_to_when_heartbeats_have_been_judged(
    environment: dict[str, str],
) -> None:
    async with monitored(environment) as service, judging(service):
        async with beating(service, SUBJECT):
            await in_state(service, SUBJECT, "healthy")
        document = (await service.client.get("/openapi.json")).json()
        questions = {path: operations["get"] for path, operations in document["paths"].items() if "get" in operations}
        asked = 0
        for path, operation in questions.items():
            if not path.startswith(OF_ORG):
                continue
            needs = [one["name"] for one in operation.get("parameters", ()) if one["in"] == "query" and one["required"]]
            place = path.removeprefix(OF_ORG).format(type="device", id="x1")
            found: dict[str, Any] = {}

            async def answered(place: str = place, needs: list[str] = needs, found: dict[str, Any] = found) -> bool:
                answer = await service.call("GET", place, params={name: ASKED[name] for name in needs})
                found.update(last_line(answer.text) if answer.status_code == 200 else {})
                return answer.status_code == 200

            await service.eventually(answered)
            before = parse_time((await service.get("/health-policy"))["as_of"])
            assert found["as_of"], place
            assert parse_time(found["as_of"]) <= before, place
            asked += 1
        assert asked >= 9


CAP, SHARDS, NEWCOMERS = 8, 4, [f"device/n{number}" for number in range(40)]


async def standing(service: CorrelatorService) -> dict[str, str | None]:
    """Why who is known is not watched; nobody says why of who is."""
    page = await service.get("/subjects", params={"limit": 200})
    return {f"{one['type']}/{one['id']}": one["unwatched"] for one in page["items"]}


@pytest.mark.rule("HM-19", "HM-268")
async def test_all_shards_together_watch_no_more_than_the_cap(environment: dict[str, str]) -> None:
    """Each its part, and newcomers are taken in where there is room, whatever the other shards have."""
    shard_of = {subject: partition_for(f"acme/{subject}".encode(), SHARDS) for subject in NEWCOMERS}
    assert min(Counter(shard_of.values()).values()) > CAP // SHARDS + 1
    async with monitored(environment, FETTLE_TOPIC_PARTITIONS=str(SHARDS)) as service:
        await service.call("PUT", "/health-policy", json={**BRISK, "timeout_s": 600, "subject_cap": CAP})
        async with judging(service, version=3):
            await beat(service, *NEWCOMERS)

            async def all_known() -> bool:
                return len(await standing(service)) == len(NEWCOMERS)

            await service.eventually(all_known)
            known = await standing(service)
            watched = [subject for subject, why in known.items() if why is None]
            assert Counter(shard_of[subject] for subject in watched) == dict.fromkeys(range(SHARDS), CAP // SHARDS)
            assert {why for why in known.values() if why} == {"subject_cap"}

            await service.call("PUT", "/health-policy", json={**BRISK, "timeout_s": 600})
            await service.eventually(lambda: judges_by(service, 4))
            await beat(service, *NEWCOMERS)

            async def all_watched() -> bool:
                return set((await standing(service)).values()) == {None}

            await service.eventually(all_watched)
