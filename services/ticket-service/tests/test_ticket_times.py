"""The first and the last times that anybody can name: in commands, in cursors, and in all that is read afterwards."""

from base64 import urlsafe_b64encode
from dataclasses import replace
from datetime import datetime
from json import dumps
from typing import Any

import pytest
from test_ticket_commands_door import DECODE, MONITOR, but, command, dead_letter, read, record, signed
from ticket_api import Api
from ticket_door import Door
from ticket_sweeps import numbers, sweeper
from ticket_tampering import findings

from fettle_contracts.commands import Verb
from fettle_contracts.message import Unreadable

SPANS = (
    ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z"),
    ("2026-11-23T12:00:00Z", "2026-11-23T12:00:00.250Z"),
    ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999Z"),
)
NO_TIMES = (
    *("10000-01-01T00:00:00Z", "0000-12-31T23:59:59Z", "-0001-01-01T00:00:00Z", "2026-11-23T12:00:61Z"),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-11-23T12:00:00", "infinity", "", "0"),
)
TOO_EARLY = ("0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999Z")
ORDERS = ("opened", "-opened", "updated", "-updated", "number", "-number")


@pytest.mark.rule("TS-112", "TS-33")
@pytest.mark.parametrize("at", NO_TIMES)
def test_a_command_of_no_time_is_unreadable(at: str) -> None:
    assert dead_letter(signed(command(actor=MONITOR, at=at))) == "unreadable"
    good = record(command())
    told = tuple((name, at.encode() if name == "ce_time" else text) for name, text in good.headers)
    with pytest.raises(Unreadable, match="time"):
        DECODE(replace(good, headers=told))


@pytest.mark.rule("TS-112", "TS-33")
@pytest.mark.parametrize("at", TOO_EARLY)
def test_a_command_from_before_1970_is_unreadable_and_its_event_may_bear_such_a_time(at: str) -> None:
    assert dead_letter(signed(command(actor=MONITOR, at=at))) == "unreadable"
    assert read(but(command(), time=datetime.fromisoformat(at))).refused is None


@pytest.mark.rule("TS-112", "TS-64")
async def test_a_command_may_say_that_it_became_true_at_any_time(door: Door, api: Api) -> None:
    for number, (opened_at, resolved_at) in enumerate(SPANS, start=1):
        on_it: dict[str, Any] = {"actor": MONITOR, "ticket": {"number": number}, "at": resolved_at}
        said = [
            command(actor=MONITOR, dedup_key=f"device/t{number}:device_offline", at=opened_at),
            command(Verb.COMMENT, comment="Seen.", **on_it),
            command(Verb.RESOLVE, **on_it),
        ]
        for place, event in enumerate(said):
            answer = await door.ask_one(read(signed(but(event, id=f"c-{number}-{place}"))))
            assert answer.outcome == "applied", answer
        ticket = await api.get(f"/tickets/{number}")
        assert (ticket["opened_at"][:19], ticket["resolved_at"][:19]) == (opened_at[:19], resolved_at[:19])
        assert len((await api.get(f"/tickets/{number}/timeline"))["items"]) == 3
    for sort in ORDERS:
        came, query = list[int](), {"sort": sort, "state": "all", "limit": 1}
        while query:
            page = await api.get("/tickets", **query)
            came += [item["number"] for item in page["items"]]
            query = {**query, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
        assert came == ([1, 2, 3] if sort[0] != "-" else [3, 2, 1])
    for form in ("jsonl", "csv"):
        exported = await api.call("GET", "/tickets/export", format=form)
        assert all(opened_at[:19] in exported.text for opened_at, _ in SPANS)
    assert (await findings(door.database))[0] == []
    assert await sweeper(door).sweep() == 1
    assert await numbers(door) == [2, 3]
    assert (await findings(door.database))[0] == []


@pytest.mark.rule("TS-112", "TS-41")
async def test_a_page_begins_at_any_time(api: Api) -> None:
    for at in ("0001-01-01T00:00:00+00:00", "1969-12-31T23:59:59+00:00", "9999-12-31T23:59:59.999999+00:00"):
        for sort in ORDERS[:4]:
            cursor = urlsafe_b64encode(dumps([sort.removeprefix("-"), 1, at]).encode()).decode()
            assert (await api.get("/tickets", sort=sort, cursor=cursor))["items"] == []
