"""Rows that somebody altered stop no command and stay findings."""

from datetime import timedelta
from uuid import UUID

import pytest
from asyncpg import UniqueViolationError
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs
from ticket_api import REPORT, Api
from ticket_desk import ANN, BRIDGE, KEYS, MONITOR, STORM, devices
from ticket_door import Door, asked, numbered
from ticket_tampering import findings, tamper, write_history

from fettle_chassis.failures import TransientError
from fettle_contracts.results import Outcome
from fettle_ticket_service.adapters.checklist_notes import ChecklistNotes
from fettle_ticket_service.adapters.sweeping import Retention
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.verifying import Wrong

TICKETS_CLAIM_LESS = (
    "UPDATE ticket SET version = version - 1",
    "UPDATE ticket SET version = 1, hash = NULL, seal = NULL",
)
ORG_CLAIMS_LESS = (
    "UPDATE org SET next_number = 1",
    "UPDATE org SET place = place - 3",
    "UPDATE org SET place = 5, head = (SELECT head FROM entry WHERE entry.org = org.org AND entry.place = 5)",
)


@pytest.mark.rule("TS-100")
@pytest.mark.parametrize("statement", TICKETS_CLAIM_LESS + ORG_CLAIMS_LESS)
async def test_a_row_that_claims_less_than_there_is_stops_no_command(door: Door, api: Api, statement: str) -> None:
    await write_history(door)
    await tamper(door, statement)
    batch = [asked(commands.Comment(actor=ANN, text="Still noisy."), ticket=numbered(1)), asked()]
    with capture_logs() as logs:
        answers = await door.ask_again(*batch)
    assert [answer.outcome for answer in answers] == [Outcome.APPLIED] * 2
    assert ("org.put_right" in {each["event"] for each in logs}) == (statement in ORG_CLAIMS_LESS)
    await tamper(door, statement)
    for path, body in (("/tickets/1/comments", {"comment": "It is the cable."}), ("/tickets", REPORT)):
        answer = await api.call("POST", path, body)
        assert answer.status_code in (200, 201), answer.text
    found = {finding.wrong for finding in (await findings(door.database))[0]}
    assert Wrong.TICKET_ALTERED in found if statement in TICKETS_CLAIM_LESS else found == set()
    numbers = [row.number for row in await door.rows("SELECT number FROM ticket WHERE org = 'acme' ORDER BY 1")]
    assert numbers == [1, 2, 3, 4, 5]


@pytest.mark.rule("TS-100", "TS-67")
@pytest.mark.parametrize("statement", ORG_CLAIMS_LESS[1:])
async def test_an_orgs_row_that_claims_less_stops_no_bulk(door: Door, api: Api, statement: str) -> None:
    await write_history(door)
    await tamper(door, statement)
    body = {"action": "comment", "numbers": [1, 9, 3], "comment": "Seen."}
    answer = await api.call("POST", "/tickets/bulk", body)
    assert [item["outcome"] for item in answer.json()["items"]] == ["applied", "rejected", "applied"]
    assert (await findings(door.database))[0] == []


CHANGING = "version, hash, seal, updated_at, checklist_total, checklist_changes, checklist_noted_at, checklist_unsaid"
PUT_BACK = f"UPDATE ticket SET ({CHANGING}) = (SELECT {CHANGING} FROM old_row WHERE old_row.id = ticket.id)"


@pytest.mark.rule("TS-100", "TS-61")
async def test_a_ticket_whose_old_row_was_put_back_goes_on_and_stays_a_finding(door: Door, api: Api) -> None:
    await write_history(door)
    await tamper(door, "CREATE TABLE old_row AS TABLE ticket")
    said = commands.Comment(actor=ANN, text="Still noisy.")
    await door.ask(*(asked(said, ticket=numbered(number)) for number in (1, 3)))
    await tamper(door, PUT_BACK)
    answer = await api.call("POST", "/tickets/1/comments", {"comment": "It is the cable."})
    assert answer.status_code == 200, answer.text
    grown = commands.UpdateChecklist(actor=MONITOR, add=devices(4), recovered=())
    batch = [asked(said, ticket=numbered(3)), asked(grown, ticket=numbered(3)), asked()]
    with capture_logs() as logs:
        assert [answer.outcome for answer in await door.ask_again(*batch)] == [Outcome.APPLIED] * 3
    assert [each["number"] for each in logs if each["event"] == "ticket.unsound"] == [3]
    await door.ask_one(asked(said, ticket=numbered(3)))
    found = {(finding.wrong, finding.number) for finding in (await findings(door.database))[0]}
    assert {(Wrong.TICKET_ALTERED, 1), (Wrong.TICKET_ALTERED, 3)} <= found


