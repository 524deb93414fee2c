"""What is known of the topics clause by clause: how far orgs are taken in, and up to where numbers are known."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs
from test_ticket_put_back import number_log, publish, service
from ticket_door import Door, asked
from ticket_outside import Outside
from ticket_tampering import tamper

from fettle_chassis.failures import TransientError
from fettle_chassis.signing import Verifier
from fettle_chassis.told_orgs import OrgDecoder
from fettle_chassis.topics import Topics
from fettle_ticket_service.adapters import given_numbers, log_reading
from fettle_ticket_service.adapters.number_log import WentBack
from fettle_ticket_service.adapters.org_log import SUBSCRIPTION, OrgLog
from fettle_ticket_service.app import TOPICS, build_relay
from fettle_ticket_service.entrypoints.kafka_orgs import handle_orgs
from fettle_ticket_service.settings import TicketSettings


@asynccontextmanager
async def org_log(door: Door, settings: TicketSettings) -> AsyncIterator[OrgLog]:
    topics = Topics(settings, *TOPICS)
    await topics.start()
    log = OrgLog(settings, door.database, topics, OrgDecoder(Verifier(settings.signing_keys)), handle_orgs)
    await log.start()
    try:
        yield log
    finally:
        await log.stop()


@pytest.mark.rule("TS-43")
async def test_all_that_was_said_of_orgs_is_taken_in_when_the_subscription_has_come_to_the_end(
    door: Door, settings: TicketSettings
) -> None:
    outside = Outside(settings)
    async with org_log(door, settings) as log:
        assert not await log.is_taken_in(), "this database has never met the topic"
        async with service(settings):
            await until(log)  # nothing was ever said there
            outside.org("initech")
            await until(log)
        outside.org("umbrella")
        assert not await log.is_taken_in()


@pytest.mark.rule("TS-43")
async def test_a_topic_that_says_nothing_is_taken_in_also_where_the_broker_has_forgotten_how_far(
    door: Door, settings: TicketSettings
) -> None:
    """It keeps for some days what a group has committed, and of an empty partition nothing is committed again."""
    async with org_log(door, settings) as log:
        for place in log._places():
            known = f"'{SUBSCRIPTION}', 'orgs', {place.partition}, 'its id', 1"
            await tamper(door, f"INSERT INTO partition_owner VALUES ({known})")
        assert await log.is_taken_in()


async def until(log: OrgLog) -> None:
    async with asyncio.timeout(60.0):
        while True:
            if await log.is_taken_in():
                return
            await asyncio.sleep(0.1)


@pytest.mark.rule("TS-43")
async def test_an_org_that_only_numbers_speak_of_is_not_known_until_it_is_told(door: Door) -> None:
    async with door.work() as work:
        assert await given_numbers.raise_counters(work.connection, {"initech": 3}) == {"initech": 4}
    door.all_heard = False
    with pytest.raises(TransientError):
        await door.ask_one(asked(org="initech"))
    await door.add_orgs("initech")
    opened = await door.ask_one(asked(org="initech"))
    assert (opened.ticket and opened.ticket.number) == 4


@pytest.mark.rule("TS-99")
async def test_what_cannot_be_read_of_orgs_or_is_gone_from_the_end_stops_no_start(
    door: Door, settings: TicketSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    outside = Outside(settings)
    for key, value in ((b"\xff", b"{}"), (b"initech", b"\xff"), (b"initech", b"not json")):
        outside._producer.produce(settings.topic("orgs"), value, key, headers=[("ce_type", b"fettle.org.v1")])
    outside._producer.flush(10)
    async with org_log(door, settings):
        assert [row.org for row in await door.rows("SELECT org FROM org ORDER BY 1")] == ["acme", "globex"]

    def silent(*_: Any) -> AsyncIterator[list[Any]]:
        raise log_reading.FellSilent("orgs is not read to its end")

    monkeypatch.setattr(log_reading, "between", silent)
    with capture_logs() as logs:
        async with org_log(door, settings):
            pass
    assert "orgs.silent" in {each["event"] for each in logs}


@pytest.mark.rule("TS-99")
async def test_what_strangers_write_of_openings_stops_no_start(door: Door, settings: TicketSettings) -> None:
    async with number_log(settings, door.database):
        outside = Outside(settings)
    ticket = b'"ticket":{"id":"0198c1de-0000-7000-8000-000000000001","number":7}'
    for org in (b"\xff", b"a\\u0000b", b"a\\ud800b"):
        value = b'{"org":"%s",%s}' % (org, ticket)
        headers: list[tuple[str, str | bytes | None]] = [("ce_type", b"fettle.ticket.opened.v1")]
        outside._producer.produce(settings.topic("ticket.events"), value, b"acme/x", headers=headers)
    deep = b'{"org":"acme",%s,"x":%s' % (ticket, b"[" * 100_000)
    outside._producer.produce(settings.topic("ticket.events"), deep, b"acme/x", headers=headers)
    assert outside._producer.flush(30) == 0
    async with number_log(settings, door.database):
        assert sum(row.next_offset for row in await door.rows("SELECT next_offset FROM number_mark")) == 4


@pytest.mark.rule("TS-99")
async def test_marks_of_another_log_say_nothing_of_this_one(door: Door, settings: TicketSettings) -> None:
    door.handler._keys = settings.chain_keys
    others = "UPDATE number_mark SET log = 'another', next_offset = {}"
    async with build_relay(settings).running():
        await publish(door, 2)
    async with number_log(settings, door.database) as numbers:
        for offset in ("0", "next_offset + 1000"):
            await tamper(door, others.format(offset))
            await numbers.note()
            marks = await door.rows("SELECT log, next_offset FROM number_mark")
            assert {row.log for row in marks} == {numbers._log}
            assert sum(row.next_offset for row in marks) == 4
    await tamper(door, others.format("1000"), "UPDATE org SET next_number = 1 WHERE org = 'acme'")
    with capture_logs() as logs:
        async with number_log(settings, door.database):
            pass
    assert [each["next_number"] for each in logs if each["event"] == "numbers.raised"] == [3]


@pytest.mark.rule("TS-99")
async def test_a_database_that_is_lost_beneath_a_service_is_one_that_was_put_back(
    door: Door, settings: TicketSettings
) -> None:
    async with number_log(settings, door.database) as numbers:
        await tamper(door, "DELETE FROM number_mark")
        with pytest.raises(WentBack):
            await numbers.note()


@pytest.mark.rule("TS-99")
async def test_counters_and_marks_only_rise(door: Door) -> None:
    await door.ask(*(asked() for _ in range(4)))
    async with door.work() as work:
        assert await given_numbers.raise_counters(work.connection, {"acme": 2}) == {}
        for offset in (5, 3):
            await given_numbers.set_marks(work.connection, "log", {0: offset})
        assert (await given_numbers.marks(work.connection))[0].next_offset == 5
    opened = await door.ask_one(asked())
    assert (opened.ticket and opened.ticket.number) == 5
