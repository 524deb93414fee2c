"""Whatever somebody does to any column of any row of the record, without the key, is found: the columns are read from
the tables, so a new one is covered by itself or named here with the reason why not."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import BigInteger, Boolean, Column, Integer, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from ticket_desk import ANN, BRIDGE, KEYS, MONITOR, device, devices, opening
from ticket_door import URL, Door, asked, numbered
from ticket_sweeps import sweeper
from ticket_tampering import backed_up, findings, write_history

from fettle_contracts.ticket import Resolution
from fettle_ticket_service.adapters.checklist_notes import ChecklistNotes
from fettle_ticket_service.adapters.tables import COMMAND, INSTANT, METADATA, ORDER, ORG, SEARCH, TICKET
from fettle_ticket_service.adapters.verifying import verify
from fettle_ticket_service.adapters.wire import Wire
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.verifying import Finding

NOT_THE_RECORD = {
    SEARCH: "made from the ticket, only to search by",
    ORDER: "made from the ticket, only to be listed by",
    COMMAND: "a memory of thirty days of what was answered; the record is what the answers are about",
}
NOT_SEALED = {
    ORG.c.name: "the directory's, read from `org.directory` at each start",
    ORG.c.deleted: "the directory's",
    ORG.c.told_at: "the directory's",
    ORG.c.policy: "a setting; each note on a removed ticket says how many days it went by (TS-64)",
}
RECORD = [table for table in METADATA.sorted_tables if table not in NOT_THE_RECORD]
CONSTRAINTS = """
    SELECT conrelid::regclass::text AS relation, quote_ident(conname) AS name FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'f', 'p', 'u')
    AND conrelid <> 'ticket_order'::regclass ORDER BY contype <> 'f'
"""
UNIQUE = """
    SELECT indexrelid::regclass::text AS name FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
    WHERE relnamespace = 'public'::regnamespace AND indisunique AND indrelid <> 'ticket_order'::regclass
"""
NULLABLE = """
    SELECT attrelid::regclass::text AS relation, attname AS name
    FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attnotnull
