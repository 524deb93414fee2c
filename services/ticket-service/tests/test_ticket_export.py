"""Exports say what the API says, whole, however long a reader takes."""

import asyncio
import csv
import io
import json
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Text, text
from ticket_api import Api
from ticket_desk import ANN, BRIDGE, MONITOR, STORM, devices, opening
from ticket_door import Door, asked, numbered
from ticket_tampering import tamper, write_history

from fettle_contracts.ticket import Ticket
from fettle_ticket_service.adapters import exports
from fettle_ticket_service.adapters.exports import Format, export
from fettle_ticket_service.adapters.tables import TICKET
from fettle_ticket_service.domain import commands

ODD = 'He said: "=1+1",\n\\n \x01\x02 ünï😀 </script>'


async def lines_of(api: Api, **query: Any) -> list[dict[str, Any]]:
    answer = await api.call("GET", "/tickets/export", **query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.text.splitlines()]


@pytest.mark.rule("TS-66")
async def test_each_line_says_what_the_api_says_of_the_ticket(api: Api, door: Door) -> None:
    await write_history(door)
    door.now += timedelta(milliseconds=1234)
    await door.ask_one(asked(opening(title="x", description=ODD, space=None)))
    await door.ask_one(asked(commands.Reopen(actor=ANN), ticket=numbered(2)))
    lines = await lines_of(api)
    assert [line["number"] for line in lines] == [1, 2, 3, 4]
    for line in lines:
        hash = line.pop("hash")
        Ticket.model_validate(line)
        shown = await api.get(f"/tickets/{line['number']}")
        assert line == {name: value for name, value in shown.items() if name not in ("children", "more_children")}
        timeline = (await api.get(f"/tickets/{line['number']}/timeline"))["items"]
        assert hash == timeline[-1]["hash"]


@pytest.mark.rule("TS-66")
async def test_timelines_and_all_members_come_along(api: Api, door: Door) -> None:
    await write_history(door)
    await door.ask_one(asked(opening(actor=MONITOR, subject=BRIDGE, dedup_key=f"{STORM}-2")))
    update = commands.UpdateChecklist(actor=MONITOR, add=devices(*range(150)), recovered=())
    await door.ask_one(asked(update, ticket=numbered(4)))
    lines = await lines_of(api, timeline=True)
    assert len(lines) == 4
    for line in lines:
        timeline = (await api.get(f"/tickets/{line['number']}/timeline"))["items"]
        assert [
            {k: v for k, v in entry.items() if k not in ("place", "head")} for entry in line["timeline"]
        ] == timeline
        members = (await api.get(f"/tickets/{line['number']}/checklist", limit=200))["items"]
        assert line["checklist"]["items"] == members


@pytest.mark.rule("TS-66")
async def test_a_timeline_is_in_order_however_its_rows_lie(api: Api, door: Door) -> None:
    await write_history(door)
    [[database]] = await door.rows("SELECT quote_ident(current_database())")
    await tamper(
        door,
        "CREATE TABLE kept AS TABLE entry",
        "TRUNCATE entry",
        "INSERT INTO entry SELECT * FROM kept ORDER BY version DESC",
        *(f"ALTER DATABASE {database} SET enable_{scan} = off" for scan in ("indexscan", "bitmapscan")),
    )
    lines = await lines_of(api, timeline=True)
    assert [[entry["version"] for entry in line["timeline"]] for line in lines] == [[1, 2, 3, 4, 5], [1, 2], [1, 2]]


@pytest.mark.rule("TS-66")
async def test_a_table_opens_in_a_spreadsheet_and_nothing_in_it_is_a_formula(api: Api, door: Door) -> None:
    await write_history(door)
    for title in ("=1+1", "+4711", "-3 degrees", "@all", "plain"):
        await door.ask_one(asked(opening(title=title, description=ODD)))
    answer = await api.call("GET", "/tickets/export", format="csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == "attachment; filename=tickets-acme.csv"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["title"] for row in rows][3:] == ["'=1+1", "'+4711", "'-3 degrees", "'@all", "plain"]
    assert rows[3]["description"] == ODD.replace("\x01\x02", "��")
    assert rows[0]["opened_by"] == "ann@acme.test"
    assert rows[1] | {"state": "resolved", "resolution": "recovered", "number": "2"} == rows[1]


@pytest.mark.rule("TS-66")
async def test_no_column_of_a_table_can_hold_a_formula(api: Api, door: Door) -> None:
    await write_history(door)
    await door.ask_one(asked(opening(kind="=HYPERLINK(A1)")))
    texts = [column.name for column in TICKET.columns if isinstance(column.type, Text)]
    forged = [f"{name} = '=1+1'" for name in texts if name not in ("org", "state")]
    actors = [f"""{name} = '{{"type": "user", "id": "=1+1"}}'""" for name in ("opened_by", "started_by", "resolved_by")]
    async with door.work() as work:
        await work.connection.execute(text(f"UPDATE ticket SET {', '.join(forged + actors)} WHERE state = 'resolved'"))
    answer = await api.call("GET", "/tickets/export", format="csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[3]["kind"] == "'=HYPERLINK(A1)"
    assert sum(cell == "'=1+1" for row in rows for cell in row.values()) >= len(forged)
    assert not [name for row in rows for name, cell in row.items() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.rule("TS-66", "TS-24")
async def test_nothing_of_another_org_is_exported_and_an_empty_org_is_empty(api: Api, door: Door) -> None:
    for _ in range(3):
        await door.ask_one(asked(opening(title="theirs"), org="globex"))
    assert await lines_of(api) == []
    table = (await api.call("GET", "/tickets/export", format="csv")).text
    assert table.splitlines() == [table.strip()]


@pytest.mark.rule("TS-66")
async def test_a_reader_that_goes_away_leaves_nothing_open(door: Door) -> None:
    await door.ask(*(asked(opening(description="x" * 60_000)) for _ in range(60)))
    pieces = export(door.database, "acme", Format.JSONL, "http://console.test/")
    assert await anext(pieces)
    await pieces.aclose()
    await no_copy_goes_on(door)


@pytest.mark.rule("TS-66")
async def test_a_reader_that_stalls_is_given_up_and_told(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_PATIENCE_S", 0.2)
    await door.ask(*(asked(opening(description="x" * 60_000)) for _ in range(60)))
    async with aclosing(export(door.database, "acme", Format.JSONL, "http://console.test/")) as pieces:
        assert await anext(pieces)
        await no_copy_goes_on(door)
        with pytest.raises(TimeoutError):
            async for _ in pieces:
                pass


async def no_copy_goes_on(door: Door) -> None:
    left = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%'"
    async with asyncio.timeout(60.0):
        while True:
            [[open_ones]] = await door.rows(left)
            if not open_ones:
                return
            await asyncio.sleep(0.05)
