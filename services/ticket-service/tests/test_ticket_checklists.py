"""Checklists on a real database: kept once, read in parts, and spoken of once a minute whatever is killed."""

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from ticket_desk import ANN, BRIDGE, KEYS, MONITOR, NOON, OFFLINE, STORM, THERMOSTAT, devices, opening
from ticket_door import URL, Door, asked, numbered, statements

from fettle_contracts.registry import MESSAGES
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import CHECKLIST_ITEMS_IN_EVENTS, Resolution
from fettle_ticket_service.adapters import orgs
from fettle_ticket_service.adapters.checklist_notes import AT_MOST, ChecklistNotes
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain.commands import Comment, EditDescription, Reopen, Resolve, UpdateChecklist
from fettle_ticket_service.domain.values import Subject, TicketRef

BY_KEY = TicketRef(key=STORM)
ROLLUP = opening(actor=MONITOR, subject=BRIDGE, dedup_key=STORM)


def update(*add: int, recovered: tuple[int, ...] = (), ticket: TicketRef = BY_KEY, **more: Any) -> Asked:
    command = UpdateChecklist(actor=MONITOR, add=devices(*add), recovered=devices(*recovered))
    return asked(command, ticket=ticket, **more)


def notes(door: Door) -> ChecklistNotes:
    return ChecklistNotes(door.database, Wire(URL), KEYS, lambda: door.now)


async def members(door: Door) -> list[tuple[str, bool]]:
    rows = await door.rows("SELECT id, recovered_at IS NOT NULL AS recovered FROM checklist_member ORDER BY place")
    return [(row.id, row.recovered) for row in rows]


async def said(door: Door) -> list[dict[str, Any]]:
    """The entries on checklists, as their events carry them."""
    return [event.data for event in await door.events() if event.name == "checklist-changed"]


@pytest.mark.rule("TS-50", "TS-51")
async def test_a_rollup_and_its_members_arrive_in_one_batch(door: Door) -> None:
    answers = await door.ask(
        asked(ROLLUP),
        update(1, 2),
        update(3, recovered=(1,)),
        asked(Comment(actor=ANN, text="Seen."), ticket=BY_KEY),
    )
    assert [answer.outcome for answer in answers] == [Outcome.APPLIED] * 4
    assert await members(door) == [("t1", True), ("t2", False), ("t3", False)]
    opened, commented = [message.data["ticket"] for message in await door.events()]
    assert opened["checklist"] == {"total": 0, "recovered": 0, "items": []}
    assert commented["checklist"] == {
        "total": 3,
        "recovered": 1,
        "items": [
            item(1, recovered_at="2026-11-23T12:00:00.000Z"),
            item(2),
            item(3),
        ],
    }


def item(number: int, recovered_at: str | None = None) -> dict[str, Any]:
    return {
        "type": "device",
        "id": f"t{number}",
        "name": f"Thermostat {number}",
        "recovered": recovered_at is not None,
        "recovered_at": recovered_at,
    }


@pytest.mark.rule("TS-50")
async def test_what_came_in_another_transaction_is_known(door: Door) -> None:
    await door.ask(asked(ROLLUP), update(1, 2, 3, recovered=(2,)))
    again = await door.ask_one(update(1, recovered=(2,)))
    strangers = await door.ask_one(update(recovered=(9,)))
    assert (again.outcome, again.reason) == (Outcome.UNCHANGED, "already_so")
    assert (strangers.outcome, strangers.reason) == (Outcome.UNCHANGED, "not_members")
    await door.ask(update(2, 4, recovered=(1, 4)))
    assert await members(door) == [("t1", True), ("t2", False), ("t3", False), ("t4", True)]


@pytest.mark.rule("TS-1", "TS-50")
async def test_the_same_update_again_has_no_second_effect(door: Door) -> None:
    await door.ask(asked(ROLLUP), update(1, 2, id="c-1"), update(recovered=(1,), id="c-2"))
    again, twice = await door.ask(update(1, 2, id="c-1"), update(1, 2, id="c-1"))
    assert (again.repeated, twice.repeated) == (True, True)
    assert await members(door) == [("t1", True), ("t2", False)]


