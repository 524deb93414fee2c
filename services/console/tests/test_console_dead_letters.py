"""Pages of dead letters on a real Kafka: each org sees its own, why, and sends them again."""

import html
import re
from collections.abc import Sequence

import httpx2
import pytest
from console_world import World
from tests.client.api_document import NOWHERE

from fettle_chassis.http import Problem
from fettle_chassis.stored_records import newest_records
from fettle_chassis.topics import ensure_topics
from fettle_console.adapters.dead_letter_box import DeadLetterBox
from fettle_console.domain.dead_letters import TOPICS_WITH_LETTERS, owner
from fettle_console.settings import ConsoleSettings
from fettle_contracts.dead_letters import DLQ_AT, DLQ_MESSAGE, DLQ_OFFSET, DLQ_PARTITION, DLQ_REASON, DLQ_SERVICE
from fettle_contracts.topics import COMMANDS, HEARTBEATS, ORGS, SIGNALS, dead_letters_of
from fettle_devstack.ports import free_port

Header = tuple[str, bytes]


def why(reason: str, message: str, at: str = "2026-11-23T10:15:30.250Z", partition: str = "1") -> list[Header]:
    said = {
        DLQ_PARTITION: partition,
        DLQ_OFFSET: "118223",
        DLQ_REASON: reason,
        DLQ_MESSAGE: message,
        DLQ_AT: at,
        DLQ_SERVICE: "ticket-service",
    }
    return [("ce_id", b"7"), *((name, text.encode()) for name, text in said.items())]


async def put(world: World, topic: str, key: bytes | None, value: bytes | None, headers: Sequence[Header]) -> int:
    """Puts a dead letter; its offset."""
    name = world.settings.topic(dead_letters_of(topic))
    sent = await world.producer.send_and_wait(name, value, key=key, headers=headers)
    offset: int = sent.offset
    return offset


def words_of(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text.partition("<main")[2])))


async def shown(world: World, path: str = "", **query: str) -> str:
    answer = await world.http.get(f"/orgs/acme/dead-letters{path}", params=query)
    assert answer.status_code == 200, answer.text
    return words_of(answer.text)


