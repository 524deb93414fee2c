"""The cap on a channel's messages, and the digest of what comes on top: held back is told of, once, and exactly."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from channel_world import ChannelWorld, Receiver, ids
from engine_world import world_of
from mail_server import MailServer, mail_server
from sqlalchemy import text
from web_server import answer, web_server

from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters import channel_rows, digest_rows, due_rows
from fettle_workflow_engine.adapters.forgetting import Forgetting
from fettle_workflow_engine.domain.calls import Done, Outcome
from fettle_workflow_engine.domain.caps import TOLD_AT_ONCE, has_place, pause_s
from fettle_workflow_engine.domain.channels import Kind


@pytest.fixture
async def sending(environment: dict[str, str]) -> AsyncIterator[ChannelWorld]:
    async with world_of(environment) as world:
        yield ChannelWorld(world)


def outcome_of(outcome: Outcome) -> str:
    assert isinstance(outcome, Done), outcome
    return str(outcome.output["outcome"])


def texts(receiver: Receiver) -> list[str]:
    return [body["text"] for _, body in receiver.got]


def told(receiver: Receiver) -> list[int]:
    """The messages of which digests tell."""
    return [int(one) for text in texts(receiver) for one in re.findall(r"flow: Message (\d+)", text)]


@pytest.mark.rule("WF-103")
async def test_what_exceeds_the_cap_becomes_one_digest_when_there_is_room(sending: ChannelWorld) -> None:
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=3)
        outcomes = []
        for number in range(6):
            outcomes.append(outcome_of(await sending.tell(number, text=f"Message {number}\nmore", subject="")))
            sending.later(minutes=1)
        assert outcomes == ["sent"] * 3 + ["held_back"] * 3
        assert await sending.digests.look() == 0
        sending.later(minutes=53, seconds=59)
        assert await sending.digests.look() == 0
        sending.later(seconds=2)
        assert await sending.digests.look() == 1
        assert await sending.digests.look() == 0
    assert len(receiver.got) == 4
    assert texts(receiver)[3] == (
        "*ops: 3 messages were held back*\n"
        "The channel ops sends at most 3 messages an hour; 3 messages were held back:\n"
        "- 2026-11-23 10:18 UTC, flow: Message 3\n"
        "- 2026-11-23 10:19 UTC, flow: Message 4\n"
        "- 2026-11-23 10:20 UTC, flow: Message 5"
    )


@pytest.mark.rule("WF-103")
async def test_a_steady_stream_does_not_keep_the_digest_out(sending: ChannelWorld) -> None:
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=4)
        outcomes: dict[int, str] = {}
        for number in range(200):  # one a minute, four an hour
            outcomes[number] = outcome_of(await sending.tell(number))
            await sending.digests.look()
            sending.later(minutes=1)
        for _ in range(10):
            sending.later(hours=1, seconds=1)
            await sending.digests.look()
    held = [number for number, outcome in outcomes.items() if outcome == "held_back"]
    assert told(receiver) == held
    assert len(held) > 150
    assert sum(outcome == "sent" for outcome in outcomes.values()) >= 5


@pytest.mark.rule("WF-103")
async def test_a_repeated_call_is_the_same_message(sending: ChannelWorld) -> None:
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=1)
        assert [outcome_of(await sending.tell(1)) for _ in range(3)] == ["sent"] * 3
        assert [outcome_of(await sending.tell(2)) for _ in range(3)] == ["held_back"] * 3
        assert await sending.count("channel_sent") == 1
        assert await sending.count("held_message") == 1
        sending.later(hours=2)
        await sending.digests.look()
        assert outcome_of(await sending.tell(2)) == "held_back"
        await sending.digests.look()
    assert told(receiver) == [2]
    assert Counter(id for id, _ in receiver.got)[str(ids(1))] == 3


@pytest.mark.rule("WF-103")
async def test_what_goes_late_goes_under_the_cap_too(sending: ChannelWorld) -> None:
    receiver = Receiver(says=[answer(503), answer(503)])
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=1)
        for minutes in (0, 40, 40):
            sending.later(minutes=minutes)
            outcome = await sending.tell(1)
        assert outcome_of(outcome) == "sent"
        sending.later(minutes=50)
        assert outcome_of(await sending.tell(2)) == "held_back"
        sending.later(minutes=11)
        receiver.says = [answer(503), answer(503)]
        for minutes in (0, 40, 40):
            sending.later(minutes=minutes)
            assert await sending.digests.look() == 1
        sending.later(minutes=50)
        assert outcome_of(await sending.tell(3)) == "held_back"
        sending.later(hours=3)
        await sending.digests.look()
        sending.later(hours=3)
        assert outcome_of(await sending.tell(1)) == "sent"
        assert outcome_of(await sending.tell(4)) == "held_back"
    assert told(receiver) == [2, 3]


@pytest.mark.rule("WF-103", "WF-105")
async def test_a_digest_is_tried_until_it_is_sent_and_the_channel_says_why_not(sending: ChannelWorld) -> None:
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url("/tangerine-tangerine"), cap=1)
        await sending.tell(1)
        await sending.tell(2)
        sending.later(hours=1, seconds=1)
        receiver.says = [answer(503), answer(404, b"gone"), answer(429, retry_after="90"), None]
        pauses = []
        for _ in range(4):
            assert await sending.digests.look() == 1
            waited = 0
            while waited < 10_000 and not await due(sending):
                sending.later(seconds=10)
                waited += 10
            pauses.append(waited)
        assert pauses == [60, 120, 90, 480]
        async with sending.world.database.reading() as connection:
            traffic = (await channel_rows.traffic(connection, "acme", ["ops"], sending.world.now))["ops"]
        assert (traffic.held, traffic.digest_error) == (1, {"code": "network", "message": traffic_message(traffic)})
        assert await sending.digests.look() == 1
        async with sending.world.database.reading() as connection:
            traffic = (await channel_rows.traffic(connection, "acme", ["ops"], sending.world.now))["ops"]
        assert (traffic.held, traffic.digest_error) == (0, None)
    assert told(receiver) == [2]


def traffic_message(traffic: channel_rows.Traffic) -> str:
    assert traffic.digest_error is not None
    return traffic.digest_error["message"]


async def due(sending: ChannelWorld) -> bool:
    return await sending.count("digest", f"due_at <= '{sending.world.now.isoformat()}'") == 1


@pytest.mark.rule("WF-103")
async def test_saving_a_channel_anew_tries_its_digest_at_once(sending: ChannelWorld) -> None:
    receiver = Receiver(says=[answer(200), answer(404)])
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=1)
        await sending.tell(1)
        await sending.tell(2)
        sending.later(hours=1, seconds=1)
        assert [await sending.digests.look() for _ in range(2)] == [1, 0]
        await sending.slack(server.url("/new"), cap=1)
        assert await sending.digests.look() == 1
    assert told(receiver) == [2]
    assert server.asked[-1].target == "/new"


@pytest.mark.rule("WF-103")
async def test_what_was_held_back_is_told_to_those_whom_it_was_for(sending: ChannelWorld) -> None:
    async with mail_server(MailServer()) as server:
        settings: dict[str, Any] = {
            "host": "mail.example",
            "port": server.port,
            "security": "none",
            "from": "fettle@acme.test",
        }
        await sending.channel(Kind.EMAIL, cap=3, **settings, to=["ops@acme.test"], allowed_domains=["acme.test"])
        for number in range(3):
            await sending.tell(number)
        for number, to in enumerate(["ann@acme.test", "", "bob@acme.test", "ann@acme.test", ""], 3):
            assert outcome_of(await sending.tell(number, to=to)) == "held_back"
            sending.later(seconds=1)
        sending.later(hours=1)
        assert [await sending.digests.look() for _ in range(4)] == [1, 1, 1, 0]
    found = {}
    for envelope, mail in list(zip(server.took, server.mails, strict=True))[3:]:
        payload = mail.get_payload(decode=True)
        assert isinstance(payload, bytes)
        found[envelope.rcpt_tos[0]] = re.findall(r"Message (\d+)", payload.decode())
    assert found == {"ann@acme.test": ["3", "6"], "ops@acme.test": ["4", "7"], "bob@acme.test": ["5"]}


@pytest.mark.rule("WF-103")
async def test_many_are_told_of_in_several_digests_and_the_rest_is_counted(sending: ChannelWorld) -> None:
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=2)
        for number in range(TOLD_AT_ONCE + 9):
            await sending.tell(number)
            sending.later(seconds=1)
        sending.later(hours=1)
        assert [await sending.digests.look() for _ in range(3)] == [1, 1, 0]
    assert told(receiver) == list(range(2, TOLD_AT_ONCE + 9))
    assert texts(receiver)[2].endswith("7 more wait for the next digest.")


@pytest.mark.rule("WF-103")
async def test_several_engines_keep_one_cap_and_tell_once(sending: ChannelWorld) -> None:
    engines = [sending, *(ChannelWorld(sending.world) for _ in range(3))]
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=5)
        outcomes = await asyncio.gather(*(engines[number % 4].tell(number) for number in range(40)))
        kinds = Counter(map(outcome_of, outcomes))
        assert kinds == {"sent": 5, "held_back": 35}
        sending.later(hours=1, seconds=1)
        tried = await asyncio.gather(*(engine.digests.look() for engine in engines))
        assert sum(tried) == 1
    held = sorted(number for number, one in enumerate(outcomes) if outcome_of(one) == "held_back")
    assert sorted(told(receiver)) == held


@pytest.mark.rule("WF-103")
async def test_a_digest_whose_engine_died_is_sent_by_another(sending: ChannelWorld) -> None:
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=1)
        await sending.tell(1)
        await sending.tell(2)
        sending.later(hours=1, seconds=1)
        async with unit_of_work(sending.world.database) as work:
            assert await digest_rows.make(work.connection, [("acme", "ops")], sending.world.now) == 1
            assert len(await digest_rows.lease(work.connection, sending.world.now, 10)) == 1
        other = ChannelWorld(sending.world)
        assert await other.digests.look() == 0
        sending.later(seconds=digest_rows.LEASE.total_seconds() + 1)
        assert await other.digests.look() == 1
    assert told(receiver) == [2]


@pytest.mark.rule("WF-151")
@pytest.mark.parametrize("statement", [due_rows._NEXT, due_rows.HOLDING], ids=["look", "holding"])
async def test_a_look_meets_one_message_of_each_channel(sending: ChannelWorld, statement: str) -> None:
    """While digests cannot be sent, and however many messages wait behind them."""
    for name in ("one", "two", "three"):
        await sending.slack("https://127.0.0.1/", name=name, cap=1)
    async with unit_of_work(sending.world.database) as work:
        await work.connection.execute(
            text("""
                WITH unsent AS (INSERT INTO digest SELECT gen_random_uuid(), org, name, :at, :at, 0 FROM channel)
                INSERT INTO held_message (id, org, channel, at, workflow, run, recipients, line)
                SELECT gen_random_uuid(), org, name, :at, 'flow', 'run', '[]', 'line'
                FROM channel CROSS JOIN generate_series(1, 1000)
            """),
            {"at": sending.world.now},
        )
    session = await sending.world.database.session(**due_rows.SESSION)
    try:
        plan = json.loads(await session.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"))
        holding = await session.fetch(due_rows.HOLDING)
    finally:
        session.terminate()
    assert holding == []
    assert 1 <= _rows_of("held_message", plan[0]["Plan"]) <= 6


def _rows_of(table: str, plan: dict[str, Any]) -> float:
    """How many rows of the table were met, those that were filtered out included."""
    here = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if plan.get("Relation Name") == table else 0
    below = sum(_rows_of(table, one) for one in plan.get("Plans", ()))
    return float(here * plan["Actual Loops"] + below)


@pytest.mark.rule("WF-103")
async def test_any_history_keeps_the_cap_and_loses_nothing(sending: ChannelWorld) -> None:
    seed = random.randrange(1_000_000)
    print("seed", seed)
    chance = random.Random(seed)
    cap, receiver, outcomes, numbers = chance.randint(1, 6), Receiver(), dict[int, str](), iter(range(10_000))
    moments: list[float] = []
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=cap)
        began = sending.world.now
        for _ in range(150):
            match chance.choice(["tell", "tell", "look", "later", "refuse", "again"]):
                case "tell":
                    before = len(receiver.got)
                    number = next(numbers)
                    outcomes[number] = outcome_of(await sending.tell(number))
                    moments += [(sending.world.now - began).total_seconds()] * (len(receiver.got) - before)
                case "look":
                    before = len(receiver.got)
                    await sending.digests.look()
                    moments += [(sending.world.now - began).total_seconds()] * (len(receiver.got) - before)
                case "later":
                    sending.later(seconds=chance.choice([1, 600, 3600]))
                case "refuse" if await sending.count("digest", "sent_at IS NULL"):
                    receiver.says = [answer(503)]
                    await sending.digests.look()
                    receiver.says = []
                case "again" if outcomes:
                    number = chance.choice(list(outcomes))
                    if outcomes[number] == "held_back":
                        assert outcome_of(await sending.tell(number)) == "held_back"
        for _ in range(40):
            sending.later(hours=1, seconds=1)
            await sending.digests.look()
    held = [number for number, outcome in outcomes.items() if outcome == "held_back"]
    assert sorted(told(receiver)) == held
    assert await sending.count("held_message", "digest IS NULL") == 0
    for moment in moments:
        assert sum(moment - 3_600 < other <= moment for other in moments) <= cap, f"too many in the hour to {moment}"


@pytest.mark.rule("WF-22", "WF-103")
async def test_what_was_sent_is_forgotten_and_what_was_not_is_kept(sending: ChannelWorld) -> None:
    receiver = Receiver()
    async with web_server(receiver) as server:
        await sending.slack(server.url(), cap=1)
        for number in range(3):
            await sending.tell(number)
        sending.later(hours=1, seconds=1)
        await sending.digests.look()
        await sending.tell(3)
        forgetting = Forgetting(sending.world.database, lambda: sending.world.now)
        await forgetting.forget()
        assert [await sending.count(table) for table in ("channel_sent", "held_message", "digest")] == [2, 3, 1]
        sending.later(days=4)
        await forgetting.forget()
        assert [await sending.count(table) for table in ("channel_sent", "held_message", "digest")] == [0, 1, 0]
        await sending.digests.look()
    assert sorted(told(receiver)) == [1, 2, 3]


def test_places_and_pauses() -> None:
    assert [has_place(sent=sent, cap=2, held=held) for sent in (0, 1, 2) for held in (False, True)] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert [pause_s(attempts, None) for attempts in (1, 2, 3, 7, 40)] == [60, 120, 240, 1800, 1800]
    assert [pause_s(1, asked) for asked in (0.0, 30.0, 86_400.0)] == [1, 30, 1800]