@pytest.mark.rule("TS-50")
async def test_what_people_have_written_stays_as_it_is(door: Door) -> None:
    await door.ask(asked(ROLLUP), asked(EditDescription(actor=ANN, description="Call **Bo**."), ticket=BY_KEY))
    await door.ask(update(1, 2), update(3, recovered=(1, 2)))
    (ticket,) = await door.rows("SELECT description, description_version FROM ticket")
    assert (ticket.description, ticket.description_version) == ("Call **Bo**.", 2)


@pytest.mark.rule("TS-50")
async def test_one_update_in_two_transactions_at_once_has_one_effect(door: Door) -> None:
    await door.ask(asked(ROLLUP))
    once = update(*range(50), id="c-1")
    answers = await asyncio.gather(*(door.ask_one(once) for _ in range(6)))
    assert sorted(answer.repeated for answer in answers) == [False, *[True] * 5]
    assert len(await members(door)) == 50


@pytest.mark.rule("TS-50")
async def test_a_key_that_passes_on_inside_a_batch_takes_the_members_of_its_new_ticket(door: Door) -> None:
    await door.ask(asked(ROLLUP), update(1, 2, recovered=(1,)))
    await door.ask(
        update(1),
        asked(Resolve(actor=MONITOR, resolution=Resolution.SUPERSEDED), ticket=BY_KEY),
        asked(ROLLUP),
        update(1, recovered=(2,)),
    )
    rows = await door.rows(
        "SELECT number, checklist_member.id, recovered_at IS NOT NULL AS recovered"
        " FROM checklist_member JOIN ticket ON ticket.id = ticket_id ORDER BY number, place"
    )
    assert [tuple(row) for row in rows] == [(1, "t1", False), (1, "t2", False), (2, "t1", False)]


@pytest.mark.rule("TS-50")
async def test_a_key_that_falls_back_to_a_later_ticket_inside_a_batch_finds_its_members(door: Door) -> None:
    """The first ticket came back by hand after the second had ended; when it ends again, the second is the latest."""
    superseded = asked(Resolve(actor=MONITOR, resolution=Resolution.SUPERSEDED), ticket=BY_KEY, id="c-1")
    await door.ask(asked(ROLLUP), update(1), superseded)
    await door.ask(asked(ROLLUP), update(2), asked(Resolve(actor=MONITOR), ticket=BY_KEY))
    await door.ask(asked(Reopen(actor=ANN), ticket=numbered(1)))
    await door.ask(asked(Resolve(actor=ANN), ticket=numbered(1)), update(recovered=(1, 2)))
    assert sorted(await members(door)) == [("t1", False), ("t2", True)]


@pytest.mark.rule("TS-51")
async def test_twenty_thousand_members_are_read_in_parts(door: Door) -> None:
    await door.ask(asked(ROLLUP))
    for start in range(0, 20_000, 500):
        await door.ask(update(*range(start, start + 500)))
    with statements(door.database) as of_one:
        await door.ask(update(recovered=(19_999,)))
    with statements(door.database) as of_many:
        await door.ask(update(*range(20_000, 20_500), recovered=tuple(range(500))))
    assert of_one == of_many
    [row] = await door.rows("SELECT checklist_total, checklist_recovered FROM ticket")
    assert tuple(row) == (20_500, 501)
    answer = await door.ask_one(asked(Comment(actor=ANN, text="Many."), ticket=BY_KEY, keep_answer=True))
    assert answer.body is not None
    checklist = (await door.events())[-1].data["ticket"]["checklist"]
    assert (checklist["total"], checklist["recovered"], len(checklist["items"])) == (20_500, 501, 100)
    assert [entry["id"] for entry in checklist["items"]] == [f"t{number}" for number in range(100)]


@pytest.mark.rule("TS-51")
async def test_tickets_without_a_checklist_pay_nothing_for_it(door: Door) -> None:
    await door.ask(asked(opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE)))
    with statements(door.database) as sent:
        await door.ask(
            asked(),
            asked(Comment(actor=ANN, text="Hello"), ticket=numbered(1)),
            asked(Resolve(actor=MONITOR), ticket=numbered(1)),
        )
    assert not [statement for statement in sent if "checklist_member" in statement or "checklist_total" in statement]