@pytest.mark.rule("AC-134", "AC-135", "AC-128")
async def test_an_org_reads_its_own_letters_and_sends_them_again(new_world: World) -> None:
    world = new_world
    await ensure_topics(world.settings, [COMMANDS, SIGNALS])
    await world.sign_in("acme", "admin")
    assert "No dead letters" in await shown(world)
    theirs = await put(world, COMMANDS, b"zoo", b'{"org": "zoo", "title": "tangerine"}', why("unsigned", "tangerine"))
    mixed = await put(world, COMMANDS, b"acme", b'{"org": "zoo"}', why("org_mismatch", "tangerine"))
    evil = b'{"org": "acme", "title": "<script>alert(1)</script>"}'
    own = await put(world, COMMANDS, b"acme", evil, why("unreadable", "title: <b>too long</b>", "2026-11-23T11:00:00Z"))
    beat = await put(world, HEARTBEATS, b"acme/device/t17", b"{\x00", why("not_json", "It is no JSON."))
    await put(world, ORGS, b"acme", b'{"org": "acme"}', why("stale", "tangerine"))
    bare = await put(world, SIGNALS, b"acme/erp", b"x", [])
    gone = await put(world, SIGNALS, b"acme/erp", b"x", why("unreadable", "gone", partition="9999"))

    said = await shown(world)
    assert [said.count(word) for word in ("tangerine", "title: <b>too long</b>", "It is no JSON.")] == [0, 1, 1]
    assert said.index("Nobody has put down why.") < said.index("title: <b>too long") < said.index("It is no JSON.")
    assert "It is no JSON." not in await shown(world, topic=COMMANDS)

    page = await world.http.get(f"/orgs/acme/dead-letters/{COMMANDS}/{own}")
    said = words_of(page.text)
    for word in ("The record is not the CloudEvent", "by the ticket-service", "partition 1, offset 118223", "ce_id 7"):
        assert word in said, word
    assert ("<script>alert" in page.text, '"title": "<script>alert(1)</script>"' in said) == (False, True)
    for offset in (theirs, mixed, 10**6, 10**30):
        for method in ("GET", "POST"):
            path = f"/orgs/acme/dead-letters/{COMMANDS}/{offset}" + ("/redrive" if method == "POST" else "")
            answer = await (world.http.get(path) if method == "GET" else world.post(path, command_id="1"))
            assert (answer.status_code, "tangerine" in answer.text) == (404, False), path

    sent = await world.post(f"/orgs/acme/dead-letters/{COMMANDS}/{own}/redrive", command_id="1")
    assert (sent.status_code, f"Sent again to {COMMANDS}, partition 1, offset 0." in words_of(sent.text)) == (200, True)
    [record] = await newest_records(world.settings, [COMMANDS], 10, "test")
    assert (record.key, record.value, record.partition, record.headers) == (b"acme", evil, 1, (("ce_id", b"7"),))

    stay = (
        (HEARTBEATS, beat, "look alive"),
        (SIGNALS, bare, "does not say where"),
        (SIGNALS, gone, "not there any more"),
    )
    for topic, offset, refusal in stay:
        answer = await world.post(f"/orgs/acme/dead-letters/{topic}/{offset}/redrive", command_id="2")
        assert (answer.status_code, refusal in words_of(answer.text)) == (409, True)
    assert "Send again" not in await shown(world, f"/{HEARTBEATS}/{beat}")
    kept = await world.call("GET", "/api/v1/orgs/acme/audit?thing=dead-letters", await world.token("acme"))
    asked = [(one["path"].split("/")[2], one["status"], one["door"]) for one in kept.json()["items"]]
    assert asked[:4] == [*[(SIGNALS, 409, "page")] * 2, (HEARTBEATS, 409, "page"), (COMMANDS, 200, "page")]

    await world.sign_in("acme", "operator")
    for path in ("", f"/{COMMANDS}/{own}"):
        assert (await world.http.get(f"/orgs/acme/dead-letters{path}")).status_code == 403
    assert (await world.post(f"/orgs/acme/dead-letters/{COMMANDS}/{own}/redrive", command_id="3")).status_code == 403


@pytest.mark.rule("AC-153")
async def test_the_api_sends_a_letter_again_once_and_on_record(new_world: World) -> None:
    world = new_world
    await ensure_topics(world.settings, [COMMANDS])
    admin, operator, other = await world.token("acme"), await world.token("acme", "operator"), await world.token("zoo")
    own = await put(world, COMMANDS, b"acme", b"{", why("unreadable", "It is no JSON."))
    beat = await put(world, HEARTBEATS, b"acme/device/t17", b"{", why("not_json", "It is no JSON."))

    async def redriven(
        token: str, topic: str, offset: int, org: str = "acme", key: str | None = None
    ) -> httpx2.Response:
        headers = {"idempotency-key": key} if key else {}
        return await world.call(
            "POST", f"/api/v1/orgs/{org}/dead-letters/{topic}/{offset}/redrive", token, headers=headers
        )

    sent = [await redriven(admin, COMMANDS, own, key="k1") for _ in range(2)]
    to = {"topic": world.settings.topic(COMMANDS), "partition": 1, "offset": 0}
    said = {"topic": COMMANDS, "offset": own, "to": to}
    assert [(one.status_code, one.json()) for one in sent] == [(200, said)] * 2
    assert (await redriven(admin, COMMANDS, own + 1, key="k1")).json()["code"] == "idempotency_key_reused"
    assert len(await newest_records(world.settings, [COMMANDS], 10, "test")) == 1
    refusals = [
        (await redriven(token, topic, offset, org)).status_code
        for token, topic, offset, org in (
            (admin, HEARTBEATS, beat, "acme"),
            (admin, COMMANDS, own + 7, "acme"),
            (admin, "nothing", 0, "acme"),
            (admin, COMMANDS, -1, "acme"),
            (operator, COMMANDS, own, "acme"),
            (other, COMMANDS, own, "zoo"),
            (other, COMMANDS, own, "acme"),
        )
    ]
    assert refusals == [409, 404, 404, 400, 403, 404, 404]
    assert len(await newest_records(world.settings, [COMMANDS], 10, "test")) == 1
    kept = (await world.call("GET", "/api/v1/orgs/acme/audit?thing=dead-letters", admin)).json()["items"]
    assert [(one["status"], one["times"], one["door"]) for one in kept] == [
        *((status, 1, "api") for status in (403, 400, 404, 404, 409, 422)),
        (200, 2, "api"),
    ]
    assert kept[-1]["id"] == sent[0].headers["fettle-request-id"]


