"""The commands that speak to Kafka themselves, on a real one."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cli.tests.fettle_api import FettleApi, serving
from cli.tests.ran import Fettle

from fettle_chassis.stored_records import StoredRecord, newest_records
from fettle_cli import kafka
from fettle_cli.installation import Installation
from fettle_contracts.partitions import partition_for
from fettle_contracts.topics import COMMANDS, HEARTBEATS, TOPICS, dead_letters_of

PARTITIONS = 4
METRICS = """
# TYPE fettle_correlator_hour_verdicts gauge
fettle_correlator_hour_verdicts{ending="called",hour="current",org="acme"} 2.0
fettle_correlator_hour_verdicts{ending="opened",hour="current",org="acme"} 1.0
fettle_correlator_hour_verdicts{ending="waiting",hour="current",org="acme"} 1.0
fettle_correlator_hour_verdicts{ending="called",hour="previous",org="acme"} 3.0
fettle_correlator_hour_verdicts{ending="opened",hour="previous",org="acme"} 2.0
fettle_correlator_hour_verdicts{ending="already_open",hour="previous",org="acme"} 1.0
fettle_correlator_hour_verdicts{ending="called",hour="current",org="beta"} 7.0
# TYPE fettle_correlator_verdicts_unaccounted gauge
fettle_correlator_verdicts_unaccounted 0.0
"""


@pytest.fixture
def prefix(fettle: Fettle, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """A Kafka that the environment names; topics get this prefix."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FETTLE_ORG", "acme")
    return environment["FETTLE_TOPIC_PREFIX"]


