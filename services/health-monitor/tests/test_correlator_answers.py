"""What verdicts end as when the ticket service answers, in time or late, once or again. On a real database."""

from importlib.resources import files
from runpy import run_path
from uuid import UUID

import pytest
from correlator_facts import BRISK, T0, change
from correlator_world import CorrelatorWorld
from prometheus_client import REGISTRY
from rollup_facts import MANY, UNREACHABLE, behind, devices, fails, opened, recovers, said, together
from sqlalchemy import text

from fettle_chassis.unit_of_work import unit_of_work
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import TicketState
from fettle_contracts.ticket_events import EntryType
from fettle_health_monitor.adapters.correlator import books
from fettle_health_monitor.correlator.overlooked_answers import OverlookedAnswers
from fettle_health_monitor.domain.correlator.answers import AWAITING, Answer, Settled, settled
from fettle_health_monitor.domain.correlator.incident import KnownTicket

AT = T0 + 10_000
INTEGRATION = "integration/hue-1"
CREDENTIALS = "integration_credentials_invalid"
REFUSED = "the ticket service refused it (org_unknown): There is no such org."


def answer(outcome: Outcome, version: int = 1) -> Answer:
    if outcome is Outcome.REJECTED:
        return Answer(UUID(int=1), outcome, "org_unknown", "There is no such org.", None)
    return Answer(UUID(int=1), outcome, None, None, KnownTicket(UUID(int=7), 7, TicketState.OPEN, version))


@pytest.mark.rule("HM-246")
@pytest.mark.parametrize(
    ("decided", "given", "ends"),
    [
        ("opened", answer(Outcome.APPLIED), Settled("opened")),
        ("opened", answer(Outcome.APPLIED, 4), Settled("reopened")),
        ("reopened", answer(Outcome.APPLIED, 4), Settled("reopened")),
        ("reopened", answer(Outcome.APPLIED), Settled("opened")),
        ("opened", answer(Outcome.UNCHANGED, 4), Settled("already_open", "ticket #7 is unresolved", "unresolved")),
        ("reopened", answer(Outcome.UNCHANGED), Settled("already_open", "ticket #7 is unresolved", "unresolved")),
        ("joined", answer(Outcome.APPLIED), Settled("joined")),
        ("joined", answer(Outcome.UNCHANGED), Settled("joined")),
        ("merged", answer(Outcome.APPLIED), Settled("merged")),
        ("merged", answer(Outcome.UNCHANGED), Settled("nothing_to_resolve", "its ticket was resolved", "no_ticket")),
        *((one, answer(Outcome.REJECTED), Settled("refused", REFUSED, "org_unknown")) for one in AWAITING),
    ],
)
def test_an_answer_settles_what_was_decided(decided: str, given: Answer, ends: Settled) -> None:
    assert settled(decided, given) == ends


async def ended(world: CorrelatorWorld) -> list[tuple[str, str, bool]]:
    """Whose verdict ends how, and whether an answer is awaited."""
    rows = await world.rows("SELECT subject, outcome, awaits IS NOT NULL AS awaits FROM outcome ORDER BY at, subject")
    return [(row.subject, row.outcome, row.awaits) for row in rows]


def counted(outcome: str, reason: str, cause: str = "firing") -> float:
    labels = {"cause": cause, "outcome": outcome, "reason": reason}
    return REGISTRY.get_sample_value("fettle_correlator_outcomes_total", labels) or 0


