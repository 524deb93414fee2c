"""The queries of the live path as Postgres carries them out beside many tickets: by index, never by reading a table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from bench.tickets.library import fill
from msgspec.structs import replace
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection
from ticket_desk import ANN, KEYS, MONITOR, NOON, device, devices, opening
from ticket_door import Door, asked, numbered

from fettle_chassis.database import Database
from fettle_contracts.identity import SubjectRef, SubjectType
from fettle_contracts.results import Outcome
from fettle_contracts.ticket import TicketSource, TicketState
from fettle_ticket_service.adapters import books, checklists, command_memory, retention
from fettle_ticket_service.adapters.list_statements import Sort
from fettle_ticket_service.adapters.org_ends import ROW_IS_THERE, OrgEnds, RowThere
from fettle_ticket_service.adapters.ticket_lists import Place, Wanted, list_tickets
from fettle_ticket_service.adapters.timelines import Seldom, children_of, seldom_entries, ticket_numbered, timeline
from fettle_ticket_service.app import PACKAGE
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.values import TicketRef
from fettle_ticket_service.settings import TicketSettings

ENOUGH, MANY = 50_000, 1_000_000
ORG = "acme"
BIG = ("ticket", "ticket_order", "entry", "ticket_search", "command", "checklist_member")
"""Tables that grow with the years."""
ALL = tuple(TicketState)
Deed = Callable[[AsyncConnection], Awaitable[object]]
FILTERS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "a source": {"source": TicketSource.USER},
    "a kind": {"kind": "integration_unreachable"},
    "a kind that nothing has": {"kind": "no such kind"},
    "a subject": {"subject": SubjectRef(SubjectType.DEVICE, "t4711")},
    "an integration": {"integration": "hue-17"},
    "an integration that nothing has": {"integration": "hue-none"},
    "a space": {"space": "oslo/hq-7"},
    "a space that nothing is in": {"space": "bergen"},
    "a kind that is all old": {"kind": "old kind"},
    "an integration that is all old": {"integration": "gone-1"},
    "a search": {"search": "thermostat 4711"},
    "a search for what nothing has": {"search": "nothing of the kind"},
    "a search for what everything has": {"search": "thermostat"},
    "a search for what is all old": {"search": "ancient"},
    "a search without letters": {"search": "---"},
    "a search in another script": {"search": "日本語"},
    "a search in a space": {"search": "stat 47", "space": "oslo/hq-7"},
    "a search in a kind": {"search": "stat 471", "kind": "integration_unreachable"},
    "a search in a kind for what everything has": {"search": "thermostat", "kind": "integration_unreachable"},
    "a search of a source for what is all old": {"search": "ancient", "source": TicketSource.USER},
}
READ_AT_MOST = 30_000
"""Rows that one page may look at, on its way to fifty."""
AT_MOST = {
    ENOUGH: {"a search in a kind": 3_600, "a search of a source for what is all old": 4_600},
    MANY: {"a search in a kind": 6_000, "a search of a source for what is all old": 12_000},
}
"""A glance, a look at whether few fit the filter, and those that have both: not all that have one of them. Of many more
have both, and those may be passed over that a page needs at the glance's rate."""
SORTED_AT_MOST, SORTED_BYTES = 1_000, 64
"""So many tickets may be put in order as they are; of more, only ids are."""


