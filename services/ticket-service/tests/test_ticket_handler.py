"""The one handler on a real database: one effect per command, whole transactions, messages that say what happened."""

import asyncio
import contextlib
import json
from datetime import timedelta

import pytest
from msgspec.structs import replace
from ticket_desk import ANN, BOB, KEYS, MONITOR, NOON, OFFLINE, ORDER, THERMOSTAT, opening
from ticket_door import URL, Door, asked, numbered

from fettle_chassis.failures import TransientError
from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.cloudevents import from_record, to_binary
from fettle_contracts.codes import RejectionCode
from fettle_contracts.registry import MESSAGES
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import Resolution
from fettle_ticket_service.adapters import books, orgs, writes
from fettle_ticket_service.adapters.forgetting import Forgetting
from fettle_ticket_service.domain.commands import (
    Comment,
    EditDescription,
    MoveToOpen,
    Reopen,
    Resolve,
    SetLinks,
    Start,
)
from fettle_ticket_service.domain.decisions import Rejected
from fettle_ticket_service.domain.values import TicketRef

EVERY_ENTRY = [
    *("opened", "started", "comment-added", "moved-to-open", "description-edited"),
    *("links-edited", "resolved", "reopened"),
]


async def live_a_ticket(door: Door) -> None:
    """One ticket through everything that can happen to a ticket, in one batch."""
    on = numbered(1)
    await door.ask(
        asked(opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE, evidence={"deadline": "12:00"})),
        asked(Start(actor=ANN, comment="On it."), ticket=on),
        asked(MoveToOpen(actor=ANN), ticket=on),
        asked(EditDescription(actor=BOB, description="In *the* cellar."), ticket=on),
        asked(SetLinks(actor=BOB, links=(ORDER,)), ticket=on),
        asked(Resolve(actor=MONITOR), ticket=on),
        asked(Reopen(actor=ANN), ticket=on),
    )


@pytest.mark.rule("TS-7", "TS-26")
async def test_every_event_goes_out_once_in_order_and_triggers_to_their_topics_too(door: Door) -> None:
    await live_a_ticket(door)
    events = await door.events()
    assert [event.name for event in events] == EVERY_ENTRY
    for version, event in enumerate(events, start=1):
        trigger = {"moved-to-open", "description-edited", "links-edited"}.isdisjoint({event.name})
        assert event.topics == ["ticket.events", *([f"ticket.{event.name}"] if trigger else [])]
        assert event.key == f"acme/{event.data['ticket']['id']}"
        assert event.headers["ce_id"] == event.data["entry"]["id"]
        assert event.data["entry"]["version"] == event.data["ticket"]["version"] == version
        assert event.headers["ce_source"] == "fettle/ticket-service"
        assert event.headers["ce_causationdepth"] == "2"
        assert event.headers["traceparent"].startswith("00-0af7")


@pytest.mark.rule("TS-26")
async def test_messages_are_what_the_contract_says(door: Door) -> None:
    await live_a_ticket(door)
    for message in await door.published():
        headers = [(name, value.encode()) for name, value in message.headers.items()]
        event = from_record(headers, message.key.encode(), b"{}")
        written, _ = to_binary(event)
        assert sorted(written) == sorted(headers)
        model = MESSAGES[message.headers["ce_type"]]
        parsed = model.model_validate_json(json.dumps(message.data), strict=True)
        assert parsed.to_dict() == message.data
    first = (await door.events())[0].data
    assert first["ticket"]["url"] == f"{URL}/orgs/acme/tickets/1"
    assert first["entry"]["evidence"] == {"deadline": "12:00"}
    assert first["entry"]["at"] == "2026-11-23T12:00:00.000Z"


