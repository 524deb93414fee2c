"""Verification clause by clause: what it says of keys that are gone, of counts, of older entries, and how far it is."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs
from ticket_api import Api
from ticket_desk import ANN, KEYS, NOON, opening
from ticket_door import Door, asked
from ticket_sweeps import YEAR, resolve, sweeper
from ticket_tampering import findings, tamper, write_history

from fettle_ticket_service.adapters import orgs, verifying
from fettle_ticket_service.adapters.chain_rows import moment
from fettle_ticket_service.adapters.verifying import Progress, verify
from fettle_ticket_service.adapters.wire import Line
from fettle_ticket_service.domain.chain import ChainKeys
from fettle_ticket_service.domain.removals import Older, Removal, sealed
from fettle_ticket_service.domain.verifying import OrgEnd, Seen, Verification, Wrong
from fettle_ticket_service.entrypoints.http import verification

GONE = ChainKeys({"k9": b"a key that the settings have no more"})


async def found_in(door: Door, org: str = "acme") -> list[Wrong]:
    return [finding.wrong for finding in (await findings(door.database, org))[0]]


@pytest.mark.rule("TS-116")
async def test_a_count_below_nothing_is_found_where_there_is_nothing_to_count(door: Door) -> None:
    await door.ask_one(asked())
    await tamper(door, "UPDATE org SET resolved = -5 WHERE org = 'acme'")
    assert await found_in(door) == [Wrong.ORG_ALTERED]


@pytest.mark.rule("TS-61")
async def test_a_member_that_somebody_added_to_a_ticket_without_a_checklist_is_found(door: Door) -> None:
    await write_history(door)
    await tamper(
        door,
        """INSERT INTO checklist_member SELECT id, 'device', 't9', null, 1, now(), null
           FROM ticket WHERE org = 'acme' AND number = 1""",
    )
    assert await found_in(door) == [Wrong.CHECKLIST_ALTERED]
    assert await found_in(door, "globex") == []


@pytest.mark.rule("TS-60", "TS-64")
async def test_notes_under_a_key_that_is_gone_cannot_be_checked_which_is_said_once(door: Door) -> None:
    await write_history(door)
    await resolve(door, 1, 3)
    door.now += YEAR
    await sweeper(door).sweep()
    assert await found_in(door) == []
    for table in ("chain_gap", "removed_ticket"):
        await tamper(door, f"UPDATE {table} SET seal = 'k9' || substr(seal, 3) WHERE org = 'acme'")
        assert await found_in(door) == [Wrong.KEY_UNKNOWN], table


@pytest.mark.rule("TS-62")
async def test_what_is_older_than_the_chains_is_sealed_once_for_each_org(door: Door) -> None:
    for org in ("acme", "globex"):
        await door.ask_one(asked(org=org))
    await tamper(
        door,
        "UPDATE entry SET hash = NULL, place = NULL, head = NULL",
        "UPDATE ticket SET hash = NULL, seal = NULL",
        "UPDATE org SET place = 0, head = ''",
        "INSERT INTO before_chains VALUES ('acme', 1), ('globex', 1)",
    )
    await sweeper(door).start()
    assert (await found_in(door), await found_in(door, "globex")) == ([], [])
    await tamper(door, "UPDATE before_chains SET entries = 2 WHERE org = 'acme'")
    with capture_logs() as logs:
        await sweeper(door).start()
    assert logs == []
    assert (await found_in(door), await found_in(door, "globex")) == ([Wrong.ENTRY_UNCHAINED], [])


@pytest.mark.rule("TS-62")
async def test_a_note_on_older_entries_says_nothing_where_there_are_none(door: Door) -> None:
    await door.ask_one(asked())
    note = sealed(Older(entries=3), "acme", GONE)
    await tamper(door, f"INSERT INTO before_chains VALUES ('acme', 3, '{note.seal}')".replace(":", r"\:"))
    assert await found_in(door) == []


@pytest.mark.rule("TS-62", "TS-64")
def test_a_removal_of_more_entries_than_there_were_lets_no_older_entry_pass() -> None:
    fold = Verification("acme", KEYS)
    note = Removal(
        number=1,
        ticket=UUID(int=1),
        version=2,
        hash="k1:h",
        places=3,
        resolved_at=NOON,
        removed_at=NOON + timedelta(days=365),
        retention_days=365,
    )
    said = Line(UUID(int=9), "opened", 1, NOON, ANN, None, None, None)
    found = [
        *fold.take_entry(Seen(UUID(int=2), 1, UUID(int=9), said, None, None, None)),
        *fold.take_removal(sealed(note, "acme", KEYS)),
        *fold.finish(OrgEnd(2, Counter(), 0, "")),
    ]
    assert Wrong.ENTRY_UNCHAINED in {finding.wrong for finding in found}


@pytest.mark.rule("TS-68")
async def test_of_a_deleted_org_nothing_is_verified(door: Door) -> None:
    await write_history(door)
    async with door.work() as work:
        await orgs.take_in(work.connection, [("acme", "Acme", True, door.now)])
    assert [each async for each in verify(door.database, "acme", KEYS)] == []


@pytest.mark.rule("TS-65")
async def test_progress_grows_and_never_passes_the_end_whatever_the_orgs_row_claims(
    door: Door, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "_BREATHES_EVERY", 5)
    await door.ask(*(asked(opening()) for _ in range(20)))

    async def told() -> list[float]:
        return [each.done async for each in verify(door.database, "acme", KEYS) if isinstance(each, Progress)]

    done = await told()
    assert done == sorted(set(done))
    assert 0 < done[0] < 0.2 < 0.8 < done[-1] <= 1
    await tamper(door, "UPDATE org SET place = 3, next_number = 2 WHERE org = 'acme'")
    assert max(await told()) == 1.0
    for every_s, lines in ((3600.0, 0), (0.0, len(done))):
        monkeypatch.setattr(verification, "_TELLS_EVERY_S", every_s)
        assert len([line for line in await api.verified() if "done" in line]) == lines


@pytest.mark.rule("TS-65")
async def test_of_many_findings_the_first_are_shown_and_all_are_counted(
    door: Door, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    await write_history(door)
    monkeypatch.setattr(verification, "SHOWN_MAX", 2)
    await tamper(door, "UPDATE ticket SET title = 'Quiet' WHERE org = 'acme'")
    *shown, end = await api.verified()
    assert [line["finding"]["number"] for line in shown] == [1, 2]
    assert end["verified"]["findings"] == {"ticket_altered": 3}


@pytest.mark.rule("TS-92")
async def test_a_verification_lasts_as_long_as_its_reader_goes_on_within_a_minute(door: Door) -> None:
    async with moment(door.database) as connection:
        limits = [
            await connection.scalar(text(f"SHOW {name}"))
            for name in ("statement_timeout", "idle_in_transaction_session_timeout")
        ]
    assert limits == ["0", "1min"]
