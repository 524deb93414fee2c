"""What stands on record is what was written: by the keys, and by what others saw."""

from base64 import urlsafe_b64encode
from hashlib import blake2b
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from structlog.testing import capture_logs
from ticket_desk import ANN, KEYS, MONITOR, Desk, opening
from ticket_door import Door, Published, asked, numbered
from ticket_sweeps import YEAR, sweeper
from ticket_tampering import TAMPERINGS, backed_up, findings, tamper, write_history

from fettle_contracts.results import Outcome
from fettle_ticket_service.adapters.sweeping import Retention
from fettle_ticket_service.adapters.verifying import hold_against
from fettle_ticket_service.domain import chain, commands
from fettle_ticket_service.domain.chain import ChainKeys
from fettle_ticket_service.domain.verifying import Wrong
from fettle_ticket_service.domain.witnesses import Witnessed

NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
EVIDENCE = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.booleans() | NUMBERS | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)


def witnessed(event: Published) -> Witnessed:
    entry, end, ticket = event.data["entry"], event.data["chain"], event.data["ticket"]
    return Witnessed(UUID(ticket["id"]), entry["version"], entry["hash"], ticket["number"], end["place"], end["head"])


@pytest.mark.rule("TS-60")
def test_each_entry_follows_the_one_before_it_and_every_head_all_of_them() -> None:
    desk = Desk()
    one, other = desk.open(), desk.open()
    assert one.ticket is not None
    links = [entry.link for done in (one, other, desk.start(one.ticket, comment="On it.")) for entry in done.entries]
    assert [link.place for link in links] == [1, 2, 3, 4]
    before = chain.NOTHING
    for link in links:
        assert KEYS.fits(link.head, chain.ORG, before, chain.head_text(link.place, link.hash))
        before = link.head
    assert len({link.hash for link in links}) == 4
    assert (desk.book.chain.place, desk.book.chain.head) == (4, links[-1].head)


@pytest.mark.rule("TS-60")
@pytest.mark.parametrize("content", [b"", b"said", b"\xff" * 300, *(bytes([each]) for each in range(16))])
def test_a_hash_is_blake2b_of_purpose_hash_before_and_content_in_url_safe_base64(content: bytes) -> None:
    secret = bytes(range(40))
    keys = ChainKeys({"k2": secret, "k1": bytes(32)})
    before = keys.write(chain.ENTRY, chain.NOTHING, b"first")
    text = b"\n".join((b"entry", before.encode(), content))
    made = urlsafe_b64encode(blake2b(text, key=secret, digest_size=32).digest())
    assert keys.write(chain.ENTRY, before, content) == f"k2:{made.decode().rstrip('=')}"


@pytest.mark.rule("TS-60")
def test_a_key_that_was_replaced_still_verifies_and_no_purpose_stands_for_another() -> None:
    old, both = ChainKeys({"k1": bytes(32)}), ChainKeys({"k2": b"2" * 32, "k1": bytes(32)})
    hash = old.write(chain.ENTRY, chain.NOTHING, b"said")
    assert both.fits(hash, chain.ENTRY, chain.NOTHING, b"said")
    assert both.write(chain.ENTRY, chain.NOTHING, b"said").startswith("k2:")
    assert not both.fits(hash, chain.SEAL, chain.NOTHING, b"said")
    assert not ChainKeys({"k1": b"1" * 32}).fits(hash, chain.ENTRY, chain.NOTHING, b"said")
    assert not ChainKeys({"k2": bytes(32)}).knows(hash)


@pytest.mark.rule("TS-60")
async def test_hashes_and_heads_are_published_and_shown(door: Door) -> None:
    await write_history(door)
    events = [event for event in await door.events() if event.key.startswith("acme/")]
    rows = await door.rows("SELECT hash, place, head FROM entry WHERE org = 'acme' ORDER BY place")
    said = [
        (event.data["entry"]["hash"], event.data["chain"]["place"], event.data["chain"]["head"]) for event in events
    ]
    assert said == [tuple(row) for row in rows]
    assert [place for _, place, _ in said] == list(range(1, len(events) + 1))