@pytest.mark.rule("TS-100")
async def test_an_old_row_that_says_a_checklist_has_something_to_tell_is_told_of_behind_it(door: Door) -> None:
    await write_history(door)
    await tamper(door, "CREATE TABLE old_row AS TABLE ticket")
    door.now += timedelta(minutes=2)
    notes = ChecklistNotes(door.database, door.handler._wire, KEYS, lambda: door.now)
    assert await notes.write() == 2
    await tamper(door, PUT_BACK)
    with pytest.raises(TransientError):
        await notes.write()
    assert await notes.write() == 2
    assert await notes.write() == 0


@pytest.mark.rule("TS-100")
@pytest.mark.parametrize("total", [2, 0])
async def test_a_checklist_that_claims_fewer_members_than_it_has_goes_on_behind_them(door: Door, total: int) -> None:
    await write_history(door)
    await tamper(door, f"UPDATE ticket SET checklist_total = {total} WHERE checklist_total > 0")
    grown = commands.UpdateChecklist(actor=MONITOR, add=devices(3, 4), recovered=())
    await door.ask_one(asked(grown, ticket=numbered(3)))
    [row] = await door.rows("SELECT checklist_total FROM ticket WHERE org = 'acme' AND number = 3")
    assert row.checklist_total == 4
    assert Wrong.TICKET_ALTERED in {finding.wrong for finding in (await findings(door.database))[0]}


BIG, LARGE = 2**63 - 1, 2**31 - 1
TICKETS_CLAIM_MORE = (
    f"UPDATE ticket SET version = {LARGE}",
    f"UPDATE ticket SET description_version = {LARGE}",
    f"UPDATE entry SET version = {LARGE} WHERE version = 1; UPDATE ticket SET version = 0",
    f"UPDATE ticket SET checklist_total = {LARGE}",
)
ORG_CLAIMS_MORE = (
    f"UPDATE org SET next_number = {BIG} WHERE org = 'acme'",
    f"UPDATE org SET place = {BIG} WHERE org = 'acme'",
    f"UPDATE org SET open = {BIG} WHERE org = 'acme'",
    f"UPDATE org SET resolved = -{BIG} WHERE org = 'acme'",
    f"""INSERT INTO removed_ticket SELECT org, {BIG}, gen_random_uuid(), 1, hash, 1, now(), now(), 1, seal
        FROM ticket WHERE org = 'acme' AND number = 1""",
)


@pytest.mark.rule("TS-103")
@pytest.mark.parametrize("statement", TICKETS_CLAIM_MORE)
async def test_a_ticket_that_claims_so_much_that_nothing_can_follow_is_refused_alone(
    door: Door, api: Api, statement: str
) -> None:
    await write_history(door)
    await tamper(door, statement)
    edit = commands.EditDescription(actor=ANN, description="Since today.")
    batch = [asked(edit, ticket=numbered(3), id="c-1"), asked()]
    with capture_logs() as logs:
        answers = await door.ask_again(*batch)
    assert [answer.reason for answer in answers] == ["record_altered", "no_key"]
    assert [(each["org"], each["ticket"]) for each in logs if each["event"] == "record.altered"] == [("acme", 3)]
    answer = await api.call("POST", "/tickets/3/comments", {"comment": "It is the cable."})
    assert (answer.status_code, answer.json()["code"]) == (409, "record_altered")
    assert [result.data["reason"] for result in await door.results() if result.data["command_id"] == "c-1"] != [None]
    assert (await findings(door.database))[0]


@pytest.mark.rule("TS-103")
@pytest.mark.parametrize("statement", ORG_CLAIMS_MORE)
async def test_an_org_that_claims_so_much_that_nothing_can_follow_is_refused_alone(door: Door, statement: str) -> None:
    await write_history(door)
    await tamper(door, "CREATE TABLE kept AS TABLE org", statement)
    held = asked(commands.Open(actor=MONITOR, title="x", subject=BRIDGE, dedup_key=STORM))
    answers = await door.ask_again(asked(id="c-1"), held, asked(org="globex"))
    assert [answer.reason for answer in answers] == ["record_altered", "key_held", "no_key"]
    await tamper(
        door,
        "DELETE FROM removed_ticket",
        """UPDATE org SET (next_number, place, head, open, resolved) = (
            SELECT kept.next_number, kept.place, kept.head, kept.open, kept.resolved FROM kept WHERE kept.org = org.org
        ) WHERE org = 'acme'""",
    )
    assert (await door.ask_one(asked(id="c-1"))).reason == "no_key"
    said = [result for result in await door.results() if result.data["command_id"] == "c-1"]
    assert [result.data["outcome"] for result in said] == ["rejected", "applied"]
    assert len({result.headers["ce_id"] for result in said}) == 2
    assert (await findings(door.database))[0] == []