@pytest.mark.rule("TS-27")
@pytest.mark.parametrize("few", [0, 400])
async def test_a_ticket_and_its_timeline_read_back_as_they_were_said(
    door: Door, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(writes, "FEW", few)
    await live_a_ticket(door)
    said = (await door.events())[-1].data["ticket"]
    async with door.work() as work:
        opened = await books.open_books(work.connection, ["acme"], KEYS)
        await books.enter_tickets(work.connection, opened, [("acme", numbered(1))])
    ticket = opened["acme"].find(numbered(1))
    assert ticket is not None
    assert door.handler._wire.ticket("acme", ticket) == said
    entries = await door.rows("SELECT type, version FROM entry ORDER BY version")
    assert [tuple(entry) for entry in entries] == [(name, place) for place, name in enumerate(EVERY_ENTRY, start=1)]


@pytest.mark.rule("TS-1")
async def test_a_command_that_comes_again_has_no_second_effect(door: Door) -> None:
    first = asked(id="c-1")
    [opened] = await door.ask(first)
    before = await door.published()
    again, twice = await door.ask(first, first)
    assert (again.repeated, twice.repeated, opened.repeated) == (True, True, False)
    assert (again.outcome, again.ticket) == (opened.outcome, opened.ticket)
    assert await door.published() == before


@pytest.mark.rule("TS-1")
async def test_a_command_twice_in_one_batch_has_one_effect(door: Door) -> None:
    first, second = await door.ask(asked(id="c-1"), asked(id="c-1"))
    assert (first.repeated, second.repeated) == (False, True)
    assert len(await door.events()) == len(await door.results()) == 1


@pytest.mark.rule("TS-1")
async def test_a_rejection_is_remembered_too(door: Door) -> None:
    late = asked(Start(actor=ANN), ticket=numbered(1), id="c-1")
    assert (await door.ask_one(late)).reason == RejectionCode.TICKET_NOT_FOUND
    await door.ask(asked())
    again = await door.ask_one(late)
    assert (again.repeated, again.reason) == (True, RejectionCode.TICKET_NOT_FOUND)


@pytest.mark.rule("TS-69")
async def test_another_command_under_a_used_id_is_refused_and_changes_nothing(door: Door) -> None:
    first = asked(id="c-1", from_outside=True)
    other, third = (
        asked(opening(title=title), id="c-1", from_outside=True) for title in ("Another noise", "A third one")
    )
    opened, refused = await door.ask(first, other)
    again, refused_again, refused_too, repeated = await door.ask(other, other, third, first)
    assert (opened.reason, opened.repeated, repeated.repeated) == (repeated.reason, False, True)
    for answer in (refused, again, refused_again, refused_too):
        assert (answer.outcome, answer.reason) == (Outcome.REJECTED, RejectionCode.COMMAND_ID_REUSED)
    assert len(await door.events()) == 1
    results = await door.results()
    assert [result.data["outcome"] for result in results] == ["applied", *["rejected"] * 4]
    assert len({result.headers["ce_id"] for result in results}) == 3, (
        "one of each content, the same when it is repeated"
    )


@pytest.mark.rule("TS-69")
async def test_our_own_word_under_an_id_that_was_used_is_a_repeat(door: Door) -> None:
    """A monitor whose database was put back derives the same id from the same cause, and may say it otherwise."""
    await door.ask(asked(id="c-1"))
    assert (await door.ask_one(asked(opening(title="Another noise"), id="c-1"))).repeated
    assert len(await door.results()) == 1


@pytest.mark.rule("TS-1", "TS-24")
async def test_org_source_and_id_together_are_the_identity(door: Door) -> None:
    first = asked(id="c-1")
    others = [replace(first, org="globex"), replace(first, source="elsewhere"), replace(first, id="c-2")]
    answers = await door.ask(first, *others)
    assert [answer.repeated for answer in answers] == [False] * 4


@pytest.mark.rule("TS-28")
async def test_answers_are_kept_for_thirty_days(door: Door) -> None:
    forgetting = Forgetting(door.database, door.hour, timedelta(days=30))
    await door.ask(asked(id="c-1"))
    door.now += timedelta(milliseconds=1)
    await door.ask(asked(id="c-2"))
    door.now = NOON + timedelta(days=30)
    assert await forgetting.forget() == 0
    door.now += timedelta(milliseconds=1)
    assert await forgetting.forget() == 1
    assert [row.id for row in await door.rows("SELECT id FROM command")] == ["c-2"]


@pytest.mark.rule("TS-29")
async def test_results_say_what_became_of_each_command(door: Door) -> None:
    await door.ask(
        asked(opening(dedup_key="lift-3"), id="one"),
        asked(opening(dedup_key="lift-3"), id="two"),
        asked(Start(actor=ANN), ticket=numbered(9), id="three"),
    )
    one, two, three = await door.results()
    ticket = one.data["ticket"]
    assert one.data == {
        "org": "acme",
        "command_id": "one",
        "command_source": "tests",
        "verb": "open",
        "outcome": "applied",
        "reason": None,
        "ticket": {"id": ticket["id"], "number": 1, "state": "open", "version": 1},
    }
    assert (two.data["outcome"], two.data["ticket"]) == ("unchanged", ticket)
    assert (three.data["outcome"], three.data["ticket"]) == ("rejected", None)
    assert three.data["reason"]["code"] == "ticket_not_found"
    assert (one.key, one.headers["ce_causationid"]) == ("acme", "one")
    assert len({result.headers["ce_id"] for result in (one, two, three)}) == 3


@pytest.mark.rule("TS-30")
async def test_an_unknown_org_is_answered_and_known_once_it_is(door: Door) -> None:
    early = asked(org="initech", id="c-1")
    assert (await door.ask_one(early)).reason == RejectionCode.ORG_UNKNOWN
    [result] = await door.results()
    assert result.data["reason"]["code"] == "org_unknown"
    await door.add_orgs("initech")
    assert (await door.ask_one(early)).outcome is Outcome.APPLIED


@pytest.mark.rule("TS-43")
async def test_an_org_counts_as_unknown_only_when_all_that_was_said_of_orgs_is_taken_in(door: Door) -> None:
    door.all_heard = False
    with pytest.raises(TransientError):
        await door.ask(asked(), asked(org="initech"))
    assert await door.results() == []
    assert (await door.ask_one(asked(id="c-2"))).outcome is Outcome.APPLIED
    await door.add_orgs("initech")
    assert (await door.ask_one(asked(org="initech"))).outcome is Outcome.APPLIED
    door.all_heard = True
    assert (await door.ask_one(asked(org="nobody"))).reason == RejectionCode.ORG_UNKNOWN


@pytest.mark.rule("TS-30")
async def test_an_org_that_was_deleted_is_unknown_and_an_old_statement_does_not_bring_it_back(door: Door) -> None:
    async with door.work() as work:
        await orgs.take_in(work.connection, [("acme", "Acme", True, NOON + timedelta(days=1))])
    await door.add_orgs("acme")
    assert (await door.ask_one(asked())).reason == RejectionCode.ORG_UNKNOWN


@pytest.mark.rule("TS-115")
async def test_a_deletion_counts_behind_a_clock_that_was_ahead_and_stays(door: Door) -> None:
    async def tell(name: str, days: int, *, deleted: bool = False) -> None:
        async with door.work() as work:
            await orgs.take_in(work.connection, [("acme", name, deleted, NOON + timedelta(days=days))])

    named = "SELECT name, deleted FROM org WHERE org = 'acme'"
    await tell("Ahead", 9_000)
    await tell("Acme", 1)
    assert await door.rows(named) == [("Ahead", False)]
    await tell("Gone", 2, deleted=True)
    assert (await door.ask_one(asked())).reason == RejectionCode.ORG_UNKNOWN
    for days in (0, 2, 9_000, 9_001):
        await tell("Back", days)
    assert await door.rows(named) == [("Gone", True)]
    assert (await door.ask_one(asked())).reason == RejectionCode.ORG_UNKNOWN


@pytest.mark.rule("TS-31")
async def test_what_the_door_refuses_uses_up_nobodys_identity(door: Door) -> None:
    forged = Rejected(RejectionCode.SOURCE_RESERVED, "no")
    batch = [asked(id="c-1", refused=forged), asked(id="c-1"), asked(id="c-1", refused=forged)]
    answers = await door.ask(*batch)
    assert [answer.outcome for answer in answers] == [Outcome.REJECTED, Outcome.APPLIED, Outcome.REJECTED]
    ids = [result.headers["ce_id"] for result in await door.results()]
    assert (ids[0] == ids[2], ids[0] == ids[1]) == (True, False)


@pytest.mark.rule("TS-24")
async def test_another_orgs_ticket_is_not_found_by_any_name(door: Door) -> None:
    [theirs] = await door.ask(asked(opening(dedup_key="lift-3"), org="globex"))
    assert theirs.ticket is not None
    names = [TicketRef(id=theirs.ticket.id), numbered(1), TicketRef(key="lift-3")]
    answers = await door.ask(*(asked(Comment(actor=ANN, text="Hello"), ticket=name) for name in names))
    assert {answer.reason for answer in answers} == {RejectionCode.TICKET_NOT_FOUND}


@pytest.mark.rule("TS-4")
async def test_a_name_that_no_ticket_can_have_finds_none(door: Door) -> None:
    names = [numbered(2**70), TicketRef(key="nul\x00"), TicketRef(key="k" * 5_000)]
    answers = await door.ask(*(asked(Start(actor=ANN), ticket=name) for name in names))
    assert {answer.reason for answer in answers} == {RejectionCode.TICKET_NOT_FOUND}


@pytest.mark.rule("TS-13", "TS-15")
async def test_a_key_changes_hands_inside_one_batch(door: Door) -> None:
    """The new holder must never meet the old one in the index that allows only one."""
    by_key = TicketRef(key=OFFLINE)
    monitored = opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE)
    await door.ask(asked(monitored))
    await door.ask(
        asked(Resolve(actor=MONITOR, resolution=Resolution.SUPERSEDED), ticket=by_key),
        asked(monitored),
        asked(Resolve(actor=MONITOR, resolution=Resolution.SUPERSEDED), ticket=by_key),
        asked(Reopen(actor=ANN), ticket=numbered(1)),
    )
    states = await door.rows("SELECT number, state FROM ticket ORDER BY number")
    assert [tuple(state) for state in states] == [(1, "open"), (2, "resolved")]
    held = await door.ask_one(asked(monitored))
    assert (held.outcome, held.ticket and held.ticket.number) == (Outcome.UNCHANGED, 1)