"""


async def without_constraints(door: Door) -> None:
    """Whoever can write there can take them away; and so that no way is left out for their sake. Those of the order by
    update stay, by which each change of a ticket is noted there."""
    for row in await door.rows(CONSTRAINTS):
        await changed(door, f"ALTER TABLE {row.relation} DROP CONSTRAINT {row.name}")
    for row in await door.rows(UNIQUE):
        await changed(door, f"DROP INDEX {row.name}")


async def changed(door: Door, statement: str) -> int:
    """How many rows the statement has changed."""
    async with door.work() as work:
        return (await work.connection.exec_driver_sql(statement)).rowcount


def of_acme(table: Table) -> str:
    return "org = 'acme'" if "org" in table.c else "ticket_id IN (SELECT id FROM ticket WHERE org = 'acme')"


def one_row(table: Table, column: str) -> str:
    """A row of acme that says something in that column, if there is one."""
    return f'(SELECT ctid FROM {table} WHERE {of_acme(table)} ORDER BY "{column}" IS NULL, ctid DESC LIMIT 1)'


def another(column: Column[Any]) -> str:
    """Another value of the same type."""
    name = f'"{column.name}"'
    match column.type:
        case _ if column is TICKET.c.state:
            return f"CASE {name} WHEN 'open' THEN 'in_progress' ELSE 'open' END"
        case Integer() | BigInteger():
            return f"coalesce({name}, 0) + 1"
        case Uuid():
            return "gen_random_uuid()"
        case Boolean():
            return f"NOT {name}"
        case JSONB():
            return """'{"type": "user", "id": "eve@acme.test"}'"""
        case Text():
            return f"coalesce({name}, '') || 'x'"
        case _:
            assert column.type is INSTANT, column
            return f"coalesce({name}, now()) + interval '1 ms'"


def ways(column: Column[Any], nullable: bool) -> Iterator[tuple[str, str]]:
    """What can be done to that column of one row, or of two rows."""
    table, name = column.table, f'"{column.name}"'
    one = one_row(table, column.name)
    yield "altered", f"UPDATE {table} SET {name} = {another(column)} WHERE ctid = {one}"
    if nullable:
        yield "emptied", f"UPDATE {table} SET {name} = NULL WHERE ctid = {one} AND {name} IS NOT NULL"
    yield (
        "exchanged",
        f"""WITH one AS (SELECT ctid AS which, {name} AS said FROM {table} WHERE ctid = {one}),
        other AS (
            SELECT ctid AS which, {name} AS said FROM {table}, one
            WHERE {of_acme(table)} AND {name} IS DISTINCT FROM one.said LIMIT 1
        )
        UPDATE {table} SET {name} = CASE WHEN ctid = one.which THEN other.said ELSE one.said END
        FROM one, other WHERE ctid IN (one.which, other.which)""",
    )


async def write_all_of_it(door: Door) -> None:
    """A history in which every column of the record says something."""
    await write_history(door)
    await do(door, (opening(title="Gone soon"), None), (commands.Resolve(actor=ANN), 4))
    door.now += timedelta(days=400)
    await sweeper(door).sweep()
    storm, offline = "integration/hue-2:multiple_devices_offline", "device/t7:device_offline"
    single = opening(actor=MONITOR, subject=device(7), space="oslo", integration="hue-1", dedup_key=offline)
    await do(
        door,
        (opening(actor=MONITOR, subject=BRIDGE, dedup_key=storm, flap_count=2), None),
        (commands.UpdateChecklist(actor=MONITOR, add=devices(7, 8), recovered=devices(8)), 5),
        (single, None),
        (commands.Resolve(actor=MONITOR, resolution=Resolution.MERGED, parent=numbered(5)), 6),
        (single, None),
    )
    door.now += timedelta(minutes=2)
    await ChecklistNotes(door.database, Wire(URL), KEYS, lambda: door.now).write()
    await do(door, (commands.UpdateChecklist(actor=MONITOR, add=devices(9), recovered=devices(7)), 5))


async def do(door: Door, *all: tuple[commands.Command, int | None]) -> None:
    for command, number in all:
        await door.ask_one(asked(command, ticket=None if number is None else numbered(number)))


async def is_told(door: Door) -> bool:
    """Of an org that is not there any more nothing is verified, which is told too."""
    told = [each async for each in verify(door.database, "acme", KEYS)]
    return not told or any(isinstance(each, Finding) for each in told)


@pytest.mark.rule("TS-61", "TS-116")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("table", RECORD, ids=str)
async def test_whatever_is_done_to_a_column_of_the_record_is_found(door: Door, table: Table) -> None:
    await write_all_of_it(door)
    await without_constraints(door)
    nullable = {(row.relation, row.name) for row in await door.rows(NULLABLE)}
    one = one_row(table, table.columns.keys()[0])
    rows = {"a row is removed": f"DELETE FROM {table} WHERE ctid = {one}"}
    if table is not ORG:
        rows["a row stands twice"] = f"INSERT INTO {table} SELECT * FROM {table} WHERE ctid = {one}"
    missed = []
    async with backed_up(door) as backup:
        for column in table.columns:
            empty = f'SELECT count("{column.name}") AS said FROM {table} WHERE {of_acme(table)}'
            assert (await door.rows(empty))[0].said, f"{column} says nothing in this history"
            for way, statement in ways(column, (table.name, column.name) in nullable):
                if column in NOT_SEALED or (not await changed(door, statement) and way != "altered"):
                    continue
                if not await is_told(door):
                    missed.append((str(column), way))
                await backup.put_back()
        for way, statement in rows.items():
            await changed(door, statement)
            if not await is_told(door):
                missed.append((str(table), way))
            await backup.put_back()
        assert (await findings(door.database))[0] == []
    assert missed == []