@pytest.mark.rule("HM-246", "HM-249")
@pytest.mark.parametrize(
    ("outcome", "version", "ends"),
    [
        ("applied", 1, "opened"),
        ("applied", 3, "reopened"),
        ("unchanged", 3, "already_open"),
        ("rejected", 1, "refused"),
    ],
)
async def test_a_verdict_ends_once_by_the_answer_to_what_it_has_asked(
    environment: dict[str, str], outcome: str, version: int, ends: str
) -> None:
    """It is counted when it ends: once, however often the answer comes, and whatever else is said of that command."""
    async with CorrelatorWorld.open(environment) as world:
        because = {"already_open": "unresolved", "refused": "org_unknown"}.get(ends, "unhealthy")
        before = counted(ends, because)
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 1_000)
        (asked,) = await world.commands()
        assert await ended(world) == [("device/d1", "opened", True)]
        assert counted(ends, because) == before
        for _ in range(2):
            await world.answer(asked, outcome, version=version)
            assert await ended(world) == [("device/d1", ends, False)]
            assert counted(ends, because) == before + 1
        await world.answer(asked, "rejected", code="command_id_reused")
        assert await ended(world) == [("device/d1", ends, False)]


@pytest.mark.rule("HM-246")
async def test_only_the_answer_to_its_open_says_whether_a_ticket_was_opened(environment: dict[str, str]) -> None:
    """That the ticket about the condition before could not be resolved is another matter."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails(INTEGRATION, AT, condition=UNREACHABLE))
        await world.tick(AT + 1_000)
        (first,) = await world.commands()
        await world.answer(first)
        await world.happen(EntryType.OPENED, subject=INTEGRATION, condition=UNREACHABLE, answering=UUID(first.event.id))
        await world.clear()
        await world.feed(change(INTEGRATION, "firing", condition=CREDENTIALS, at=AT + 5_000))
        await world.tick(AT + 6_000)
        asked = {one.verb: one for one in await world.commands()}
        assert asked.keys() == {"open", "resolve"}
        await world.answer(asked["open"])
        await world.answer(asked["resolve"], "rejected", code="ticket_not_found")
        assert await ended(world) == [(INTEGRATION, "opened", False)] * 2


@pytest.mark.rule("HM-246")
async def test_an_answer_that_comes_when_all_is_over_settles_the_verdict_all_the_same(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/d1", AT), *recovers("device/d1", AT + 5_000))
        await world.tick(AT + 6_000)
        asked, _ = await world.commands()
        await world.answer(asked, "rejected")
        assert await ended(world) == [("device/d1", "refused", False), ("device/d1", "resolved", False)]
        assert await world.rows("SELECT * FROM watch") == []


@pytest.mark.rule("HM-246")
async def test_what_is_never_answered_shows_so_and_is_asked_for_again_by_the_next_verdict(
    environment: dict[str, str],
) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 1_000)
        assert await said(world) == ["open device/d1"]
        await world.feed(*recovers("device/d1", AT + 20_000), *fails("device/d1", AT + 40_000))
        await world.tick(AT + 41_000)
        assert await said(world) == ["recovered device/d1:device_offline", "open device/d1"]
        await world.put(BRISK, publish_existing=True)
        await world.in_force(4, at=AT + 50_000)
        await world.tick(AT + 51_000)
        assert await said(world) == ["open device/d1"]
        async with world.database.reading() as connection:
            (hour,) = await books.hours(connection, since=0)
        assert (hour.ended["opened"], hour.unanswered, hour.unaccounted) == (3, 3, 0)


@pytest.mark.rule("HM-246")
async def test_who_joins_a_ticket_that_is_asked_for_ends_by_its_answer(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        assert [outcome for _, outcome, _ in await ended(world)] == ["opened", *["joined"] * 4]
        assert all(awaits for *_, awaits in await ended(world))
        await world.answer((await world.commands())[0])
        assert await ended(world) == [
            ("device/d1", "opened", False),
            *((one, "joined", False) for one in devices(4, 2)),
        ]
        await world.feed(*fails("device/d6", AT + 5_000))
        await world.tick(AT + 6_000)
        assert (await ended(world))[-1] == ("device/d6", "joined", False)


@pytest.mark.rule("HM-246")
async def test_who_joins_a_ticket_that_is_refused_has_joined_none(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await world.answer((await world.commands())[0], "rejected")
        assert await ended(world) == [(one, "refused", False) for one in devices(5)]


@pytest.mark.rule("HM-248")
async def test_singles_that_are_merged_are_verdicts_that_end_as_merged(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(5))
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 1_000)
        await world.answer((await world.commands())[0])
        await world.feed(*(each for subject in devices(4, 2) for each in fails(subject, AT + 20_000)))
        await world.tick(AT + 21_000)
        await opened(world, MANY)
        (merge,) = [one for one in await world.commands() if one.body.get("resolution") == "merged"]
        (row,) = await world.rows("""
            SELECT outcome.*, called.cause AS called FROM outcome JOIN called USING (verdict, org)
            WHERE outcome = 'merged'""")
        assert (row.subject, row.condition, row.called, row.at) == (
            "device/d1",
            "device_offline",
            "merged",
            AT + 20_000,
        )
        assert row.reason == f"merged into the ticket about {INTEGRATION}"
        assert row.evidence["shares"] == f"{INTEGRATION}:{MANY}"
        assert (str(row.verdict), row.awaits) == (merge.event.causation_id, UUID(merge.event.id))
        before = counted("merged", MANY, "merged")
        await world.answer(merge, state="resolved", version=2)
        assert counted("merged", MANY, "merged") == before + 1
        assert ("device/d1", "merged", False) in await ended(world)


@pytest.mark.rule("HM-248")
async def test_a_ticket_about_many_that_is_taken_over_ends_as_merged(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.feed(*fails(INTEGRATION, AT + 30_000, condition=UNREACHABLE))
        await world.tick(AT + 31_000)
        rows = await world.rows("SELECT subject, condition, outcome, reason FROM outcome WHERE cause = 'merged'")
        assert [tuple(row) for row in rows] == [
            (INTEGRATION, MANY, "merged", f"merged into the ticket about {INTEGRATION}")
        ]


@pytest.mark.rule("HM-248")
async def test_a_merge_that_is_refused_leaves_the_device_its_own_ticket(environment: dict[str, str]) -> None:
    async with CorrelatorWorld.open(environment) as world:
        await behind(world, *devices(5))
        await world.feed(*fails("device/d1", AT))
        await world.tick(AT + 1_000)
        (single,) = await world.commands()
        await world.happen(EntryType.OPENED, subject="device/d1", answering=UUID(single.event.id), version=1)
        await world.feed(*(each for subject in devices(4, 2) for each in fails(subject, AT + 20_000)))
        await world.tick(AT + 21_000)
        (merge,) = [one for one in await world.commands() if one.body.get("resolution") == "merged"]
        await world.answer(merge, "rejected", code="parent_invalid")
        (row,) = await world.rows("SELECT outcome, because FROM outcome WHERE cause = 'merged'")
        assert tuple(row) == ("refused", "parent_invalid")
        await said(world)
        await world.feed(*recovers("device/d1", AT + 40_000))
        await world.tick(AT + 41_000)
        assert "recovered device/d1:device_offline" in await said(world)


async def put_back(world: CorrelatorWorld, statement: str) -> None:
    """As the code before settled outcomes leaves it."""
    async with unit_of_work(world.database) as work:
        for one in statement.split(";"):
            await work.connection.execute(text(one))


@pytest.mark.rule("HM-246", "HM-247")
async def test_what_the_previous_code_has_decided_is_refused_too_and_asked_for_again(
    environment: dict[str, str],
) -> None:
    """It does not say what an outcome awaits, nor why it ended so."""
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*fails("device/d1", AT), *fails("device/d2", AT))
        await world.tick(AT + 1_000)
        first, other = await world.commands()
        await put_back(world, "UPDATE outcome SET awaits = NULL, because = ''")
        await world.answer(other)
        for _ in range(2):
            await world.answer(first, "rejected")
        assert await ended(world) == [("device/d1", "refused", False), ("device/d2", "opened", False)]
        assert len(await world.rows("SELECT * FROM watch WHERE cause = :id", id=UUID(first.event.id))) == 1


@pytest.mark.rule("HM-246", "HM-247")
async def test_an_answer_that_the_previous_code_has_taken_in_settles_what_awaits_it(
    environment: dict[str, str],
) -> None:
    """It writes the answer down, and that nothing is asked for any more."""
    async with CorrelatorWorld.open(environment) as world:
        overlooked = OverlookedAnswers(world.database, world.tickets)
        await world.feed(*(each for one in devices(4) for each in fails(one, AT)))
        await world.tick(AT + 1_000)
        await overlooked.look()
        assert [awaits for *_, awaits in await ended(world)] == [True] * 4
        answers = ("applied", "unchanged", "rejected")
        for subject, given in zip(devices(3), answers, strict=True):
            ticket = "ticket_id = gen_random_uuid(), ticket_number = 7" if given != "rejected" else "answer_code = 'x'"
            await put_back(world, f"UPDATE command SET answer = '{given}', {ticket} WHERE subject = '{subject}'")
        await put_back(
            world, "UPDATE incident SET asked_verb = NULL, asked_command = NULL WHERE subject <> 'device/d4'"
        )
        for _ in range(2):
            await overlooked.look()
            assert await ended(world) == [
                ("device/d1", "opened", False),
                ("device/d2", "already_open", False),
                ("device/d3", "refused", False),
                ("device/d4", "opened", True),
            ]
        assert [row.subject for row in await world.rows("SELECT subject FROM watch")] == ["device/d3"]


@pytest.mark.rule("HM-248")
async def test_a_refused_merge_that_the_previous_code_has_taken_in_leaves_its_ticket_looked_after(
    environment: dict[str, str],
) -> None:
    """When all on its list are well, it ends."""
    async with CorrelatorWorld.open(environment) as world:
        await together(world, AT)
        await opened(world)
        await world.clear()
        await world.feed(*fails(INTEGRATION, AT + 10_000, condition=UNREACHABLE))
        await world.tick(AT + 11_000)
        (asks,) = [one for one in await world.commands() if one.verb == "open"]
        await world.answer(asks)
        await world.clear()
        await put_back(world, "UPDATE command SET answer = 'rejected', answer_code = 'x' WHERE verb = 'resolve'")
        await put_back(world, f"UPDATE incident SET asked_verb = NULL, asked_command = NULL WHERE condition = '{MANY}'")
        await OverlookedAnswers(world.database, world.tickets).look()
        for subject in devices(5):
            await world.feed(*recovers(subject, AT + 20_000))
        await world.tick(AT + 30_000)
        assert f"recovered {INTEGRATION}:{MANY}" in await said(world)


@pytest.mark.rule("HM-246")
async def test_what_was_decided_before_outcomes_were_settled_ends_by_its_answer_too(
    environment: dict[str, str],
) -> None:
    """As the migration finds it: one is refused, one answered well, one not yet."""
    path = files("fettle_health_monitor") / "migrations" / "versions" / "0011_settled_outcomes.py"
    migration = run_path(str(path))
    async with CorrelatorWorld.open(environment) as world:
        await world.feed(*(each for one in devices(3) for each in fails(one, AT)))
        await world.tick(AT + 1_000)
        asked = {one.body["subject"]["id"]: one for one in await world.commands()}
        await world.answer(asked["d1"], "rejected")
        await world.answer(asked["d2"])
        async with unit_of_work(world.database) as work:
            await work.connection.execute(text("UPDATE outcome SET awaits = NULL, outcome = 'opened', because = ''"))
            for statement in migration["OUTCOMES"].split(";\n"):
                await work.connection.execute(text(statement))
        assert await ended(world) == [
            ("device/d1", "refused", False),
            ("device/d2", "opened", False),
            ("device/d3", "opened", True),
        ]
        assert (await world.rows("SELECT reason FROM outcome WHERE outcome = 'refused'"))[0].reason == REFUSED
        await world.answer(asked["d3"], "unchanged")
        assert (await ended(world))[2] == ("device/d3", "already_open", False)