class Plans:
    """Runs what the service asks, and has Postgres explain each statement with the same values."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @asynccontextmanager
    async def watching(self, found: list[dict[str, Any]], *, analyse: bool = True) -> AsyncIterator[AsyncConnection]:
        """What runs on the connection, with its plan; the transaction is rolled back."""
        ran: list[tuple[str, Any]] = []

        def keep(_connection: Any, _cursor: Any, statement: str, values: Any, *_more: Any) -> None:
            ran.append((statement, values))

        engine = self.database.engine.sync_engine
        async with self.database.engine.connect() as connection:
            event.listen(engine, "before_cursor_execute", keep)
            try:
                yield connection
            finally:
                event.remove(engine, "before_cursor_execute", keep)
            raw: Any = (await connection.get_raw_connection()).driver_connection
            for statement, values in ran:
                how = "ANALYZE, TIMING OFF, " if analyse and statement.lstrip().startswith("SELECT") else ""
                told = await raw.fetchval(f"EXPLAIN ({how}FORMAT JSON) {statement}", *values)
                found.append(told[0]["Plan"])
            await connection.rollback()

    async def of(self, deed: Any, *, analyse: bool = True) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async with self.watching(found, analyse=analyse) as connection:
            await deed(connection)
        assert found
        return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def read_whole(plans: list[dict[str, Any]]) -> set[str]:
    """The big tables that a plan reads from end to end, or may: a scan that ended early is none."""
    scans = [node for plan in plans for node in nodes(plan) if node["Node Type"] == "Seq Scan"]
    return {node["Relation Name"] for node in scans if (rows := met(node)) is None or rows > READ_AT_MOST} & set(BIG)


def met(scan: dict[str, Any]) -> float | None:
    """Rows that a scan met, kept or not; None where it was not carried out."""
    names = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
    if "Actual Rows" not in scan:
        return None
    rows: float = sum(scan.get(name, 0) for name in names) * scan.get("Actual Loops", 1)
    return rows


def looked_at(plans: list[dict[str, Any]]) -> float:
    """Rows that scans of tables and indexes met, kept or not; one of a subquery meets those of what is below again, and
    one of a function none. What lists by update are read by is met beside each ticket and counts by itself."""
    scans = [node for plan in plans for node in nodes(plan) if "Scan" in node["Node Type"]]
    scans = [scan for scan in scans if scan["Node Type"] not in ("Subquery Scan", "Function Scan")]
    in_order = [scan for scan in scans if "ticket_order" in scan.get("Index Name", scan.get("Relation Name", ""))]
    tickets = sum(met(scan) or 0 for scan in scans if scan not in in_order)
    return max(tickets, sum(met(scan) or 0 for scan in in_order))


def wide_sorts(plans: list[dict[str, Any]]) -> list[str]:
    """What puts many rows in order that have more than what orders them."""
    sorts = (node for plan in plans for node in nodes(plan) if node["Node Type"] in ("Sort", "Incremental Sort"))
    return [
        f"{node['Plans'][0]['Actual Rows']:.0f} rows of {node['Plan Width']} bytes"
        for node in sorts
        if node["Plans"][0].get("Actual Rows", 0) > SORTED_AT_MOST and node["Plan Width"] > SORTED_BYTES
    ]


async def filled(settings: TicketSettings, tickets: int) -> Door:
    database = Database(settings.database_dsn("tickets"), any_time=True)
    await database.ensure_exists()
    await database.migrate(PACKAGE)
    door = Door(database)
    await door.add_orgs(ORG, "globex")
    await fill(settings.database_dsn("tickets"), ORG, tickets, 3)
    async with door.work() as work:
        for statement in (
            """INSERT INTO command SELECT 'acme', 'tests', 'c-' || n, '', 'start', 'applied', 'asked', null, null, null,
                null, null, null, now() - n * interval '1 minute' FROM generate_series(1, 50000) AS n""",
            """INSERT INTO checklist_member SELECT id, 'device', 'd-' || n, null, n, now(), null
                FROM ticket CROSS JOIN generate_series(1, 200) AS n WHERE org = 'acme' AND number <= 200""",
            """INSERT INTO entry (ticket_id, version, id, org, type, at, actor)
                SELECT id, 3 + n, gen_random_uuid(), org, 'comment-added', now(), '{}'
                FROM ticket CROSS JOIN generate_series(1, 5000) AS n WHERE org = 'acme' AND number = 7""",
            "UPDATE ticket SET checklist_total = 200 WHERE org = 'acme' AND number <= 200",
            """UPDATE ticket SET kind = 'old kind', integration = 'gone-1' WHERE number > (
                SELECT max(number) - 3000 FROM ticket WHERE org = 'acme')""",
            """UPDATE ticket_search SET words = 'ancient ' || words FROM ticket
                WHERE ticket_id = ticket.id AND kind = 'old kind'""",
            "ANALYZE command, checklist_member, entry, ticket, ticket_search",
        ):
            await work.connection.execute(text(statement))
    return door


async def slow_pages(door: Door, tickets: int) -> dict[str, str]:
    """Pages that read a big table, or more of it than a page may, by what they show."""
    plans, faults = Plans(door.database), {}
    for name, filters in FILTERS.items():
        for states in ((TicketState.OPEN,), (TicketState.RESOLVED,), ALL):
            for sort in Sort:
                after = Place(ENOUGH // 2, None if sort is Sort.NUMBER else NOON)
                for ascending, place in ((False, None), (False, after), (True, None)):
                    wanted = Wanted(states=states, sort=sort, ascending=ascending, **filters)
                    told = await plans.of(lambda on, w=wanted, p=place: list_tickets(on, ORG, w, p, 51))
                    wide, most = wide_sorts(told), AT_MOST[tickets].get(name, READ_AT_MOST)
                    if (whole := read_whole(told)) or looked_at(told) > most or wide:
                        page = f"{name}, {len(states)} of {states[0]}, by {sort}, {ascending}, {place}"
                        faults[page] = f"{whole} {looked_at(told):.0f} rows, sorted: {wide}"
    return faults


async def check(settings: TicketSettings, tickets: int) -> None:
    door = await filled(settings, tickets)
    try:
        faults = await slow_pages(door, tickets)
        assert not faults, "\n".join(f"{page}: {fault}" for page, fault in faults.items())
        await check_single(door)
    finally:
        await door.database.close()


async def check_single(door: Door) -> None:
    """A ticket's page, what commands load and write, retention, notes: by index, and few rows."""
    plans = Plans(door.database)
    [[id]] = await door.rows("SELECT id FROM ticket WHERE org = 'acme' AND number = 7")
    refs = [(ORG, ref) for ref in (TicketRef(id=id), numbered(8), TicketRef(key="device/t11:device_offline"))]
    keys = [(ORG, "tests", f"c-{number}") for number in range(100)]

    async def load(on: AsyncConnection) -> None:
        await books.enter_tickets(on, await books.open_books(on, [ORG], KEYS), refs)

    reads = {
        "ticket": lambda on: ticket_numbered(on, ORG, 7),
        "timeline": lambda on: timeline(on, id, 50, 200),
        "timeline from its end": lambda on: timeline(on, id, None, 200, newest_first=True),
        "timeline from its midst back": lambda on: timeline(on, id, 2_500, 200, newest_first=True),
        "timeline to its start": lambda on: timeline(on, id, 150, 200, newest_first=True),
        "reopened": lambda on: seldom_entries(on, id, Seldom.REOPENED, None, 200, newest_first=True),
        "edited": lambda on: seldom_entries(on, id, Seldom.DESCRIPTION_EDITED, None, 1),
        "children": lambda on: children_of(on, id, 100),
        "checklist": lambda on: checklists.members_after(on, id, 50, 50),
        "load": load,
        "recall": lambda on: command_memory.recall(on, keys),
        "notes due": lambda on: checklists.due(on, NOON, 100, ()),
    }
    for name, read in reads.items():
        told = await plans.of(read)
        assert (name, read_whole(told), looked_at(told) < 1_000) == (name, set(), True), looked_at(told)

    async def sweep(on: AsyncConnection) -> None:
        done = await retention.remove_due(on, ORG, KEYS, NOON + timedelta(days=3_000), 50, [])
        assert done.removed == 50

    told = await plans.of(sweep, analyse=False)
    assert read_whole(told) == set()
    await check_writes(door)


