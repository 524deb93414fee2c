"""Importing subjects: over HTTP, on a real database, with what the shards are told."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from correlator_facts import T0, next_place
from correlator_service import CorrelatorService, Told
from prometheus_client import REGISTRY

from fettle_chassis.database import Database
from fettle_chassis.lease import lock_key
from fettle_chassis.tokens import Role
from fettle_contracts.imports import IMPORT_MAX_LINES
from fettle_contracts.topics import HEARTBEATS
from fettle_health_monitor.domain.judgements import Profile
from fettle_health_monitor.settings import HealthSettings

CSV = {"content-type": "text/csv; charset=utf-8"}
NDJSON = {"content-type": "application/x-ndjson"}
PATH = "/subjects/import"
HEADER = "type,id,name,integration,interval_s\n"


def lines_of(answer: httpx2.Response) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    *lines, last = [json.loads(line) for line in answer.text.splitlines()]
    return lines, last["summary"]


def counts(summary: dict[str, Any]) -> tuple[int, ...]:
    return tuple(summary[name] for name in ("added", "changed", "unchanged", "refused"))


async def imported(service: CorrelatorService, text: str, **more: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    headers = more.pop("headers", CSV)
    return lines_of(await service.call("POST", PATH, content=text.encode(), headers=headers, **more))


def told_of_results() -> list[float]:
    """How many lines the metric has counted by now, in the order of `counts`."""
    results = ("added", "changed", "unchanged", "refused")
    name = "fettle_correlator_imported_lines_total"
    return [REGISTRY.get_sample_value(name, {"result": result}) or 0.0 for result in results]


async def registers(service: CorrelatorService, enough: int) -> list[tuple[str, int, int, Any]]:
    """Key, partition, number and name of each registration in the shards' logs."""

    def those(records: list[Told]) -> list[Told]:
        return [record for record in records if record.headers["fettle-control"] == "register"]

    found = those(await service.read(HEARTBEATS, lambda records: len(those(records)) >= enough))
    return [(one.key, one.partition, int(one.headers["fettle-number"]), one.body.get("name")) for one in found]