@pytest.mark.rule("TS-61")
async def test_what_nobody_touched_is_sound(door: Door) -> None:
    await write_history(door)
    for org in ("acme", "globex"):
        found, verification = await findings(door.database, org)
        assert found == []
        assert (verification.tickets, verification.entries, verification.older) == (3, 9, 0)


@pytest.mark.rule("TS-61")
async def test_whatever_is_done_to_the_rows_without_the_key_is_found(door: Door) -> None:
    await write_history(door)
    async with backed_up(door) as backup:
        for what, (statement, wrong) in TAMPERINGS.items():
            await tamper(door, statement)
            found, _ = await findings(door.database)
            assert wrong in {finding.wrong for finding in found}, (what, found)
            await backup.put_back()
            assert (await findings(door.database))[0] == []


@pytest.mark.rule("TS-62", "TS-64")
async def test_a_record_that_is_declared_older_than_the_chains_and_removed_is_found(door: Door) -> None:
    await write_history(door)
    await tamper(
        door,
        "UPDATE entry SET hash = NULL, place = NULL, head = NULL",
        """UPDATE ticket SET hash = NULL, seal = NULL, state = 'resolved', resolution = 'by_person',
            resolved_at = opened_at - interval '400 days'""",
        "UPDATE org SET place = 0, head = '', open = 0, in_progress = 0, resolved = 3",
    )
    assert {finding.wrong for finding in (await findings(door.database))[0]} == {Wrong.ENTRY_UNCHAINED}
    assert await Retention(door.database, KEYS, door.hour).sweep() == 6
    [found], verification = await findings(door.database)
    assert (found.wrong, verification.entries, verification.removed) == (Wrong.ENTRY_UNCHAINED, 0, 3)


TICKETS_ALTERED = (
    "a title is altered",
    "a description is altered",
    "an opening is altered",
    "a state is altered",
    "a link is altered",
    "a source that there is not",
    "a kind of subject that there is not",
    "a resolution that there is not",
    "a ticket's actor that there is not",
    "a seal is taken away",
    "a seal is of a key that is not there",
    "hash and seal are taken away",
)


@pytest.mark.rule("TS-61")
async def test_a_command_on_an_altered_ticket_goes_through_and_does_not_make_it_sound(door: Door) -> None:
    await write_history(door)
    async with backed_up(door) as backup:
        for what in TICKETS_ALTERED:
            await tamper(door, TAMPERINGS[what][0])
            for _ in range(2):
                batch = [asked(commands.Comment(actor=ANN, text="Still noisy."), ticket=numbered(n)) for n in (1, 2, 3)]
                with capture_logs() as logs:
                    assert {answer.outcome for answer in await door.ask(*batch)} == {Outcome.APPLIED}
                met = {each["number"] for each in logs if each["event"] == "ticket.unsound"}
                found, _ = await findings(door.database)
                assert found, what
                assert met, what
                assert {finding.number for finding in found} <= {*met, None}, (what, found)
                assert Wrong.ENTRY_ALTERED not in {finding.wrong for finding in found}, "the comment is sound"
            await backup.put_back()


@pytest.mark.rule("TS-61")
async def test_one_altered_entry_is_one_finding_with_the_number_that_people_know(door: Door) -> None:
    await write_history(door)
    await tamper(door, "UPDATE entry SET body = 'No.' WHERE org = 'acme' AND body = 'Called the vendor.'")
    [finding], verification = await findings(door.database)
    assert (finding.wrong, finding.number, finding.version) == (Wrong.ENTRY_ALTERED, 3, 2)
    assert verification.entries == 9
    assert (await findings(door.database, "globex"))[0] == []


