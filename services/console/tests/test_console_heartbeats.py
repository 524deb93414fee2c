"""Heartbeats by HTTP: what is accepted stands in the log, what is not is named."""

import json

import pytest
from console_log import in_the_log
from console_world import World

from fettle_contracts.partitions import partition_for

PATH = "/api/v1/orgs/acme/heartbeats"


@pytest.mark.rule("AC-10", "AC-11")
async def test_what_is_accepted_stands_in_the_log_and_what_is_refused_is_named(new_world: World) -> None:
    token = await new_world.token("acme", "ingest")
    body = b"\n".join(
        [
            b'{"type":"device","id":"t17","status":"ok","interval_s":30}',
            b"{",
            b'{"type":"device","id":"t18","status":"unreachable"}',
            b'{"type":"integration","id":"hue-1"}',
        ]
    )
    answer = await new_world.call("POST", PATH, token, content=body)
    assert answer.status_code == 202
    assert answer.json()["accepted"] == 2
    assert [(line["line"], line["code"]) for line in answer.json()["refused"]] == [
        (2, "not_json"),
        (3, "status_invalid"),
    ]
    found = await in_the_log(new_world)
    assert {(key, value) for _, key, value in found} == {
        (b"acme/device/t17", b'{"status":"ok","interval_s":30}'),
        (b"acme/integration/hue-1", b""),
    }
    partitions = new_world.settings.topic_partitions
    assert partitions
    assert all(partition == partition_for(key, partitions) for partition, key, _ in found)


@pytest.mark.rule("AC-11")
async def test_a_full_body_is_taken_in_one_answer(new_world: World) -> None:
    token = await new_world.token("acme", "ingest")
    fleet = [{"type": "device", "id": f"d{number}", "reason": "r" * 1000} for number in range(900)]
    body = "\n".join(json.dumps(device) for device in fleet).encode()
    answer = await new_world.call("POST", PATH, token, content=body)
    assert answer.json() == {"accepted": 900, "refused": []}
    assert len(await in_the_log(new_world)) == 900