@pytest.mark.rule("TS-52", "TS-53")
async def test_the_timeline_speaks_of_a_checklist_when_its_minute_is_over(door: Door) -> None:
    await door.ask(asked(ROLLUP), update(1, 2))
    door.now += timedelta(seconds=59)
    await door.ask(update(recovered=(1,)))
    assert await notes(door).write() == 0
    door.now += timedelta(seconds=1)
    assert await notes(door).write() == 1
    assert await notes(door).write() == 0
    [message] = [message for message in await door.events() if message.name == "checklist-changed"]
    parsed = MESSAGES[message.headers["ce_type"]].model_validate(message.data)
    assert parsed.to_dict() == message.data
    assert (message.topics, message.headers["ce_id"]) == (["ticket.events"], message.data["entry"]["id"])
    assert "ce_causationid" not in message.headers
    entry, ticket = message.data["entry"], message.data["ticket"]
    assert entry["evidence"]["added"]["count"] == 2
    assert entry["evidence"]["checklist"] == {"total": 2, "recovered": 1}
    assert (entry["version"], ticket["version"], ticket["checklist"]["recovered"]) == (2, 2, 1)
    assert (entry["at"], ticket["updated_at"]) == ("2026-11-23T12:01:00.000Z",) * 2


@pytest.mark.rule("TS-53")
async def test_replicas_that_look_at_once_make_one_entry(door: Door) -> None:
    keys = [f"integration/hue-{number}:multiple_devices_offline" for number in range(AT_MOST + 20)]
    await door.ask(*(asked(opening(actor=MONITOR, subject=BRIDGE, dedup_key=key)) for key in keys))
    await door.ask(*(update(1, ticket=TicketRef(key=key)) for key in keys))
    door.now += timedelta(minutes=1)
    writing = asyncio.gather(*(notes(door).write() for _ in range(4)))
    await door.ask(*(update(recovered=(1,), ticket=TicketRef(key=key)) for key in keys[:30]))
    written = await writing
    heard = await said(door)
    assert len(heard) == len(keys) == len({data["ticket"]["id"] for data in heard})
    assert len(keys) - 30 <= sum(written) <= len(keys)
    assert [tuple(row) for row in await door.rows("SELECT DISTINCT version FROM ticket")] == [(2,)]


@pytest.mark.rule("TS-53")
async def test_a_process_that_dies_between_the_members_and_their_entry_loses_nothing(door: Door) -> None:
    """What is to be said stands beside the members, in their transaction; who comes next says it."""
    await door.ask(asked(ROLLUP), update(1))
    with contextlib.suppress(InterruptedError):
        async with door.work() as work:
            await door.handler(work, [update(2, id="c-2")])
            raise InterruptedError
    await door.ask(update(2, id="c-2"))
    door.now += timedelta(minutes=1)
    dying = notes(door)
    dying._announcer = _Dying()  # type: ignore[assignment]
    with pytest.raises(InterruptedError):
        await dying.write()
    assert await said(door) == []
    assert await notes(door).write() == 1
    [data] = await said(door)
    assert data["entry"]["evidence"]["added"]["count"] == 2


class _Dying:
    """Ends the process when the entry stands in the database and is not yet committed."""

    def event(self, org: str, entry: object) -> None:
        raise InterruptedError


@pytest.mark.rule("TS-53")
async def test_a_deleted_orgs_checklists_hold_up_nobody(door: Door) -> None:
    keys = [f"integration/hue-{number}:multiple_devices_offline" for number in range(AT_MOST)]
    rollups = (opening(actor=MONITOR, subject=BRIDGE, dedup_key=key) for key in keys)
    await door.ask(*(asked(rollup, org="globex") for rollup in rollups))
    await door.ask(*(update(1, org="globex", ticket=TicketRef(key=key)) for key in keys))
    await door.ask(asked(ROLLUP), update(1))
    async with door.work() as work:
        await orgs.take_in(work.connection, [("globex", "Globex", True, NOON + timedelta(days=1))])
    door.now += timedelta(minutes=1)
    async with asyncio.timeout(60):
        assert await notes(door).write() == 1