@pytest.mark.rule("TS-24", "TS-61")
async def test_an_entry_that_somebody_moved_here_does_not_tell_the_number_that_its_ticket_has_there(door: Door) -> None:
    await write_history(door)
    await door.ask_one(asked(opening(title="Only in acme")))
    await tamper(door, "UPDATE entry SET org = 'globex' WHERE org = 'acme' AND place = 10")
    found, _ = await findings(door.database, "globex")
    assert found
    assert {finding.number for finding in found} == {None}


@pytest.mark.rule("TS-61")
async def test_evidence_of_any_kind_verifies_as_the_database_keeps_it(door: Door) -> None:
    said: list[dict[str, Any]] = []

    @given(EVIDENCE)
    @settings(max_examples=300, derandomize=True, database=None)
    def draw(evidence: dict[str, Any]) -> None:
        said.append(evidence)

    draw()
    said += [{"n": number} for number in (1e16, -1e22, 1e23, 1.5e300, -0.0, 5e-324, 1e-7, 0.1 + 0.2, 2**64, 5.0)]
    await door.ask(*(asked(opening(actor=MONITOR, evidence=evidence)) for evidence in said))
    found, verification = await findings(door.database)
    assert found == []
    assert verification.entries == len(said) >= 300


@pytest.mark.rule("TS-62")
async def test_tickets_from_before_the_chains_are_counted_and_go_on_in_them(door: Door) -> None:
    await write_history(door)
    await tamper(
        door,
        "UPDATE entry SET hash = NULL, place = NULL, head = NULL",
        "UPDATE ticket SET hash = NULL, seal = NULL",
        "UPDATE org SET place = 0, head = ''",
    )
    for entries in (None, 8, 9):
        if entries is not None:
            await tamper(door, f"INSERT INTO before_chains VALUES ('acme', {entries})")
            assert {finding.wrong for finding in (await findings(door.database))[0]} == {Wrong.ENTRY_UNCHAINED}
            await Retention(door.database, KEYS, door.hour).start()
        wrong = {finding.wrong for finding in (await findings(door.database))[0]}
        assert wrong == (set() if entries == 9 else {Wrong.ENTRY_UNCHAINED})
        if entries == 8:
            await tamper(door, "UPDATE before_chains SET entries = 9")
            assert {finding.wrong for finding in (await findings(door.database))[0]} == {Wrong.ENTRY_UNCHAINED}
            await tamper(door, "DELETE FROM before_chains")
    await door.ask_one(asked(commands.Comment(actor=ANN, text="Still noisy."), ticket=numbered(1)))
    await door.ask_one(asked())
    found, verification = await findings(door.database)
    assert (found, verification.entries, verification.older) == ([], 11, 9)
    await tamper(door, "DELETE FROM entry WHERE org = 'acme' AND version = 2 AND type = 'started'")
    assert {finding.wrong for finding in (await findings(door.database))[0]} >= {Wrong.ENTRY_MISSING}


@pytest.mark.rule("TS-63")
async def test_a_cut_tail_and_a_chain_written_anew_are_found_by_what_was_published(door: Door) -> None:
    await write_history(door)
    async with backed_up(door) as backup:
        comment = asked(commands.Comment(actor=ANN, text="It is the cable."), ticket=numbered(1))
        await door.ask_one(comment)
        seen = [witnessed(event) for event in await door.events() if event.key.startswith("acme/")]
        async with door.database.reading() as connection:
            assert await hold_against(connection, "acme", seen) == []
        await backup.put_back()
        assert (await findings(door.database))[0] == []
        async with door.database.reading() as connection:
            [cut] = await hold_against(connection, "acme", seen)
        assert (cut.wrong, cut.number, cut.version) == (Wrong.ENTRY_MISSING, 1, 6)
        await door.ask_one(asked(commands.Comment(actor=ANN, text="It is nothing."), ticket=numbered(1)))
        assert (await findings(door.database))[0] == []
        async with door.database.reading() as connection:
            [anew] = await hold_against(connection, "acme", seen)
        assert (anew.wrong, anew.number, anew.version) == (Wrong.ENTRY_ALTERED, 1, 6)


