"""`fettle tickets export` and `fettle tickets verify` against a small API, and a real Kafka."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from cli.tests.fettle_api import AT, FettleApi, ticket
from cli.tests.ran import Fettle

SOUND: dict[str, Any] = {
    "sound": True,
    "entries": 9,
    "entries_before_chains": 0,
    "tickets": 3,
    "removed_tickets": 1,
    "findings": {},
}
CUT: dict[str, Any] = {
    "wrong": "entry_missing",
    "message": "The entry was seen and is not there.",
    "number": 42,
    "ticket": None,
    "version": 2,
    "place": None,
}
ALTERED = {**CUT, "wrong": "entry_altered", "message": "The entry is not what was written.", "number": None}


def lines(*values: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in values)


def exported(number: int, **more: Any) -> dict[str, Any]:
    return {**ticket(number), "version": 2, "hash": f"k1:{number}", **more}


def said(number: int, **changes: Any) -> bytes:
    """An event of the ticket as it stands on the topic."""
    actor = {"type": "health_monitor"}
    one = {"id": ticket(number)["id"], "type": "opened", "version": 1, "at": AT, "actor": actor, "hash": "k1:x"}
    event = {"org": "acme", "entry": one, "ticket": {**exported(number), "updated_at": AT}, "chain": None, **changes}
    return json.dumps(event).encode()


STRANGERS = (
    b"hello",
    b"{}",
    b"",
    None,
    b'{"entry":{"version":1,"hash":"k1:x"},"ticket":{"id":"x","number":1},"chain":{"place":1,"head":"h"}}',
    said(1, org="globex", chain={"place": 1, "head": "k1:h"}),
    said(2, chain={"place": 1, "head": "k1:h"}),
    said(1, chain={"place": "one", "head": "k1:h"}),
)


@pytest.mark.rule("AC-74")
def test_an_export_is_written_as_it_comes(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    tickets = [exported(1, title="Line\u2028ends"), exported(2)]
    api.on("GET", "orgs/acme/tickets/export", lines(*tickets))
    assert [json.loads(line) for line in fettle("tickets", "export").out.split("\n") if line] == tickets
    ran = fettle("tickets", "export", "--timelines", "-o", "all.jsonl")
    assert (ran.status, ran.out) == (0, "")
    assert [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().split("\n") if line] == tickets
    assert api.last.query == {"format": "jsonl", "timeline": "true"}
    api.on("GET", "orgs/acme/tickets/export", b"number,title\r\n1,x\r\n")
    assert fettle("tickets", "export", "--format", "csv").out == "number,title\r\n1,x\r\n"
    assert fettle("tickets", "export", "--format", "csv", "--timelines").status == 2
    ran = fettle("tickets", "export", "-o", "no/such/folder")
    assert (ran.status, "cannot be written" in ran.err) == (1, True)


@pytest.mark.rule("AC-74")
def test_a_sound_record_ends_with_status_0_and_tampering_with_1(fettle: Fettle, api: FettleApi) -> None:
    api.on("GET", "orgs/acme/tickets/verify", lines({"done": 0.4}, {"verified": SOUND}))
    ran = fettle("tickets", "verify")
    assert ran.status == 0
    assert ran.out.splitlines() == [
        "3 tickets with 9 entries on record, 1 removed.",
        "Nothing was altered by anybody without the keys.",
    ]
    wrong = {**SOUND, "sound": False, "findings": {"entry_altered": 3}, "entries_before_chains": 2}
    api.on("GET", "orgs/acme/tickets/verify", lines({"finding": ALTERED}, {"verified": wrong}))
    ran = fettle("tickets", "verify")
    assert ran.status == 1
    assert "what is on record is not what was written" in ran.err
    assert "The entry is not what was written." in ran.out
    assert ran.out.splitlines()[1] == "2 entries are from before there were chains: nothing vouches for them."
    assert ran.out.splitlines()[-1] == "And 2 more."
    assert json.loads(fettle("tickets", "verify", "--json").out) == {
        **wrong,
        "compared": 0,
        "passed_over": 0,
        "findings": [ALTERED],
    }
    api.on("GET", "orgs/acme/tickets/verify", lines({"done": 0.4}))
    assert fettle("tickets", "verify").status == 1


@pytest.mark.rule("AC-74")
def test_an_export_is_compared_with_what_stands(fettle: Fettle, api: FettleApi, tmp_path: Path) -> None:
    api.on("GET", "orgs/acme/tickets/verify", lines({"verified": SOUND}))
    api.on("POST", "orgs/acme/tickets/verify", {"compared": 3, "findings": [CUT]})
    entry = {"version": 1, "hash": "k1:first", "place": 7, "head": "k1:head"}
    said = [exported(1), exported(2, timeline=[entry, {**entry, "version": 2, "place": 9}]), exported(3, hash=None)]
    (tmp_path / "then.jsonl").write_bytes(lines(*said))
    ran = fettle("tickets", "verify", "--export", "then.jsonl")
    assert ran.status == 1
    assert "3 entries compared with what was seen of them." in ran.out
    assert "#42" in ran.out
    seen = api.last.json["seen"]
    assert [(each["number"], each["version"], each["hash"], each.get("place")) for each in seen] == [
        (1, 2, "k1:1", None),
        (2, 1, "k1:first", 7),
        (2, 2, "k1:first", 9),
    ]
    (tmp_path / "then.jsonl").write_text("number,title\n")
    ran = fettle("tickets", "verify", "--export", "then.jsonl")
    assert (ran.status, "then.jsonl:1 is no line" in ran.err) == (2, True)


@pytest.mark.rule("AC-74")
def test_the_topic_is_compared_with_what_stands(
    fettle: Fettle, api: FettleApi, servers: Any, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    api.on("GET", "orgs/acme/tickets/verify", lines({"verified": SOUND}))
    api.on("POST", "orgs/acme/tickets/verify", {"compared": 1, "findings": []})
    topic = environment["FETTLE_TOPIC_PREFIX"] + "ticket.events"

    async def publish() -> None:
        admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic(topic, 3, 1)])
        await admin.close()
        producer = AIOKafkaProducer(bootstrap_servers=servers.kafka.bootstrap)
        await producer.start()
        for org, number, chain in (("acme", 1, {"place": 1, "head": "k1:h"}), ("globex", 2, None), ("acme", 3, None)):
            event = said(number, org=org, chain=chain)
            await producer.send_and_wait(topic, event, key=f"{org}/{ticket(number)['id']}".encode())
        for value in STRANGERS:
            await producer.send_and_wait(topic, value, key=f"acme/{ticket(1)['id']}".encode())
        await producer.stop()

    asyncio.run(publish())
    ran = fettle("tickets", "verify", "--topic")
    assert ran.status == 0, ran.err
    assert "1 entries compared" in ran.out
    assert f"{len(STRANGERS)} records on ticket.events are no events of this org's tickets" in ran.out
    [seen] = api.last.json["seen"]
    assert (seen["number"], seen["place"], seen["head"]) == (1, 1, "k1:h")
    assert json.loads(fettle("tickets", "verify", "--topic", "--json").out)["passed_over"] == len(STRANGERS)