async def check_writes(door: Door) -> None:
    """What commands write, few and many at once; what puts rows right that claim less; what forgets answers."""
    plans = Plans(door.database)
    [[long_ago]] = await door.rows("SELECT min(at) + interval '1 hour' FROM command")

    async def put_right(on: AsyncConnection) -> None:
        ends = OrgEnds()
        with suppress(RowThere):
            async with ends.minded(on, [ORG]):
                raise ROW_IS_THERE[1]
        async with ends.minded(on, [ORG]) as doubted:
            await books.enter_tickets(on, await books.open_books(on, [ORG], KEYS), [(ORG, numbered(7))], doubted)

    writes: dict[str, tuple[Deed, set[str]]] = {
        "a few": (lambda _: door.ask(*commands_on(7)), {"ticket", "entry", "ticket_search", "checklist_member"}),
        "many": (lambda _: door.ask(*commands_on(*range(11, 15), *range(21, 191))), {"ticket", "checklist_member"}),
        "put right": (put_right, set()),
        "forget": (lambda on: command_memory.forget(on, long_ago, 5_000), {"command"}),
    }
    for name, (deed, changed) in writes.items():
        told = await plans.of(deed, analyse=False)
        assert (name, read_whole(told)) == (name, set())
        assert changed <= {node["Relation Name"] for plan in told for node in nodes(plan) if "Operation" in node}, name


def commands_on(*numbers: int) -> list[Asked]:
    """Of every kind that writes another way: a checklist, a comment, a resolve; and one that opens a ticket."""
    said = [asked(opening())]
    for number in numbers:
        ticks = (replace(device(1), id="d-1"),)
        listed = commands.UpdateChecklist(actor=MONITOR, add=devices(number), recovered=ticks)
        said.append(asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(number)))
        said.append(asked(commands.Resolve(actor=ANN), ticket=numbered(number)))
        # Of the monitor's tickets, and of so few that reading all members would be wrong.
        said += [asked(listed, ticket=numbered(number))] if number < 15 else []
    return said


async def rows_read(door: Door) -> dict[str, int]:
    """By the indexes of tickets, and without one."""
    await door.rows("SELECT pg_stat_force_next_flush()")
    found = await door.rows("""
        SELECT indexrelname, idx_tup_read FROM pg_stat_user_indexes WHERE relname = 'ticket'
        UNION ALL SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE relname = 'ticket'
    """)
    return dict(found)


@pytest.mark.rule("TS-80")
async def test_a_database_that_fills_at_once_is_read_by_its_keys(door: Door) -> None:
    """Nothing has counted its rows yet, and its statements were kept while they were few."""
    keys, before = [f"device/d{number}:device_offline" for number in range(2_000)], dict[str, int]()
    for first, last in pairwise([*range(0, 400, 50), *range(400, 2_001, 200)]):
        before = before if first < 1_000 or before else await rows_read(door)
        said = [asked(opening(actor=MONITOR, dedup_key=key)) for key in keys[first:last]]
        assert {answer.outcome for answer in await door.ask(*said)} == {Outcome.APPLIED}
    read = {name: rows - before[name] for name, rows in (await rows_read(door)).items()}
    assert {name: rows for name, rows in read.items() if rows > 2_000} == {}


@pytest.mark.timeout(600)
@pytest.mark.rule("TS-80")
async def test_the_live_path_reads_by_index(settings: TicketSettings) -> None:
    await check(settings, ENOUGH)


@pytest.mark.campaign
@pytest.mark.timeout(3600)
@pytest.mark.rule("TS-80")
async def test_the_live_path_reads_by_index_beside_a_million(settings: TicketSettings) -> None:
    await check(settings, MANY)