ANOTHER_SHAPE = (
    "UPDATE ticket SET opened_by = '7'",
    """UPDATE ticket SET started_by = '[]', resolved_by = '{"id": 1}'""",
    "UPDATE ticket SET links = '7'",
    """UPDATE ticket SET links = '[{"label": 1}]'""",
    "UPDATE ticket SET checklist_unsaid = '7' WHERE checklist_total > 0",
    """UPDATE ticket SET checklist_unsaid = '{"added": {"count": "x"}}' WHERE checklist_total > 0""",
    "UPDATE entry SET actor = '7', evidence = '[1]'",
    "UPDATE checklist_member SET type = 'x'",
    "UPDATE command SET verb = 'x', outcome = 'x', ticket_state = 'x'",
)


@pytest.mark.rule("TS-103")
@pytest.mark.parametrize("statement", ANOTHER_SHAPE)
async def test_json_of_another_shape_stops_nobody(door: Door, api: Api, statement: str) -> None:
    await write_history(door)
    first = asked(id="c-1", from_outside=True)
    await door.ask_one(first)
    await tamper(door, statement)
    said = commands.Comment(actor=ANN, text="Still noisy.")
    grown = commands.UpdateChecklist(actor=MONITOR, add=devices(4), recovered=devices(2))
    batch = [first, *(asked(said, ticket=numbered(number)) for number in (1, 2, 3)), asked(grown, ticket=numbered(3))]
    assert len(await door.ask_again(*batch)) == 5
    door.now += timedelta(minutes=2)
    await ChecklistNotes(door.database, door.handler._wire, KEYS, lambda: door.now).write()
    for path in ("?state=all", "/3", "/3/timeline", "/3/checklist", "/1", "/2/timeline", "/export"):
        answer = await api.call("GET", f"/tickets{path}")
        assert answer.status_code == 200, answer.text
    found = (await findings(door.database))[0]
    assert found or not any(table in statement for table in ("entry", "actor", "links", "_by"))


@pytest.mark.rule("TS-105")
async def test_a_timeline_is_read_on_behind_rows_that_somebody_removed(door: Door, api: Api) -> None:
    await door.ask_one(asked())
    for _ in range(11):
        await door.ask_one(asked(commands.Comment(actor=ANN, text="Still noisy."), ticket=numbered(1)))
    await tamper(door, "DELETE FROM entry WHERE version BETWEEN 4 AND 9")
    for sort, found in (("version", [1, 2, 3, 10, 11, 12]), ("-version", [12, 11, 10, 3, 2, 1])):
        came, query = [], {"sort": sort, "limit": 2}
        while query:
            page = await api.get("/tickets/1/timeline", **query)
            came += [item["version"] for item in page["items"]]
            query = {**query, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
        assert came == found


@pytest.mark.rule("TS-103", "TS-64")
async def test_what_nothing_can_follow_keeps_retention_from_that_org_alone(door: Door) -> None:
    for org in ("acme", "globex"):
        await door.ask_one(asked(org=org))
        await door.ask_one(asked(commands.Resolve(actor=ANN), org=org, ticket=numbered(1)))
    await tamper(door, f"UPDATE org SET resolved = -{BIG} - 1 WHERE org = 'acme'")
    door.now += timedelta(days=400)
    with capture_logs() as logs:
        assert await Retention(door.database, KEYS, door.hour).sweep() == 1
    assert [each["org"] for each in logs if each["event"] == "retention.passed_over"] == ["acme"]


@pytest.mark.rule("TS-100")
async def test_an_insert_that_fails_for_another_reason_is_tried_again_once(door: Door) -> None:
    await door.ask_one(asked(id="c-1"))
    door.handler._new_id = lambda: UUID(int=7)
    await door.ask_one(asked())
    with pytest.raises(TransientError):
        await door.ask_one(asked())
    with pytest.raises((IntegrityError, UniqueViolationError)):
        await door.ask_one(asked())