@pytest.mark.rule("TS-12", "TS-13")
async def test_a_key_goes_to_and_fro_between_two_tickets_that_are_there(door: Door) -> None:
    """In whichever order their rows lie, and held by one in progress that is not the latest."""
    keyed = opening(dedup_key="lift-3")
    for _ in range(2):
        await door.ask(asked(keyed))
        await door.ask(asked(Resolve(actor=ANN), ticket=TicketRef(key="lift-3")))
        door.now += timedelta(hours=2)
    await door.ask(asked(Reopen(actor=ANN), ticket=numbered(1)))
    for holder, other in ((1, 2), (2, 1), (1, 2), (2, 1)):
        answers = await door.ask(
            asked(Start(actor=ANN), ticket=numbered(holder)),
            asked(Resolve(actor=ANN), ticket=numbered(holder)),
            asked(Reopen(actor=ANN), ticket=numbered(other)),
        )
        assert [answer.outcome for answer in answers] == [Outcome.APPLIED] * 3
    await door.ask_one(asked(Start(actor=ANN), ticket=numbered(1)))
    held = await door.ask_one(asked(keyed))
    assert (held.outcome, held.ticket and held.ticket.number) == (Outcome.UNCHANGED, 1)


@pytest.mark.rule("TS-16")
async def test_the_rival_of_a_reopened_ticket_is_found_in_the_database(door: Door) -> None:
    monitored = opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE)
    await door.ask(asked(monitored), asked(Resolve(actor=ANN), ticket=numbered(1)))
    door.now += timedelta(hours=2)
    await door.ask(asked(monitored))
    answer = await door.ask_one(asked(Reopen(actor=ANN), ticket=numbered(1)))
    assert (answer.reason, answer.ticket and answer.ticket.number) == (RejectionCode.WRONG_STATE, 1)