@pytest.mark.rule("TS-61")
async def test_a_tickets_row_of_another_history_than_its_timelines_is_found(door: Door) -> None:
    """Both were written with the key: one before the database was put back to an older state, one after."""
    await write_history(door)
    async with backed_up(door) as backup:
        await door.ask_one(asked(commands.Comment(actor=ANN, text="It is the cable."), ticket=numbered(1)))
        await tamper(door, "CREATE TABLE other AS TABLE ticket")
        await backup.put_back()
        await door.ask_one(asked(commands.Comment(actor=ANN, text="It is nothing."), ticket=numbered(1)))
        assert (await findings(door.database))[0] == []
        await tamper(
            door,
            "UPDATE ticket SET (hash, seal) = (SELECT hash, seal FROM other WHERE other.id = ticket.id)",
        )
    [found] = (await findings(door.database))[0]
    assert (found.wrong, found.number, found.version) == (Wrong.TICKET_ALTERED, 1, 6)


@pytest.mark.rule("TS-101")
async def test_forged_events_find_what_is_not_wrong_and_hide_nothing_that_is(door: Door) -> None:
    await write_history(door)
    genuine = [witnessed(event) for event in await door.events() if event.key.startswith("acme/")]
    await tamper(door, "UPDATE entry SET hash = 'k1:forged' WHERE org = 'acme' AND place = 2")
    altered = replace(genuine[1], hash="k1:forged")
    invented = Witnessed(UUID(int=7), 1, "k1:forged", 1, 1, "k1:forged")
    async with door.database.reading() as connection:
        found = await hold_against(connection, "acme", [altered, *genuine, altered, invented])
    assert [(each.ticket, each.version) for each in found] == [
        (genuine[1].ticket, genuine[1].version),
        (UUID(int=7), 1),
    ]
    assert all("was seen" in each.message for each in found)


@pytest.mark.rule("TS-62")
async def test_a_count_that_was_added_before_a_start_is_told_and_found_by_what_was_published(door: Door) -> None:
    await write_history(door)
    seen = [witnessed(event) for event in await door.events() if event.key.startswith("acme/")]
    await tamper(
        door,
        "UPDATE entry SET hash = NULL, place = NULL, head = NULL WHERE org = 'acme'",
        "UPDATE ticket SET hash = NULL, seal = NULL WHERE org = 'acme'",
        "UPDATE org SET place = 0, head = '' WHERE org = 'acme'",
        "INSERT INTO before_chains VALUES ('acme', 9)",
    )
    with capture_logs() as logs:
        await Retention(door.database, KEYS, door.hour).start()
    assert [(each["event"], each["org"]) for each in logs] == [("org.older_entries_sealed", "acme")]
    assert (await findings(door.database))[0] == []
    async with door.database.reading() as connection:
        assert len(await hold_against(connection, "acme", seen)) == len(seen)


@pytest.mark.rule("TS-63", "TS-24")
async def test_what_another_org_saw_is_not_here(door: Door) -> None:
    await write_history(door)
    theirs = [witnessed(event) for event in await door.events() if event.key.startswith("globex/")]
    async with door.database.reading() as connection:
        found = await hold_against(connection, "acme", theirs)
    assert {finding.wrong for finding in found} == {Wrong.ENTRY_MISSING}
    assert len(found) == len(theirs)
    await tamper(door, "UPDATE org SET deleted = true WHERE org = 'acme'")
    door.now += YEAR
    assert await sweeper(door).sweep() == 4  # acme's three, and one of theirs
    async with door.database.reading() as connection:
        assert await hold_against(connection, "globex", theirs) == []
        assert await hold_against(connection, "acme", theirs) == found
