"""Migrations: done again where a process did not come to the end of one, and beside the version before."""

import asyncio
from datetime import timedelta
from itertools import groupby
from typing import Any

import pytest
from sqlalchemy import text
from ticket_desk import ANN, MONITOR, OFFLINE, THERMOSTAT, opening
from ticket_door import Door, asked, numbered, statements
from ticket_tampering import tamper

from fettle_ticket_service.app import PACKAGE
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain import commands

INDEXES = (
    "SELECT indexrelid::regclass::text AS name, indisvalid FROM pg_index WHERE indrelid = 'ticket_search'::regclass"
)
VERSION = "SELECT version_num FROM alembic_version"
HALF_DONE = (
    "UPDATE alembic_version SET version_num = '0006'",
    "DROP TABLE number_mark",
    "CREATE INDEX ticket_search_words ON ticket_search USING gin (org, words gin_trgm_ops)",
)
GRAMS = 'CREATE INDEX ticket_search_grams ON ticket_search USING gin (org, ticket_grams(words COLLATE "C"))'
HALVED = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ticket_search_{}'::regclass"
LEFT = {
    "the first is there": [GRAMS, "DROP INDEX ticket_search_narrowed"],
    "the first is half built": [GRAMS, HALVED.format("grams"), "DROP INDEX ticket_search_narrowed"],
    "the second is half built": [HALVED.format("narrowed")],
    "both are there": [GRAMS],
    "none is there": ["DROP INDEX ticket_search_narrowed"],
}
ALL_MARKS = "SELECT words, marks FROM ticket_search ORDER BY words"
DEEP = "/".join("abcdefghijk")
IN_ORDER = "SELECT ticket_id, org, state, updated_at, number FROM ticket_order ORDER BY org, number"
TICKETS_IN_ORDER = "SELECT id, org, state, updated_at, number FROM ticket ORDER BY org, number"


@pytest.mark.rule("KF-48")
@pytest.mark.parametrize("left", LEFT)
async def test_the_indexes_of_words_come_also_where_a_start_was_stopped(door: Door, left: str) -> None:
    [[newest]] = await door.rows(VERSION)
    await tamper(door, *HALF_DONE, *LEFT[left])
    await door.database.migrate(PACKAGE)
    found = {row.name: row.indisvalid for row in await door.rows(INDEXES)}
    assert found == {"ticket_search_pkey": True, "ticket_search_narrowed": True}
    assert [tuple(row) for row in await door.rows(VERSION)] == [(newest,)]


async def variously_marked(door: Door) -> dict[str, str]:
    """Marks by words, as the service has written them."""
    await door.ask(
        asked(opening(title="Plain")),
        asked(opening(title="Everywhere", actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE, space="oslo/hq")),
        asked(opening(title="Deep", actor=ANN, space=DEEP, kind="a kind\N{NO-BREAK SPACE}of 50 % \\n")),
        asked(opening(title="Odd", actor=MONITOR, space="//o//", integration="hue 日本")),
    )
    marks = {row.words: row.marks for row in await door.rows(ALL_MARKS)}
    assert len(marks) == 4
    assert all(marks.values())
    return marks


@pytest.mark.rule("TS-109")
async def test_tickets_from_before_are_marked_by_the_migration(door: Door) -> None:
    marks = await variously_marked(door)
    before = ("ALTER TABLE ticket_search DROP COLUMN marks CASCADE", "UPDATE alembic_version SET version_num = '0009'")
    await tamper(door, "DROP TRIGGER ticket_marked ON ticket_search", *before)
    await door.database.migrate(PACKAGE)
    assert {row.words: row.marks for row in await door.rows(ALL_MARKS)} == marks


@pytest.mark.rule("TS-109")
async def test_tickets_of_a_process_of_the_version_before_are_marked_behind_it(door: Door) -> None:
    marks = await variously_marked(door)
    await tamper(
        door,
        "CREATE TABLE were_tickets AS TABLE ticket",
        "CREATE TABLE were_words AS SELECT ticket_id, org, words FROM ticket_search",
        "DELETE FROM ticket",
        "DELETE FROM ticket_search",
        """WITH words AS (INSERT INTO ticket_search (ticket_id, org, words) TABLE were_words),
            tickets AS (INSERT INTO ticket TABLE were_tickets) SELECT 1""",
    )
    assert {row.words: row.marks for row in await door.rows(ALL_MARKS)} == marks