@pytest.mark.rule("HM-190", "HM-191", "HM-192", "HM-194")
async def test_a_file_is_entered_line_by_line_and_once(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        before = told_of_results()
        await service.call("PUT", "/health-policy", json={"timeout_s": 60})
        await service.call("PUT", "/subjects/device/b", json={"name": "was B"})
        await service.call("PUT", "/subjects/device/c", json={"name": "C"})
        text = f"{HEADER}device,a,A,hue-1,60\ndevice,b,B,,\ndevice,c,C,,\ndevice,d,D,,61\nlift,e,,,\ndevice,a,twice,,\n"
        text += "device,d,D,,30\n"
        expected = ["added", "changed", "unchanged", *["refused"] * 4]

        lines, summary = await imported(service, text, params={"dry_run": "true"})
        assert [line["result"] for line in lines] == expected
        assert (counts(summary), summary["dry_run"], summary["acknowledged"]) == ((1, 1, 1, 4), True, None)
        assert summary["lines"] == 7
        assert told_of_results() == before
        assert (await service.get("/subjects/device/b"))["name"] == "was B"

        lines, summary = await imported(service, text, role=Role.OPERATOR)
        assert [line["result"] for line in lines] == expected
        assert [(line["line"], line["subject"]) for line in lines] == [
            (2, "device/a"),
            (3, "device/b"),
            (4, "device/c"),
            (5, "device/d"),
            (6, None),
            (7, "device/a"),
            (8, "device/d"),
        ]
        assert [(line["code"], line["field"]) for line in lines[3:]] == [
            ("malformed", "interval_s"),
            ("malformed", "type"),
            ("conflict", "id"),
            ("conflict", "id"),
        ]
        assert "above timeout_s 60" in lines[3]["rule"]
        assert (counts(summary), summary["dry_run"], summary["acknowledged"]) == ((1, 1, 1, 4), False, True)
        assert [now - then for now, then in zip(told_of_results(), before, strict=True)] == [1, 1, 1, 4]
        shown = await service.get("/subjects/device/a")
        assert (shown["name"], shown["integration"], shown["interval_s"], shown["registered"]) == (
            "A",
            "hue-1",
            60,
            True,
        )

        _, summary = await imported(service, text)
        assert counts(summary) == (0, 0, 3, 4)
        await service.call("PUT", "/subjects/device/z", json={"name": "last"})
        told = await registers(service, 5)
        assert [name for *_, name in sorted(told, key=lambda one: one[2])] == ["was B", "C", "A", "B", "last"]


@pytest.mark.rule("HM-190", "HM-191")
async def test_many_lines_are_told_to_their_shards_under_rising_numbers(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        text = "\n".join(json.dumps({"type": "device", "id": f"d{number}"}) for number in range(1_203))
        lines, summary = await imported(service, text, headers=NDJSON)
        assert [line["line"] for line in lines] == list(range(1, 1_204))
        assert counts(summary) == (1_203, 0, 0, 0)
        told = await registers(service, 1_203)
        assert len({key for key, *_ in told}) == len({number for _, _, number, _ in told}) == 1_203
        by_key = {key: (partition, number) for key, partition, number, _ in told}
        numbers = [by_key[f"acme/device/d{number}"][1] for number in range(1_203)]
        assert numbers == sorted(numbers)
        assert {partition for partition, _ in by_key.values()} == {0, 1, 2}
        _, again = await imported(service, text, headers=NDJSON)
        assert counts(again) == (0, 0, 1_203, 0)
        assert len(await registers(service, 1_203)) == 1_203


@pytest.mark.rule("HM-193", "HM-195")
async def test_what_is_no_file_for_the_registry_enters_nothing(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")

        async def refused(status: int, content: Any, **more: Any) -> dict[str, Any]:
            answer = await service.call("POST", PATH, **{"content": content, "headers": CSV, **more})
            assert answer.status_code == status, answer.text
            body: dict[str, Any] = answer.json()
            return body

        good = f"{HEADER}device,a,A,,\n".encode()
        assert (await refused(400, b"type,id,nmae\ndevice,a,A\n"))["field"] == "nmae"
        assert "no line" in (await refused(400, b""))["detail"]
        assert "no line" in (await refused(400, HEADER.encode()))["detail"]
        assert (await refused(400, good, headers={"content-type": "text/plain"}))["field"] == "Content-Type"
        await refused(403, good, role=Role.VIEWER)
        await refused(404, good, of="other")
        await refused(404, good, org="nobody")
        many = await refused(413, good + b"\n" * IMPORT_MAX_LINES)
        assert "200000 lines" in many["detail"]
        last = b"\n" * (IMPORT_MAX_LINES - good.count(b"\n")) + b"device,b,B,,"
        await refused(413, good + last)

        async def endless() -> AsyncIterator[bytes]:
            yield good
            for _ in range(65):
                yield b"x" * 2**20

        assert (await refused(413, endless()))["code"] == "too_large"
        assert (await service.get("/subjects"))["items"] == []
        just = good + b"\n" * (IMPORT_MAX_LINES - good.count(b"\n"))
        _, summary = await imported(service, just.decode(), headers={"content-type": "TEXT/CSV ;charset=utf-8"})
        assert counts(summary) == (1, 0, 0, 0)


@pytest.mark.rule("HM-190")
async def test_who_was_only_heard_is_added_though_nothing_is_said_of_it(environment: dict[str, str]) -> None:
    async with CorrelatorService.open(environment) as service:
        await service.tell_org("acme")
        said: Any = dict.fromkeys(("name", "integration", "space", "model", "interval_s"))
        await service.say(
            Profile(shard=0, generation=1, place=next_place(), org="acme", subject="device/a", at=T0, **said)
        )

        async def is_known() -> bool:
            return (await service.call("GET", "/subjects/device/a")).status_code == 200

        await service.eventually(is_known)
        for expected in ((1, 0, 0, 0), (0, 0, 1, 0)):
            _, summary = await imported(service, "type,id\ndevice,a\n")
            assert counts(summary) == expected


@pytest.mark.rule("HM-194")
async def test_the_sum_says_when_kafka_does_not_have_all_of_it_yet(environment: dict[str, str]) -> None:
    """Another process holds the relay's lease and publishes nothing; the file ends with lines that change nothing."""
    database = Database(HealthSettings.load(environment).database_dsn("health"))
    await database.ensure_exists()
    relay = await database.session()
    await relay.execute("SELECT pg_advisory_lock($1)", lock_key("relay"))
    async with CorrelatorService.open(environment, FETTLE_ACKNOWLEDGED_WITHIN_S="0.3") as service:
        await service.tell_org("acme")
        old, new = ([f"device,{name}{number},,,\n" for number in range(500)] for name in ("old", "new"))
        await imported(service, HEADER + "".join(old))
        _, summary = await imported(service, HEADER + "".join(new + old))
        assert (counts(summary), summary["acknowledged"]) == ((500, 0, 500, 0), False)
        _, summary = await imported(service, HEADER + "".join(old))
        assert (counts(summary), summary["acknowledged"]) == ((0, 0, 500, 0), False)
        await relay.close()
        await registers(service, 1_000)
    await database.close()
