"""Members of checklists are what was written: nobody is exchanged, renamed or put back to what they were."""

from datetime import timedelta

import pytest
from msgspec.structs import replace
from ticket_desk import ANN, KEYS, MONITOR, devices
from ticket_door import URL, Door, asked, numbered
from ticket_tampering import findings, tamper, write_history

from fettle_ticket_service.adapters.checklist_notes import ChecklistNotes
from fettle_ticket_service.adapters.ticket_rows import ticket_of
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.domain import chain, commands
from fettle_ticket_service.domain.verifying import Wrong

THIRD = "ticket_id = (SELECT id FROM ticket WHERE org = 'acme' AND number = 3)"
MEMBERS = f"UPDATE checklist_member SET {{}} WHERE {THIRD} AND id = '{{}}'"
STATE = "recovered_at, changes, seal"


async def update(door: Door, *add: int, recovered: tuple[int, ...] = ()) -> str:
    command = commands.UpdateChecklist(actor=MONITOR, add=devices(*add), recovered=devices(*recovered))
    return (await door.ask_one(asked(command, ticket=numbered(3)))).reason


async def found_on(door: Door, number: int = 3) -> list[str]:
    """What is wrong with the checklist of that ticket; nothing else may be wrong."""
    found = (await findings(door.database))[0]
    assert {(each.wrong, each.number) for each in found} <= {(Wrong.CHECKLIST_ALTERED, number)}, found
    return [each.message for each in found]


@pytest.mark.rule("TS-61")
async def test_two_members_that_were_exchanged_are_found_and_named(door: Door) -> None:
    await write_history(door)
    await tamper(
        door,
        f"""UPDATE checklist_member AS one SET ({STATE}) = (
            SELECT {STATE} FROM checklist_member AS other
            WHERE other.ticket_id = one.ticket_id AND other.id = translate(one.id, '12', '21')
        ) WHERE {THIRD} AND id IN ('t1', 't2')""",
    )
    [message] = await found_on(door)
    assert message == "Not what was written on the checklist: device/t1, device/t2."
    assert (await findings(door.database, "globex"))[0] == []


@pytest.mark.rule("TS-61")
async def test_members_that_were_put_back_with_their_seals_are_found(door: Door) -> None:
    """One that had recovered and one that had not change places, each with what was written of it once."""
    await write_history(door)
    await tamper(door, "CREATE TABLE once AS TABLE checklist_member")
    await update(door, 1, recovered=(2,))
    put_back = f"({STATE}) = (SELECT {STATE} FROM once WHERE once.ticket_id = checklist_member.ticket_id AND once.id = "
    for id in ("t1", "t2"):
        await tamper(door, MEMBERS.format(f"{put_back}'{id}')", id))
    assert await found_on(door) == ["A member of the checklist stands as it once did, and has changed since."]
    await update(door, recovered=(2, 3))
    await update(door, 1, 2, 3)
    assert await found_on(door) == ["A member of the checklist stands as it once did, and has changed since."]


@pytest.mark.rule("TS-61")
@pytest.mark.parametrize(
    "alteration",
    ["name = 'No. 7'", "seal = NULL", "changes = 2147483647", "changes = -2147483648", "joined_at = now()"],
)
async def test_a_command_on_an_altered_member_goes_through_and_does_not_make_it_sound(
    door: Door, alteration: str
) -> None:
    await write_history(door)
    await tamper(door, MEMBERS.format(alteration, "t2"))
    assert await update(door, 4, recovered=(1, 2, 3)) == "asked"
    assert await update(door, 2) == "asked"
    assert await found_on(door) == ["Not what was written on the checklist: device/t2."]