WORDS_IN_ORDER = "SELECT ticket_id, org, number, opened_at FROM ticket_search ORDER BY org, number"
TICKETS_OPENED = "SELECT id, org, number, opened_at FROM ticket ORDER BY org, number"


@pytest.mark.rule("TS-132")
@pytest.mark.parametrize("missing", ["when", "behind"])
async def test_words_know_the_order_of_tickets_of_the_version_before(door: Door, missing: str) -> None:
    """Those that were there when the service started, and those that such a process has opened behind it."""
    await variously_marked(door)
    if missing == "when":
        before = ("DROP TRIGGER ticket_marked ON ticket_search", "UPDATE alembic_version SET version_num = '0012'")
        await tamper(door, *before, "ALTER TABLE ticket_search DROP COLUMN number, DROP COLUMN opened_at")
        await door.database.migrate(PACKAGE)
    else:
        words = "CREATE TABLE were_words AS SELECT ticket_id, org, words, marks FROM ticket_search"
        again = "INSERT INTO ticket_search (ticket_id, org, words, marks) TABLE were_words"
        await tamper(door, words, "DELETE FROM ticket_search", again)
    tickets = [tuple(row) for row in await door.rows(TICKETS_OPENED)]
    assert len(tickets) == 4
    assert [tuple(row) for row in await door.rows(WORDS_IN_ORDER)] == tickets


async def in_order(door: Door) -> list[tuple[Any, ...]]:
    """What lists by update are read by, which must be what the tickets are."""
    noted = [tuple(row) for row in await door.rows(IN_ORDER)]
    assert noted == [tuple(row) for row in await door.rows(TICKETS_IN_ORDER)]
    return noted


@pytest.mark.rule("TS-131")
async def test_tickets_from_before_are_listed_by_update(door: Door) -> None:
    await variously_marked(door)
    noted = await in_order(door)
    assert len(noted) == 4
    before = ("DROP TABLE ticket_order CASCADE", "UPDATE alembic_version SET version_num = '0011'")
    triggers = [f"DROP TRIGGER ticket_{name} ON ticket" for name in ("opened", "changed", "removed")]
    index = "CREATE INDEX ticket_by_update ON ticket (org, state, updated_at, number)"
    await tamper(door, *triggers, *before, index)
    await door.database.migrate(PACKAGE)
    assert await in_order(door) == noted
    assert not await door.rows("SELECT relname FROM pg_class WHERE relname = 'ticket_by_update'")


@pytest.mark.rule("TS-131")
async def test_lists_by_update_know_what_a_process_of_the_version_before_does(door: Door) -> None:
    await variously_marked(door)
    later = "updated_at = updated_at + interval '1 hour'"
    await tamper(door, f"UPDATE ticket SET state = 'in_progress', {later} WHERE number IN (2, 3)")
    assert [row[2] for row in await in_order(door)] == ["open", "in_progress", "in_progress", "open"]
    await tamper(door, f"WITH gone AS (DELETE FROM ticket WHERE number = 2) UPDATE ticket SET {later} WHERE number = 4")
    assert [row[-1] for row in await in_order(door)] == [1, 3, 4]