def _make(servers: Any, prefix: str, *names: str, config: Mapping[str, str] | None = None) -> None:
    async def make() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka.bootstrap)
        await admin.start()
        made = await admin.create_topics(
            [
                NewTopic(
                    prefix + name,
                    1 if name.endswith(".dlq") else PARTITIONS,
                    1,
                    topic_configs={**TOPICS[name].config(), **(config or {})},
                )
                for name in names
            ]
        )
        assert [error for _, error, *_ in made.topic_errors if error] == [], made
        # The broker tells of new topics a moment after the controller has made them.
        while not {prefix + name for name in names} <= set(await admin.list_topics()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await admin.close()

    asyncio.run(make())


def _send(servers: Any, topic: str, *records: tuple[bytes, bytes | None, list[tuple[str, bytes]]]) -> None:
    async def send() -> None:
        producer = AIOKafkaProducer(bootstrap_servers=servers.kafka.bootstrap)
        await producer.start()
        for key, value, headers in records:
            await producer.send_and_wait(topic, value, key=key, headers=headers)
        await producer.stop()

    asyncio.run(send())


def _letter(reason: str, offset: int) -> list[tuple[str, bytes]]:
    named = {
        "dlq-topic": "t.ticket.commands",
        "dlq-partition": "3",
        "dlq-offset": str(offset),
        "dlq-reason": reason,
        "dlq-message": f"It is {reason}.",
        "dlq-at": f"2026-11-23T10:15:3{offset}.250Z",
        "dlq-service": "ticket-service",
    }
    return [("ce_id", b"\xff1"), *((name, value.encode()) for name, value in named.items())]


def _held(name: str) -> list[StoredRecord]:
    settings = kafka.kafka_settings(Installation.here())
    return kafka.run(settings, newest_records(settings, [name], 10_000, kafka.CLIENT))


@pytest.mark.rule("AC-65")
def test_a_heartbeat_is_sent_to_the_partition_of_its_key(fettle: Fettle, servers: Any, prefix: str) -> None:
    _make(servers, prefix, HEARTBEATS)
    assert fettle("heartbeat", "send", "device/x1", "--interval-s", "1", "--name", "Dør 1").status == 0
    sent = json.loads(fettle("heartbeat", "send", "device/gw/7", "--status", "offline", "--json").out)
    assert sent["partition"] == partition_for(b"acme/device/gw/7", PARTITIONS)
    assert fettle("heartbeat", "send", "integration/hue-1", "--org", "beta").status == 0
    assert fettle("heartbeat", "send", "device/x2", "--interval-s", "30.5").status == 0
    found = {record.key: (record.partition, record.value) for record in _held(HEARTBEATS)}
    expected = {
        b"acme/device/x1": '{"interval_s":1,"name":"Dør 1"}'.encode(),
        b"acme/device/gw/7": b'{"status":"offline"}',
        b"acme/device/x2": b'{"interval_s":30.5}',
        b"beta/integration/hue-1": b"",
    }
    assert found == {key: (partition_for(key, PARTITIONS), value) for key, value in expected.items()}


@pytest.mark.rule("AC-65")
def test_the_simulator_publishes_at_its_rate_into_the_right_partitions(
    fettle: Fettle, servers: Any, prefix: str
) -> None:
    _make(servers, prefix, HEARTBEATS)
    ran = fettle("simulate", "--devices", "40", "--integrations", "2", "--rate", "100", "--for", "3", "--seed", "5")
    assert ran.status == 0
    assert "40 devices over 2 integrations of acme: 100.0 heartbeats a second, seed 5" in ran.out
    records = _held(HEARTBEATS)
    assert 250 <= len(records) <= 300
    assert f"{len(records)} heartbeats sent, 0 lost" in ran.out
    for record in records:
        assert record.partition == partition_for(record.key or b"", PARTITIONS)


@pytest.mark.rule("AC-60", "AC-65")
def test_the_simulator_says_in_json_what_it_did(fettle: Fettle, servers: Any, prefix: str) -> None:
    _make(servers, prefix, HEARTBEATS)
    ran = fettle("simulate", "--devices", "9", "--integrations", "1", "--rate", "20", "--for", "1", "--json")
    assert ran.status == 0
    began, ended = (json.loads(line) for line in ran.out.splitlines())
    assert (began["event"], began["org"], began["devices"], began["rate"]) == ("began", "acme", 9, 20.0)
    assert ended == {"event": "ended", "at_s": 1.0, "sent": len(_held(HEARTBEATS)), "lost": 0}
    assert ended["sent"] > 0


@pytest.mark.rule("HM-278")
def test_a_simulation_ends_with_what_became_of_verdicts(
    fettle: Fettle, servers: Any, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(servers, prefix, HEARTBEATS)
    simulate = ("simulate", "--devices", "9", "--integrations", "1", "--rate", "20", "--for", "0.2")
    monkeypatch.delenv("FETTLE_HEALTH_URL")
    unread = fettle(*simulate)
    assert (unread.status, unread.err) == (
        0,
        "What became of verdicts was not looked at: nothing says where the health monitor is: set FETTLE_HEALTH_URL.\n",
    )
    with serving() as monitor:
        monkeypatch.setenv("FETTLE_HEALTH_URL", monitor.url)
        monitor.answers["GET", "/metrics"] = (200, METRICS)
        ran = fettle(*simulate)
        assert ran.status == 0
        assert ran.out.splitlines()[-3:] == [
            "acme, the hour before 3 verdicts were called for: 1 already open, 2 opened",
            "acme, this hour 2 verdicts were called for: 1 opened, 1 waiting",
            "All verdicts are accounted for, a minute ago at most.",
        ]
        said = json.loads(fettle(*simulate, "--json").out.splitlines()[-1])
        assert said == {
            "event": "books",
            "org": "acme",
            "hours": [
                {"hour": "previous", "called": 3, "ended": {"opened": 2, "already_open": 1}},
                {"hour": "current", "called": 2, "ended": {"opened": 1, "waiting": 1}},
            ],
            "unaccounted": 0,
            "adds_up": True,
        }
        for right, wrong in (
            ('ending="opened",hour="current",org="acme"} 1.0', 'ending="opened",hour="current",org="acme"} 2.0'),
            ('ending="called",hour="previous",org="acme"} 3.0', 'ending="called",hour="previous",org="acme"} 4.0'),
            ("verdicts_unaccounted 0.0", "verdicts_unaccounted 1.0"),
        ):
            monitor.answers["GET", "/metrics"] = (200, METRICS.replace(right, wrong))
            ill = fettle(*simulate, "--json")
            assert (ill.status, json.loads(ill.out.splitlines()[-1])["adds_up"]) == (1, False)
            assert ill.err.startswith("fettle: verdicts do not add up to outcomes")
        monitor.answers["GET", "/metrics"] = (200, "")
        assert "no books of verdicts" in fettle(*simulate).err


@pytest.mark.rule("AC-66")
def test_dead_letters_are_listed_newest_first_and_shown_whole(fettle: Fettle, servers: Any, prefix: str) -> None:
    letters = dead_letters_of(COMMANDS)
    assert fettle("dlq", "list").out == "No dead letters.\n"
    _make(servers, prefix, letters)
    records = [
        (b"acme", b"{", _letter("unreadable", 1)),
        (b"acme", b'{"org":"acme"}', _letter("unsigned", 2)),
    ]
    _send(servers, prefix + letters, *records)
    listed = fettle("dlq", "list", COMMANDS)
    assert listed.status == 0
    assert [line.split()[3] for line in listed.out.splitlines()[1:]] == ["unsigned", "unreadable"]
    (newest,) = json.loads(fettle("dlq", "list", "--limit", "1", "--json").out)["items"]
    assert newest == {
        "topic": COMMANDS,
        "offset": 1,
        "at": "2026-11-23T10:15:32.250Z",
        "reason": "unsigned",
        "message": "It is unsigned.",
        "service": "ticket-service",
        "source_partition": "3",
        "source_offset": "2",
        "key": "acme",
    }
    shown = fettle("dlq", "show", COMMANDS, "0")
    for word in ("unreadable", "It is unreadable.", "ticket-service", "ce_id"):
        assert word in shown.out
    assert shown.out.endswith("\n\n{\n")
    assert json.loads(fettle("dlq", "show", COMMANDS, "1", "--json").out)["value"] == '{"org":"acme"}'
    missing = fettle("dlq", "show", COMMANDS, "2")
    assert missing.status == 1
    assert "nothing at offset 2" in missing.err


@pytest.mark.rule("AC-66")
def test_dead_letters_are_sent_again_as_they_came(fettle: Fettle, servers: Any, prefix: str) -> None:
    letters = dead_letters_of(COMMANDS)
    _make(servers, prefix, letters, COMMANDS)
    headers = [(name, value if name != "dlq-partition" else b"1") for name, value in _letter("unsigned", 2)]
    too_large = [
        (name, value if name != "dlq-message" else b"x (value of 9 bytes left out)") for name, value in headers
    ]
    _send(servers, prefix + letters, (b"acme", b'{"org":"acme"}', headers), (b"acme", None, too_large))
    for refused in (("1",), ("0", "7")):
        assert fettle("dlq", "redrive", COMMANDS, *refused).status == 1
    assert fettle("dlq", "redrive", "device.heartbeats", "0").status == 2
    sent = fettle("dlq", "redrive", COMMANDS, "0", "--json")
    to = {"topic": prefix + COMMANDS, "partition": 1, "offset": 0}
    assert json.loads(sent.out) == {"items": [{"offset": 0, "to": to}]}
    (record,) = _held(COMMANDS)
    assert (record.key, record.value, record.partition) == (b"acme", b'{"org":"acme"}', 1)
    assert list(record.headers) == [pair for pair in headers if not pair[0].startswith("dlq-")]


@pytest.mark.rule("AC-153")
def test_where_the_api_is_known_letters_are_sent_again_by_it(fettle: Fettle, api: FettleApi) -> None:
    to = {"topic": "t.ticket.commands", "partition": 1, "offset": 0}
    redriven = f"orgs/acme/dead-letters/{COMMANDS}"
    for offset in (3, 5):
        api.on("POST", f"{redriven}/{offset}/redrive", {"topic": COMMANDS, "offset": offset, "to": to})
    api.refuse("POST", f"{redriven}/4/redrive", 404, "not_found", "There is no such dead letter.")
    ran = fettle("dlq", "redrive", f"{COMMANDS}.dlq", "3")
    assert (ran.status, ran.out) == (0, f"{COMMANDS} 3 was sent again: t.ticket.commands partition 1 offset 0\n")
    assert api.last.headers["idempotency-key"]
    some = fettle("dlq", "redrive", COMMANDS, "3", "4", "5", "--json")
    assert (some.status, [item["offset"] for item in json.loads(some.out)["items"]]) == (1, [3, 5])
    assert f"{COMMANDS} 4: There is no such dead letter. [not_found]; --direct" in some.err
    api.refuse("POST", f"{redriven}/4/redrive", 503, "unavailable", "Kafka does not answer.")
    asked = len(api.requests)
    away = fettle("dlq", "redrive", COMMANDS, "3", "4", "5")
    assert (away.status, len(api.requests)) == (1, asked + 2)
    assert away.out.startswith(f"{COMMANDS} 3 was sent again")
    assert away.err == f"fettle: {COMMANDS} 4: Kafka does not answer. [unavailable]\n"
    asked = len(api.requests)
    direct = fettle("dlq", "redrive", COMMANDS, "3", "--direct")
    assert (direct.status, len(api.requests)) == (1, asked)
    assert "nothing says where Kafka is" in direct.err
    assert "no audit log" in " ".join(fettle("dlq", "redrive", "--help").out.split())


@pytest.mark.rule("AC-67")
def test_topics_are_shown_as_they_are_and_what_is_wrong_is_named(fettle: Fettle, servers: Any, prefix: str) -> None:
    missing = fettle("kafka", "topics")
    assert missing.status == 1
    assert "missing" in missing.out
    names = [name for name in TOPICS if not name.endswith(".dlq") and name not in ("signals", HEARTBEATS)]
    _make(servers, prefix, *names)
    _make(servers, prefix, HEARTBEATS, config={"message.timestamp.type": "CreateTime"})
    wrong = fettle("kafka", "topics")
    assert wrong.status == 1
    assert "message.timestamp.type is CreateTime, must be LogAppendTime" in wrong.out
    assert wrong.err == "fettle: 1 topics are not as they should be: device.heartbeats\n"
    items = json.loads(fettle("kafka", "topics", "--json").out)["items"]
    shown = {item["topic"].removeprefix(prefix): item for item in items}
    assert shown[COMMANDS]["partitions"] == PARTITIONS
    assert shown[COMMANDS]["faults"] == []
    assert shown["orgs"]["config"]["cleanup.policy"] == "compact"


@pytest.mark.rule("AC-61")
def test_a_kafka_that_does_not_answer_is_named_with_the_way_out(
    fettle: Fettle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    ran = fettle("kafka", "topics")
    assert ran.status == 1
    assert "Kafka at 127.0.0.1:1 does not answer" in ran.err
    assert "fettle up" in ran.err


@pytest.mark.rule("AC-62")
def test_a_wrong_kafka_setting_is_wrong_usage(fettle: Fettle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("FETTLE_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    ran = fettle("kafka", "topics")
    assert ran.status == 2
    assert "FETTLE_KAFKA_SASL_MECHANISM" in ran.err


@pytest.mark.rule("AC-69")
def test_the_doctor_names_what_is_wrong_and_what_cures_it(
    fettle: Fettle, servers: Any, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(servers, prefix, *(name for name in TOPICS if not name.startswith("signals")))
    misplaced = [(f"acme/device/t{number}".encode(), b"", _letter("wrong_partition", number)) for number in range(7)]
    _send(servers, prefix + dead_letters_of(HEARTBEATS), *misplaced)
    _send(servers, prefix + dead_letters_of(COMMANDS), (b"acme", b"{", _letter("unreadable", 1)))
    with serving() as api:
        monkeypatch.setenv("FETTLE_URL", api.url)
        ill = fettle("doctor")
        api.answers["GET", "/readyz"] = (200, {})
        findings = json.loads(fettle("doctor", "--json").out)["items"]
    assert ill.status == 1
    assert ill.err == "fettle: 2 things are wrong\n"
    assert f"{api.url}/readyz says why" in ill.out
    states = {(finding["what"], finding["state"]) for finding in findings}
    assert {("kafka", "ok"), ("topics", "ok"), ("postgres", "ok"), ("service console", "ok")} <= states
    letters = {finding["state"]: finding["text"] for finding in findings if finding["what"] == "dead letters"}
    assert "1 in " in letters["look"]
    assert "unreadable" in letters["look"]
    assert "acme/device/t6" in letters["wrong"]
    assert "and 2 more" in letters["wrong"]
    assert "partitioner=murmur2_random" in letters["wrong"]


@pytest.mark.rule("AC-69")
def test_the_doctor_names_servers_that_are_away(fettle: Fettle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FETTLE_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("FETTLE_DATABASE_URL", "postgresql://127.0.0.1:2")
    monkeypatch.setenv("FETTLE_URL", "http://127.0.0.1:3")
    ran = fettle("doctor")
    assert ran.status == 1
    for word in ("Kafka at 127.0.0.1:1", "127.0.0.1:2", "http://127.0.0.1:3/readyz"):
        assert word in ran.out
    assert ran.err == "fettle: 3 things are wrong\n"