@pytest.mark.rule("AC-153")
async def test_while_kafka_hangs_one_of_many_waits_with_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fettle_console.adapters.dead_letter_box.PATIENCE_S", 0.05)
    box = DeadLetterBox(ConsoleSettings.load(NOWHERE))
    async with box.sending():
        with pytest.raises(Problem, match="Try again in a moment") as refused:
            async with box.sending():
                raise AssertionError("two send at once")
    assert refused.value.status == 503
    async with box.sending():
        pass


@pytest.mark.rule("AC-134")
async def test_a_topics_letters_are_followed_back_to_its_begin(
    new_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fettle_console.adapters.dead_letter_box.LOOKED_AT", 40)
    monkeypatch.setattr("fettle_console.entrypoints.pages.dead_letter_pages._PAGE", 10)
    world = new_world
    await ensure_topics(world.settings, [COMMANDS])
    await world.sign_in("acme", "admin")
    for number in range(100):
        org = "acme" if number < 25 or number == 99 else "zoo"
        await put(world, COMMANDS, org.encode(), b"{", why("unreadable", f"letter {number}."))
    found: list[str] = []
    path, looks = f"/orgs/acme/dead-letters?topic={COMMANDS}", 0
    while path:
        page = await world.http.get(path)
        found += re.findall(r">letter (\d+)\.<", page.text)
        further = re.search(r'rel="next" href="([^"]*)"', page.text)
        path, looks = html.unescape(further[1]) if further else "", looks + 1
    assert found == [str(number) for number in (99, *reversed(range(25)))]
    assert looks == 4


@pytest.mark.rule("AC-107")
async def test_large_letters_of_others_are_read_in_portions(new_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    bound, large = 2_000_000, 100_000
    monkeypatch.setattr("fettle_console.adapters.dead_letter_box.BYTES", bound)
    world = new_world
    await ensure_topics(world.settings, [COMMANDS])
    own = await put(world, COMMANDS, b"acme", b"{", why("unreadable", "mine"))
    for _ in range(60):
        await put(world, COMMANDS, b"zoo", b"x" * large, why("unreadable", "theirs"))
    box, read = DeadLetterBox(world.settings), []

    def seen(topic: str, key: bytes | None, value: bytes | None) -> str | None:
        read.append(len(value or b""))
        return owner(topic, key, value)

    monkeypatch.setattr("fettle_console.adapters.dead_letter_box.owner", seen)
    before, looks = None, 0
    while True:
        read.clear()
        found = await box.newest("acme", COMMANDS, before, 10)
        assert sum(read) <= bound + large
        looks += 1
        if found.letters or found.further is None:
            break
        before = found.further
    assert [letter.offset for letter in found.letters] == [own]
    assert (looks, found.further) == (4, None)
    read.clear()
    everything = await box.newest("acme", None, None, 10)
    assert (everything.letters, everything.further) == ([], None)
    assert sum(read) <= bound // len(TOPICS_WITH_LETTERS) + 4 * large


@pytest.mark.rule("AC-134")
async def test_while_kafka_is_away_looking_says_so() -> None:
    away = {**NOWHERE, "FETTLE_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}"}
    with pytest.raises(Problem, match="Kafka does not answer") as refused:
        await DeadLetterBox(ConsoleSettings.load(away)).newest("acme", None, None, 50)
    assert refused.value.status == 503