@pytest.mark.rule("TS-131")
async def test_a_batch_of_many_rows_leaves_the_same_order_by_update_as_many_small_ones(door: Door) -> None:
    """Many rows come by COPY, few by one statement."""
    moves = (commands.Start(actor=ANN), commands.Comment(actor=ANN, text="Seen."), commands.Resolve(actor=ANN))
    opens = [opening(title=f"Lift {number}") for number in range(1, 151)]
    changes = [(moves[number % 3], numbered(number)) for number in range(1, 151)]

    def steps(org: str) -> tuple[list[Asked], list[Asked]]:
        changed = [asked(command, org=org, ticket=ticket) for command, ticket in changes]
        return [asked(command, org=org) for command in opens], [*changed, *(asked(one, org=org) for one in opens)]

    for acme, globex in zip(steps("acme"), steps("globex"), strict=True):
        door.now += timedelta(minutes=1)
        with statements(door.database) as sent:
            await door.ask(*acme)
            assert not any("INSERT INTO ticket " in statement for statement in sent)
            for first in range(0, len(globex), 20):
                await door.ask(*globex[first : first + 20])
            assert any("INSERT INTO ticket " in statement for statement in sent)
    its, others = ([row[2:] for row in rows] for _, rows in groupby(await in_order(door), key=lambda row: row[1]))
    assert len(its) == 300
    assert {state for state, _, _ in its} == {"open", "in_progress", "resolved"}
    assert its == others


@pytest.mark.rule("TS-131")
async def test_a_comment_writes_none_of_the_indexes_of_tickets(door: Door) -> None:
    opened = [asked(opening(title=f"Lift {number}")) for number in range(40)]
    await door.ask(*opened)
    comments = [asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(n)) for n in range(1, 41, 8)]
    async with door.work() as work:
        await door.handler(work, comments)
        written = await work.connection.execute(
            text("SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables WHERE relname = 'ticket'")
        )
        assert tuple(written.one()) == (5, 5)


@pytest.mark.rule("TS-131", "KF-55")
async def test_the_order_by_update_is_filled_beside_who_changes_tickets(door: Door) -> None:
    """It has noted the second ticket and waits for the fourth, which is held; a batch that has changed the fifth comes
    for the second."""
    await door.ask(*(asked(opening(title=f"Lift {number}")) for number in range(6)))
    await tamper(door, "DELETE FROM ticket_order", "UPDATE alembic_version SET version_num = '0011'")
    change = "UPDATE ticket SET updated_at = updated_at + interval '1 hour' WHERE number = "
    async with door.database.engine.connect() as holder:
        await holder.execute(text("SELECT FROM ticket WHERE number = 4 FOR UPDATE"))
        filling = asyncio.create_task(door.database.migrate(PACKAGE))
        await somebody_waits(door)
        async with asyncio.timeout(10), door.database.engine.begin() as batch:
            for number in (5, 2, 6, 1):
                await batch.execute(text(f"{change} {number}"))
        assert not filling.done()
        await holder.rollback()
    async with asyncio.timeout(30):
        await filling
    assert len(await in_order(door)) == 6


@pytest.mark.rule("KF-55")
async def test_who_comes_while_a_migration_waits_for_a_table_does_not_wait_with_it(door: Door) -> None:
    """An export holds it."""
    await door.ask(asked(opening()))
    columns = ("ticket DROP COLUMN checklist_changes", "checklist_member DROP COLUMN seal, DROP COLUMN changes")
    before = "UPDATE alembic_version SET version_num = '0010'"
    await tamper(door, *(f"ALTER TABLE {column}" for column in columns), before)
    async with door.database.engine.connect() as export:
        await export.execute(text("SELECT count(*) FROM ticket"))
        migrating = asyncio.create_task(door.database.migrate(PACKAGE))
        await somebody_waits(door)
        async with asyncio.timeout(4):
            await tamper(door, "UPDATE ticket SET title = 'Lift stuck'")
        assert not migrating.done()
        await export.rollback()
        async with asyncio.timeout(30):
            await migrating
    await door.ask(asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(1)))


@pytest.mark.rule("TS-131")
async def test_a_ticket_that_stands_twice_stops_nobody(door: Door) -> None:
    await door.ask(asked(opening()))
    twice = (
        "ALTER TABLE ticket DROP CONSTRAINT ticket_pkey CASCADE",
        "DROP INDEX ticket_number",
        "DROP INDEX ticket_by_number",
    )
    await tamper(door, *twice, "INSERT INTO ticket SELECT * FROM ticket")
    await tamper(door, "UPDATE ticket SET updated_at = updated_at + interval '1 hour'")
    assert len(await door.rows(IN_ORDER)) == 1


async def somebody_waits(door: Door) -> None:
    """Returns once another transaction of this database is held up by a lock."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(30):
        while not await door.rows(query):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
