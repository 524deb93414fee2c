"""Rows that somebody altered stop no command and stay findings."""

from datetime import timedelta
from uuid import UUID

import pytest
from asyncpg import UniqueViolationError
from sqlalchemy.exc import IntegrityError
from structlog.testing import capture_logs
from ticket_api import REPORT, Api
from ticket_desk import ANN, KEYS, MONITOR, devices
from ticket_door import Door, asked, numbered
from ticket_tampering import findings, tamper, write_history

from fettle_chassis.failures import TransientError
from fettle_contracts.results import Outcome
from fettle_ticket_service.adapters.checklist_notes import ChecklistNotes
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


PUT_BACK = """
    UPDATE ticket SET (version, hash, seal, updated_at, checklist_total, checklist_noted_at, checklist_unsaid) = (
        SELECT version, hash, seal, updated_at, checklist_total, checklist_noted_at, checklist_unsaid
        FROM old_row WHERE old_row.id = ticket.id
    )
"""


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


@pytest.mark.rule("TS-100")
async def test_an_insert_that_fails_for_another_reason_is_tried_again_once(door: Door) -> None:
    await door.ask_one(asked(id="c-1"))
    door.handler._new_id = lambda: UUID(int=7)
    await door.ask_one(asked())
    with pytest.raises(TransientError):
        await door.ask_one(asked())
    with pytest.raises((IntegrityError, UniqueViolationError)):
        await door.ask_one(asked())
