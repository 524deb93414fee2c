"""Times that no program can hold, written by somebody else: they stop no other command, row or page."""

from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs
from ticket_api import Api
from ticket_desk import ANN, KEYS, MONITOR, devices
from ticket_door import Door, asked, numbered
from ticket_outside import Outside
from ticket_sweeps import numbers, resolve, sweeper
from ticket_tampering import findings, tamper, write_history

from fettle_chassis.database import Database
from fettle_ticket_service.adapters import checklist_notes
from fettle_ticket_service.adapters.checklist_notes import ChecklistNotes
from fettle_ticket_service.domain import commands
from fettle_ticket_service.settings import TicketSettings

TIMES = ("infinity", "-infinity", "20000-01-01", "4000-01-01 BC")
OF_A_TICKET = ("opened_at", "started_at", "resolved_at", "updated_at", "checklist_noted_at")
ORDERS = ("opened", "-opened", "updated", "-updated", "number", "-number")
READS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("", {"state": "all"}),
    *((path, {}) for path in ("/3", "/3/timeline", "/3/checklist", "/1/timeline", "/count", "/export")),
    ("/export", {"timeline": "true"}),
    ("/export", {"format": "csv"}),
)
SAID = commands.Comment(actor=ANN, text="Still noisy.")


@pytest.mark.rule("TS-113")
@pytest.mark.parametrize("time", TIMES)
async def test_a_ticket_of_no_time_is_refused_and_shown_among_the_others(door: Door, api: Api, time: str) -> None:
    await write_history(door)
    await tamper(door, "CREATE TABLE kept AS TABLE ticket")
    grown = commands.UpdateChecklist(actor=MONITOR, add=devices(4), recovered=())
    for column in OF_A_TICKET:
        await tamper(door, f"UPDATE ticket SET {column} = '{time}' WHERE org = 'acme' AND number = 3")
        batch = [asked(SAID, ticket=numbered(3)), asked(grown, ticket=numbered(3)), asked(SAID, ticket=numbered(1))]
        with capture_logs() as logs:
            answers = await door.ask_again(*batch)
        assert [answer.reason for answer in answers] == ["record_altered", "record_altered", "asked"], column
        assert [each["ticket"] for each in logs if each["event"] == "record.altered"] == [3, 3]
        refused = await api.post("/tickets/3/comments", {"comment": "It is the cable."})
        assert (refused.status_code, refused.json()["code"]) == (409, "record_altered")
        body = {"action": "comment", "numbers": [3, 2], "comment": "Seen."}
        together = await api.post("/tickets/bulk", body)
        assert [item["outcome"] for item in together.json()["items"]] == ["rejected", "applied"]
        for path, query in READS:
            answer = await api.call("GET", f"/tickets{path}", **query)
            assert answer.status_code == 200, answer.text
        for order in ORDERS:
            assert sorted(await api.numbers(sort=order, state="all")) == [1, 2, 3]
        if column != "checklist_noted_at":
            shown = (await api.get("/tickets/3"))[column]
            assert shown in ("0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z")
        assert {finding.number for finding in (await findings(door.database))[0]} == {3}
        await tamper(
            door,
            f"UPDATE ticket SET {column} = kept.{column} FROM kept WHERE kept.id = ticket.id AND kept.number = 3",
        )
    assert (await door.ask_one(asked(SAID, ticket=numbered(3)))).reason == "asked"
    assert (await findings(door.database))[0] == []