@pytest.mark.rule("TS-25")
async def test_counts_and_counter_are_kept_beside_the_tickets(door: Door) -> None:
    await live_a_ticket(door)
    await door.ask(asked(), asked(), asked(Resolve(actor=ANN), ticket=numbered(2)))
    [acme] = await door.rows("SELECT next_number, open, in_progress, resolved FROM org WHERE org = 'acme'")
    assert tuple(acme) == (4, 2, 0, 1)


@pytest.mark.rule("TS-11")
async def test_concurrent_writers_get_numbers_without_gaps_in_the_order_of_commit(door: Door) -> None:
    """Each writer opens in small batches, some of which fail at the end and so leave no number behind."""

    async def write(writer: int) -> None:
        for batch in range(10):
            with contextlib.suppress(InterruptedError):
                async with unit_of_work(door.database) as work:
                    await door.handler(work, [asked(id=f"{writer}-{batch}-{each}") for each in range(3)])
                    if (writer + batch) % 4 == 0:
                        raise InterruptedError

    await asyncio.gather(*(write(writer) for writer in range(6)))
    numbers = [event.data["ticket"]["number"] for event in await door.events()]
    assert len(numbers) > 100
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.rule("TS-12")
async def test_two_transactions_with_one_key_open_one_ticket(door: Door) -> None:
    command = opening(dedup_key="lift-3")
    answers = await asyncio.gather(*(door.ask_one(asked(command)) for _ in range(8)))
    assert sorted(answer.outcome for answer in answers) == ["applied", *["unchanged"] * 7]
    assert len(await door.events()) == 1


