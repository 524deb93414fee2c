"""What somebody without the key has written makes retention remove nothing that stays, and stops no sweep."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs
from ticket_api import Api
from ticket_desk import ANN, KEYS, NOON, opening
from ticket_door import Door, asked, numbered
from ticket_sweeps import YEAR, numbers, resolve, sweeper
from ticket_tampering import findings, tamper, write_history

from fettle_contracts.results import Outcome
from fettle_contracts.ticket_policy import TicketPolicy
from fettle_ticket_service.adapters.sweeping import AT_MOST
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.removals import Removal, sealed
from fettle_ticket_service.domain.verifying import Verification, Wrong
from fettle_ticket_service.domain.witnesses import Stands, Witnessed, compare


@pytest.mark.rule("TS-61", "TS-64")
@pytest.mark.parametrize("met_before", [False, True])
@pytest.mark.parametrize(
    "alteration",
    [
        "resolved_at = opened_at - interval '400 days'",
        "resolved_at = opened_at - interval '400 days', seal = NULL",
        "resolved_at = opened_at - interval '400 days', seal = 'k9' || substr(seal, 3)",
        "resolved_at = opened_at - interval '400 days', seal = NULL, hash = NULL",
    ],
)
async def test_what_somebody_declared_resolved_long_ago_stays_and_stays_a_finding(
    door: Door, alteration: str, met_before: bool
) -> None:
    """Also where a command meets it before retention does, and seals what it writes."""
    await write_history(door)
    await tamper(
        door,
        f"""UPDATE ticket SET state = 'resolved', resolution = 'by_person', {alteration}
            WHERE org = 'acme' AND number = 3""",
        "UPDATE org SET open = open - 1, resolved = resolved + 1 WHERE org = 'acme'",
    )
    if met_before:
        await door.ask_one(asked(commands.Comment(actor=ANN, text="Still noisy."), ticket=numbered(3)))
    with capture_logs() as logs:
        assert await sweeper(door).sweep() == 0
    assert [(each["org"], each["number"]) for each in logs if each["event"] == "ticket.unsound"] == [("acme", 3)]
    found, verification = await findings(door.database)
    assert found
    assert (verification.tickets, verification.removed) == (3, 0)


@pytest.mark.rule("TS-61", "TS-64")
@pytest.mark.parametrize("lost", ["hash = NULL", "hash = NULL, place = NULL, head = NULL"])
async def test_what_is_declared_older_than_the_chains_and_goes_on_stays_a_finding(door: Door, lost: str) -> None:
    await write_history(door)
    of_it = "(SELECT id FROM ticket WHERE org = 'acme' AND number = 3)"
    await tamper(
        door,
        f"UPDATE entry SET {lost} WHERE ticket_id = {of_it}",
        """UPDATE ticket SET state = 'resolved', resolution = 'by_person', seal = NULL, hash = NULL,
            resolved_at = opened_at - interval '400 days' WHERE org = 'acme' AND number = 3""",
        "UPDATE org SET open = open - 1, resolved = resolved + 1 WHERE org = 'acme'",
    )
    await door.ask_one(asked(commands.Comment(actor=ANN, text="Still noisy."), ticket=numbered(3)))
    await sweeper(door).sweep()
    assert (await findings(door.database))[0]


@pytest.mark.rule("TS-64", "TS-61")
async def test_a_row_from_before_the_ticket_was_reopened_removes_nothing(door: Door) -> None:
    await door.ask_one(asked())
    await resolve(door, 1)
    await tamper(door, "CREATE TABLE resolved_row AS TABLE ticket")
    await door.ask_one(asked(commands.Reopen(actor=ANN), ticket=numbered(1)))
    await door.ask_one(asked(commands.Comment(actor=ANN, text="The evidence."), ticket=numbered(1)))
    await tamper(
        door,
        "DELETE FROM ticket",
        "INSERT INTO ticket TABLE resolved_row",
        "UPDATE org SET open = open - 1, resolved = resolved + 1 WHERE org = 'acme'",
    )
    door.now += YEAR
    assert await sweeper(door).sweep() == 0
    found, verification = await findings(door.database)
    assert [(finding.wrong, finding.number) for finding in found] == [(Wrong.TICKET_ALTERED, 1)]
    assert (verification.entries, verification.removed) == (4, 0)


@pytest.mark.rule("TS-64", "TS-11", "TS-100")
async def test_a_number_of_a_removed_ticket_is_not_given_again(door: Door) -> None:
    await write_history(door)
    await resolve(door, 1)
    door.now += YEAR
    assert await sweeper(door).sweep() == 3
    await resolve(door, 3)
    await tamper(door, "UPDATE org SET next_number = 1 WHERE org = 'acme'")
    with capture_logs() as logs:
        await door.ask_again(asked())  # number 3 is still there, which its insert meets
    assert await numbers(door) == [3, 4]
    assert "org.put_right" in {each["event"] for each in logs}
    assert (await findings(door.database))[0] == []


@pytest.mark.rule("TS-64", "TS-100")
@pytest.mark.parametrize(
    ("invented", "left", "told"),
    [
        ("removed_ticket SELECT org, 1, gen_random_uuid(), 1, hash, 1, opened_at, opened_at, 5, seal", [1], "unsound"),
        ("removed_ticket SELECT org, 99, id, 1, hash, 1, opened_at, opened_at, 5, seal", [1], "unsound"),
        ("chain_gap SELECT org, 1, 1, hash, seal", [1, 2], "passed_over"),
    ],
)
async def test_a_note_that_somebody_else_has_made_stops_no_sweep(
    door: Door, invented: str, left: list[int], told: str
) -> None:
    for org in ("acme", "globex"):
        await door.ask(asked(org=org), asked(org=org))
        await resolve(door, 1, 2, org=org)
    await tamper(door, f"INSERT INTO {invented} FROM ticket WHERE org = 'acme' AND number = 1")
    door.now += YEAR
    with capture_logs() as logs:
        assert await sweeper(door).sweep() == 4 - len(left)
    assert (await numbers(door), await numbers(door, "globex")) == (left, [])
    assert [each["org"] for each in logs if told in each["event"]] == ["acme"]
    assert (await findings(door.database))[0] != []


@pytest.mark.rule("TS-64", "TS-100")
@pytest.mark.parametrize("policy", ['{"reopen_window_s": "x"}', '"none"', "null"])
async def test_a_policy_that_cannot_be_read_counts_as_none_and_removes_nothing(
    door: Door, api: Api, policy: str
) -> None:
    await write_history(door)
    await tamper(door, f"UPDATE org SET policy = '{policy}' WHERE org = 'acme'".replace(":", r"\:"))
    with capture_logs() as logs:
        assert (await door.ask_one(asked())).outcome == Outcome.APPLIED
        assert (await api.call("GET", "/ticket-policy")).json() == {**TicketPolicy().to_dict(), "version": 0}
        door.now += YEAR
        assert await sweeper(door).sweep() == 1
    assert [each["org"] for each in logs if each["event"] == "org.policy_unreadable"] == ["acme"] * 3
    assert (await numbers(door), await numbers(door, "globex")) == ([1, 2, 3, 4], [1, 3])


@pytest.mark.rule("TS-64", "TS-100")
async def test_a_word_that_there_is_not_is_shown_as_it_stands_and_stops_no_sweep(door: Door, api: Api) -> None:
    await write_history(door)
    await tamper(door, "UPDATE ticket SET source = 'x', resolution = 'y' WHERE org = 'acme' AND number = 2")
    door.now += YEAR
    assert await sweeper(door).sweep() == 1
    assert (await numbers(door), await numbers(door, "globex")) == ([1, 2, 3], [1, 3])
    shown = (await api.call("GET", "/tickets/2")).json()
    assert (shown["source"], shown["resolution"]) == ("x", "y")
    assert (await api.call("GET", "/tickets")).status_code == 200


NOTE = Removal(
    number=1,
    ticket=UUID(int=7),
    version=2,
    hash="k1:h",
    places=2,
    resolved_at=NOON,
    removed_at=NOON + YEAR,
    retention_days=365,
)
LAST, EARLIER = Stands(removed_version=2, removed_hash="k1:h"), Witnessed(NOTE.ticket, 1, "k1:g", 1)


@pytest.mark.rule("TS-61", "TS-64")
@pytest.mark.parametrize(
    ("said", "sound"),
    [
        ({"places": 3}, False),
        ({"places": 2}, True),
        ({"places": 1}, True),
        ({"removed_at": NOON + YEAR - timedelta(milliseconds=1)}, False),
        ({"retention_days": 366}, False),
        ({"retention_days": 364}, True),
    ],
)
def test_a_sealed_note_does_not_vouch_for_a_removal_that_retention_does_not_do(said: Any, sound: bool) -> None:
    """A note that was made with the key: more entries went than the ticket had, or they went before their time."""
    note = sealed(replace(NOTE, **said), "acme", KEYS)
    found = list(Verification("acme", KEYS).take_removal(note))
    assert [finding.wrong for finding in found] == ([] if sound else [Wrong.REMOVAL_ALTERED])


@pytest.mark.rule("TS-63")
@pytest.mark.parametrize(
    ("seen", "stands", "wrong"),
    [
        (EARLIER, LAST, None),
        (Witnessed(NOTE.ticket, 2, "k1:h", 1), LAST, None),
        (Witnessed(NOTE.ticket, 2, "k1:g", 1), LAST, Wrong.ENTRY_ALTERED),
        (Witnessed(NOTE.ticket, 3, "k1:h", 1), LAST, Wrong.ENTRY_MISSING),
        (EARLIER, Stands(), Wrong.ENTRY_MISSING),
        (EARLIER, Stands("k1:g", 4, "k1:e"), None),
        (EARLIER, Stands("k1:f", 4, "k1:e"), Wrong.ENTRY_ALTERED),
        (replace(EARLIER, place=4, head="k1:e"), Stands("k1:g", 4, "k1:e"), None),
        (replace(EARLIER, place=4, head="k1:d"), Stands("k1:g", 4, "k1:e"), Wrong.CHAIN_ALTERED),
        (replace(EARLIER, place=5, head="k1:e"), Stands("k1:g", 4, "k1:e"), Wrong.CHAIN_ALTERED),
    ],
)
def test_what_was_seen_stands_or_went_rightly_or_is_a_finding(
    seen: Witnessed, stands: Stands, wrong: Wrong | None
) -> None:
    found = compare(seen, stands)
    assert (found and found.wrong) == wrong


@pytest.mark.rule("TS-64")
async def test_a_batch_of_altered_tickets_does_not_keep_what_is_due_behind_them(door: Door) -> None:
    await door.ask(*(asked(opening()) for _ in range(AT_MOST + 5)))
    await resolve(door, *range(1, AT_MOST + 6))
    await tamper(door, f"UPDATE ticket SET resolved_at = resolved_at - interval '1 day' WHERE number <= {AT_MOST}")
    door.now += YEAR
    assert await sweeper(door).sweep() == 5
    assert await numbers(door) == list(range(1, AT_MOST + 1))