@pytest.mark.rule("TS-52")
async def test_what_is_due_comes_with_the_next_event_if_nobody_was_there_to_say_it(door: Door) -> None:
    await door.ask(asked(ROLLUP), update(1))
    door.now += timedelta(minutes=2)
    await door.ask(asked(Comment(actor=ANN, text="And now?"), ticket=BY_KEY))
    assert [message.name for message in await door.events()] == ["opened", "checklist-changed", "comment-added"]
    assert await notes(door).write() == 0


@pytest.mark.rule("TS-50")
async def test_a_members_name_is_anything_that_can_be_shown(door: Door) -> None:
    odd = Subject(THERMOSTAT.type, "ø" * 100, "’; DROP TABLE ticket; -- \U0001f525")
    await door.ask(asked(ROLLUP), asked(UpdateChecklist(actor=MONITOR, add=(odd,)), ticket=BY_KEY))
    await door.ask(asked(Comment(actor=ANN, text="Odd."), ticket=BY_KEY))
    [shown] = (await door.events())[-1].data["ticket"]["checklist"]["items"]
    assert (shown["id"], shown["name"]) == (odd.id, odd.name)


@pytest.mark.rule("TS-27", "TS-51")
async def test_the_largest_event_of_a_rollup_fits_into_a_message(door: Door) -> None:
    """The longest names and ids, where what is written takes most bytes, beside the largest edit."""
    odd = [
        Subject(THERMOSTAT.type, f"{number:03}" + '"' * 197, "\N{FIRE}" * 200)
        for number in range(CHECKLIST_ITEMS_IN_EVENTS)
    ]
    await door.ask(asked(opening(actor=MONITOR, subject=BRIDGE, dedup_key=STORM, description="\n" * 65_536)))
    members = UpdateChecklist(actor=MONITOR, add=tuple(odd), recovered=tuple(odd))
    await door.ask(asked(members, ticket=BY_KEY), asked(replace(members, recovered=()), ticket=BY_KEY))
    door.now += timedelta(minutes=1)
    edit = EditDescription(actor=ANN, description='"' * 65_536)
    assert (await door.ask_one(asked(edit, ticket=BY_KEY))).outcome is Outcome.APPLIED
    assert [message.name for message in await door.events()][1:] == ["checklist-changed", "description-edited"]


@pytest.mark.rule("TS-55")
async def test_singles_are_merged_behind_the_opening_of_their_rollup_in_one_batch(door: Door) -> None:
    keys = [f"device/t{number}:device_offline" for number in range(3)]
    singles = [
        opening(actor=MONITOR, subject=each, dedup_key=key) for each, key in zip(devices(0, 1, 2), keys, strict=True)
    ]
    await door.ask(*map(asked, singles))
    merge = Resolve(actor=MONITOR, resolution=Resolution.MERGED, parent=BY_KEY)
    answers = await door.ask(asked(ROLLUP), update(0, 1, 2), *(asked(merge, ticket=TicketRef(key=key)) for key in keys))
    assert [answer.outcome for answer in answers] == [Outcome.APPLIED] * 5
    rows = await door.rows("SELECT number, resolution, parent_number FROM ticket ORDER BY number")
    assert [tuple(row) for row in rows] == [*((number, "merged", 4) for number in (1, 2, 3)), (4, None, None)]
    bodies = await door.rows("SELECT body FROM entry WHERE type = 'comment-added'")
    assert [row.body for row in bodies] == ["Merged into #4"] * 3
    resolved = [message for message in await door.events() if message.name == "resolved"]
    assert {message.data["ticket"]["parent"]["number"] for message in resolved} == {4}


@pytest.mark.rule("TS-55")
async def test_a_parent_of_another_org_is_none(door: Door) -> None:
    rollup = await door.ask_one(asked(ROLLUP, org="globex"))
    await door.ask(asked(opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE)))
    assert rollup.ticket is not None
    for parent in (BY_KEY, TicketRef(id=rollup.ticket.id)):
        merge = Resolve(actor=MONITOR, resolution=Resolution.MERGED, parent=parent)
        assert (await door.ask_one(asked(merge, ticket=numbered(1)))).reason == "parent_invalid"