@pytest.mark.rule("TS-1")
async def test_one_command_in_two_transactions_at_once_has_one_effect(door: Door) -> None:
    once = asked(id="c-1")
    answers = await asyncio.gather(*(door.ask_one(once) for _ in range(8)))
    assert sorted(answer.repeated for answer in answers) == [False, *[True] * 7]
    assert len(await door.events()) == len(await door.results()) == 1


@pytest.mark.rule("TS-11")
async def test_batches_over_the_same_orgs_in_any_order_do_not_block_each_other_for_ever(door: Door) -> None:
    forth, back = ("acme", "globex"), ("globex", "acme")
    batches = [[asked(org=org) for org in (forth if turn % 2 else back)] for turn in range(20)]
    async with asyncio.timeout(60):
        await asyncio.gather(*(door.ask(*batch) for batch in batches))
    assert len(await door.events()) == 40


@pytest.mark.rule("TS-27")
async def test_a_transaction_that_fails_leaves_nothing(door: Door) -> None:
    with contextlib.suppress(InterruptedError):
        async with door.work() as work:
            await door.handler(work, [asked(id="c-1")])
            raise InterruptedError
    assert await door.published() == []
    assert await door.rows("SELECT 1 FROM ticket UNION ALL SELECT 1 FROM entry UNION ALL SELECT 1 FROM command") == []
    assert (await door.ask_one(asked(id="c-1"))).ticket is not None


@pytest.mark.rule("TS-27")
async def test_the_largest_edit_there_can_be_fits_into_a_message(door: Door) -> None:
    """Every character that JSON must escape, in the old text, the new one and so in the difference."""
    lines, quotes = "\n" * 65_536, '"' * 65_536
    await door.ask(asked(opening(description=lines)))
    edited = await door.ask_one(asked(EditDescription(actor=ANN, description=quotes), ticket=numbered(1)))
    controls = await door.ask_one(asked(EditDescription(actor=ANN, description="\x01" * 65_536), ticket=numbered(1)))
    assert (edited.outcome, controls.outcome) == (Outcome.APPLIED, Outcome.APPLIED)