@pytest.mark.rule("TS-113", "TS-93")
@pytest.mark.parametrize("narrowed", [{}, {"q": "lift"}, {"kind": "user_report"}])
async def test_pages_go_on_behind_tickets_of_no_time(door: Door, api: Api, narrowed: dict[str, Any]) -> None:
    for _ in range(7):
        door.now += timedelta(minutes=1)
        await door.ask_one(asked())
    for number, time in ((1, "-infinity"), (2, "4000-01-01 BC"), (6, "20000-01-01"), (7, "infinity")):
        await tamper(door, f"UPDATE ticket SET opened_at = '{time}', updated_at = '{time}' WHERE number = {number}")
    for order in ORDERS:
        came, query = list[int](), {"sort": order, "limit": 1, **narrowed}
        while query:
            page = await api.get("/tickets", **query)
            came += [item["number"] for item in page["items"]]
            assert len(came) <= 7
            query = {**query, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
        assert came == ([7, 6, 5, 4, 3, 2, 1] if order[0] == "-" else [1, 2, 3, 4, 5, 6, 7])


@pytest.mark.rule("TS-113", "TS-93")
async def test_pages_go_on_where_the_last_ticket_is_put_right_meanwhile(door: Door, api: Api) -> None:
    for _ in range(4):
        door.now += timedelta(minutes=1)
        await door.ask_one(asked())
    for order, time, right, rest in (
        ("-opened", "infinity", "1970-01-02", [3, 2, 1]),
        ("opened", "-infinity", "9999-12-30", [1, 2, 3]),
    ):
        await tamper(door, f"UPDATE ticket SET opened_at = '{time}' WHERE number = 4")
        first = await api.get("/tickets", sort=order, limit=1)
        assert [item["number"] for item in first["items"]] == [4]
        await tamper(door, f"UPDATE ticket SET opened_at = '{right}' WHERE number = 4")
        page = await api.get("/tickets", sort=order, cursor=first["next_cursor"])
        assert [item["number"] for item in page["items"] if item["number"] != 4] == rest


BESIDES = (
    "UPDATE entry SET at = '{time}'",
    "UPDATE checklist_member SET joined_at = '{time}', recovered_at = '{time}'",
    "UPDATE command SET at = '{time}'",
    "UPDATE org SET told_at = '{time}'",
)


@pytest.mark.rule("TS-113")
@pytest.mark.parametrize("statement", BESIDES)
@pytest.mark.parametrize("time", TIMES)
async def test_a_row_of_no_time_stops_nobody(door: Door, api: Api, statement: str, time: str) -> None:
    await write_history(door)
    first = asked(id="c-1", from_outside=True)
    await door.ask_one(first)
    await tamper(door, statement.format(time=time))
    grown = commands.UpdateChecklist(actor=MONITOR, add=devices(2, 4), recovered=devices(3))
    batch = [first, asked(grown, ticket=numbered(3)), *(asked(SAID, ticket=numbered(number)) for number in (1, 2, 3))]
    answers = await door.ask_again(*batch)
    assert answers[0].repeated
    assert {answer.outcome for answer in answers} == {"applied"}
    for path, query in READS:
        answer = await api.call("GET", f"/tickets{path}", **query)
        assert answer.status_code == 200, answer.text
    assert bool((await findings(door.database))[0]) == ("entry" in statement or "member" in statement)


@pytest.mark.rule("TS-113", "TS-52")
async def test_checklists_are_told_of_behind_those_of_no_time(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checklist_notes, "AT_MOST", 1)
    await write_history(door)
    await tamper(door, "UPDATE ticket SET checklist_noted_at = '-infinity' WHERE org = 'acme' AND number = 3")
    door.now += timedelta(minutes=2)
    assert await ChecklistNotes(door.database, door.handler._wire, KEYS, lambda: door.now).write() == 1
    [row] = await door.rows("SELECT org FROM entry WHERE type = 'checklist-changed'")
    assert row.org == "globex"


@pytest.mark.rule("TS-113", "TS-64")
@pytest.mark.parametrize("column", ["opened_at", "resolved_at", "updated_at"])
@pytest.mark.parametrize("time", ["-infinity", "4000-01-01 BC", "20000-01-01"])
async def test_retention_leaves_a_ticket_of_no_time_alone(door: Door, column: str, time: str) -> None:
    await door.ask(asked(), asked(), asked(org="globex"))
    await resolve(door, 1, 2)
    await resolve(door, 1, org="globex")
    await tamper(door, f"UPDATE ticket SET {column} = '{time}' WHERE org = 'acme' AND number = 1")
    door.now += timedelta(days=400)
    assert await sweeper(door).sweep() == 2
    assert await numbers(door) == [1]


@pytest.mark.rule("TS-113")
async def test_a_ticket_of_no_time_does_not_stop_its_partition(outside: Outside, settings: TicketSettings) -> None:
    lift: dict[str, Any] = {"title": "Lift 3 makes a noise", "subject": {"type": "other", "id": "lift-3"}}
    for number in (1, 2):
        outside.command("open", f"open-{number}", **lift)
    await outside.wait_for("ticket.command-results", lambda found: found.data["command_id"] == "open-2")
    database = Database(settings.database_dsn("tickets"))
    await tamper(
        Door(database), "UPDATE ticket SET opened_at = '20000-01-01', updated_at = 'infinity' WHERE number = 1"
    )
    await database.close()
    for number in (1, 2):
        outside.command("comment", f"comment-{number}", ticket={"number": number}, comment="Still noisy.")
    refused = await outside.wait_for("ticket.command-results", lambda found: found.data["command_id"] == "comment-1")
    assert (refused.data["outcome"], refused.data["reason"]["code"]) == ("rejected", "record_altered")
    done = await outside.wait_for("ticket.command-results", lambda found: found.data["command_id"] == "comment-2")
    assert done.data["outcome"] == "applied"