@pytest.mark.rule("TS-61")
async def test_what_a_checklist_has_still_to_tell_is_sealed(door: Door) -> None:
    await write_history(door)
    told = """jsonb_set(checklist_unsaid, '{added,count}', '7')"""
    await tamper(door, f"UPDATE ticket SET checklist_unsaid = {told} WHERE org = 'acme' AND number = 3")
    assert [each.wrong for each in (await findings(door.database))[0]] == [Wrong.TICKET_ALTERED]
    door.now += timedelta(minutes=2)
    assert await ChecklistNotes(door.database, Wire(URL), KEYS, lambda: door.now).write() == 2
    assert [each.wrong for each in (await findings(door.database))[0]] == [Wrong.TICKET_ALTERED]


@pytest.mark.rule("TS-61")
async def test_a_checklist_from_before_members_were_sealed_is_held_by_its_counts_and_goes_on(door: Door) -> None:
    await write_history(door)
    await tamper(
        door,
        f"UPDATE checklist_member SET changes = 0, seal = NULL WHERE {THIRD}",
        "UPDATE ticket SET checklist_changes = 0 WHERE org = 'acme' AND number = 3",
    )
    [row] = await door.rows("SELECT * FROM ticket WHERE org = 'acme' AND number = 3")
    ticket = ticket_of(row)
    seal = KEYS.write(chain.SEAL, row.hash, chain.seal_text("acme", ticket))
    await tamper(door, f"UPDATE ticket SET seal = '{seal}' WHERE org = 'acme' AND number = 3".replace(":", r"\:"))
    assert await found_on(door) == []
    assert await update(door, 4, recovered=(2, 3)) == "asked"
    await door.ask_one(asked(commands.Comment(actor=ANN, text="Still so."), ticket=numbered(3)))
    assert await found_on(door) == []
    rows = await door.rows(f"SELECT changes, seal FROM checklist_member WHERE {THIRD}")
    assert {tuple(row) for row in rows} == {(0, None)}
    await tamper(door, f"DELETE FROM checklist_member WHERE {THIRD} AND id = 't4'")
    assert await found_on(door) == ["The checklist has other members than the ticket counts."]


@pytest.mark.rule("TS-61")
async def test_a_checklist_is_not_declared_older_than_its_seals(door: Door) -> None:
    await write_history(door)
    await tamper(
        door,
        f"UPDATE checklist_member SET changes = 0, seal = NULL WHERE {THIRD}",
        "UPDATE ticket SET checklist_changes = 0 WHERE org = 'acme' AND number = 3",
    )
    assert [each.wrong for each in (await findings(door.database))[0]] == [Wrong.TICKET_ALTERED]


@pytest.mark.rule("TS-103")
async def test_a_checklist_that_claims_too_many_changes_is_refused_alone(door: Door) -> None:
    await write_history(door)
    for many in (2**63 - 1, -(2**63)):
        await tamper(door, f"UPDATE ticket SET checklist_changes = {many} WHERE org = 'acme' AND number = 3")
        assert await update(door, 4) == "record_altered"
        assert (
            await door.ask_one(asked(commands.Comment(actor=ANN, text="On."), ticket=numbered(1)))
        ).reason == "asked"


@pytest.mark.rule("TS-60", "TS-61")
async def test_members_under_a_key_that_is_gone_cannot_be_checked(door: Door) -> None:
    await write_history(door)
    await tamper(door, MEMBERS.format("seal = 'k9' || substr(seal, 3)", "t2"))
    assert [each.wrong for each in (await findings(door.database))[0]] == [Wrong.KEY_UNKNOWN]


@pytest.mark.rule("TS-61")
async def test_members_of_any_kind_verify_as_the_database_keeps_them(door: Door) -> None:
    await write_history(door)
    odd = (
        replace(devices(5)[0], name=None),
        replace(devices(5)[0], id='ø"\\' * 20, name="’; DROP TABLE ticket; -- \U0001f525"),
    )
    command = commands.UpdateChecklist(actor=MONITOR, add=odd, recovered=odd, at=door.now + timedelta(microseconds=7))
    await door.ask_one(asked(command, ticket=numbered(3)))
    assert await found_on(door) == []
