"""Pages of a list: while others work on its tickets, and in whichever way they are found."""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from typing import Any

import asyncpg
import pytest
from bench.tickets.library import fill
from sqlalchemy import Select, make_url
from ticket_api import Api
from ticket_desk import ANN, MONITOR, OFFLINE, THERMOSTAT, opening
from ticket_door import Door, asked, numbered

from fettle_chassis.database import Database
from fettle_contracts.identity import SubjectRef, SubjectType
from fettle_contracts.ticket import TicketState
from fettle_ticket_service.adapters import ticket_lists
from fettle_ticket_service.adapters.list_statements import After, Form, Found, Sort, among_the_next, put_in_order
from fettle_ticket_service.adapters.ticket_lists import Wanted, list_tickets
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.ticket import Ticket
from fettle_ticket_service.settings import TicketSettings

FIRST, CHANGED = range(1, 13), (2, 5, 8, 11)


async def change(door: Door, number: int) -> None:
    door.now += timedelta(minutes=1)
    await door.ask(asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(number)), asked())


@pytest.mark.rule("TS-93")
@pytest.mark.parametrize("sort", ["opened", "-opened", "updated", "-updated", "number", "-number"])
async def test_what_nobody_changes_comes_once_whoever_writes_between_pages(api: Api, door: Door, sort: str) -> None:
    for _ in FIRST:
        door.now += timedelta(minutes=1)
        await door.ask_one(asked())
    came, cursor = Counter[int](), dict[str, str]()
    changing = iter(CHANGED if sort[0] != "-" else CHANGED[::-1])
    while True:
        page = await api.get("/tickets", sort=sort, limit=2, state="all", **cursor)
        came.update(item["number"] for item in page["items"])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        if (number := next(changing, None)) is not None:
            await change(door, number)
    assert {came[number] for number in FIRST if number not in CHANGED} == {1}
    changed = {number: came[number] for number in CHANGED}
    if sort == "-updated":  # those that were not shown yet have moved before the first page
        assert changed == {11: 1, 8: 0, 5: 0, 2: 0}
        front = await api.get("/tickets", sort=sort, limit=8, state="all")
        assert {8, 5, 2} <= {item["number"] for item in front["items"]}
    elif sort == "updated":  # they have moved to the end; one that was shown comes again as it is now
        assert changed == {2: 2, 5: 1, 8: 1, 11: 1}
    else:
        assert set(changed.values()) == {1}


@pytest.mark.rule("TS-93")
async def test_by_update_a_ticket_stands_where_what_a_signed_command_says_became_true(api: Api, door: Door) -> None:
    await door.ask_one(asked(opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=OFFLINE)))
    for _ in range(3):
        door.now += timedelta(minutes=1)
        await door.ask_one(asked())
    read = await api.get("/tickets", sort="updated", limit=3, state="all")
    late = commands.Resolve(actor=MONITOR, at=door.now - timedelta(seconds=90))
    await door.ask_one(asked(late, ticket=numbered(1)))
    rest = await api.get("/tickets", sort="updated", state="all", cursor=read["next_cursor"])
    assert [item["number"] for item in rest["items"]] == [4]
    assert await api.numbers(sort="updated", state="all") == [2, 1, 3, 4]


@pytest.mark.rule("TS-93")
@pytest.mark.parametrize("sort", ["opened", "-opened", "updated", "-updated", "number", "-number"])
async def test_what_became_true_before_moves_nothing_that_nobody_changes(api: Api, door: Door, sort: str) -> None:
    """Between pages a signed command opens a ticket and another speaks on it, both for minutes ago."""
    for _ in FIRST:
        door.now += timedelta(minutes=1)
        await door.ask_one(asked())
    came, cursor = Counter[int](), dict[str, str]()
    while True:
        page = await api.get("/tickets", sort=sort, limit=3, state="all", **cursor)
        came.update(item["number"] for item in page["items"])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        late: dict[str, Any] = {"actor": MONITOR, "at": door.now - timedelta(minutes=11 - len(came) // 3, seconds=30)}
        answer = await door.ask_one(asked(opening(**late, subject=THERMOSTAT)))
        assert answer.ticket is not None
        await door.ask_one(asked(commands.Comment(**late, text="Held."), ticket=numbered(answer.ticket.number)))
    assert {came[number] for number in FIRST} == {1}
    assert set(came.values()) == {1}
    if sort in ("opened", "updated"):
        assert set(came) == {*FIRST}  # they lie before the place that was reached
        assert set(await api.numbers(sort=sort, state="all")) > {*FIRST}


ALL = tuple(TicketState)
NARROWED: tuple[tuple[dict[str, Any], Callable[[Ticket], bool]], ...] = (
    ({"kind": "integration_unreachable"}, lambda ticket: ticket.kind == "integration_unreachable"),
    ({"space": "oslo/hq-7"}, lambda ticket: str(ticket.space).startswith("oslo/hq-7/")),
    ({"search": "STAT 1"}, lambda ticket: "stat 1" in ticket.title.lower()),
    ({"search": "t 1", "kind": "user_report"}, lambda t: "t 1" in t.title.lower() and t.kind == "user_report"),
    ({"search": "stat 1", "space": "oslo"}, lambda ticket: "stat 1" in ticket.title.lower()),
    ({"search": "t 1", "integration": "hue-17"}, lambda t: "t 1" in t.title.lower() and t.integration == "hue-17"),
    ({"search": "t 1", "source": "user"}, lambda t: "t 1" in t.title.lower() and t.source == "user"),
    ({"search": "t 1", "subject": SubjectRef(SubjectType.DEVICE, "t17")}, lambda ticket: ticket.subject.id == "t17"),
    ({"search": "nothing of the kind"}, lambda ticket: False),
)
ORDERS = (
    (ALL, Sort.OPENED, False),
    (ALL, Sort.UPDATED, True),
    (ALL, Sort.NUMBER, False),
    ((TicketState.RESOLVED,), Sort.NUMBER, True),
)
WAYS = {
    "read in order": {"GLANCE": 1_000},
    "few, by index": {"GLANCE": 0},
    "passed over for longer": {"GLANCE": 2, "LITTLE": 0},
    "many and far, by index": {"GLANCE": 2, "LITTLE": 0, "PASSED_OVER": 10},
    "few say the words": {"GLANCE": 2, "LITTLE": 5},
    "common words, in order": {"GLANCE": 2, "LITTLE": 0, "PASSED_OVER": 10, "COMMON": 0.0},
}


@pytest.mark.rule("TS-96", "TS-132")
async def test_a_page_is_the_same_in_whichever_way_it_is_found(
    door: Door, settings: TicketSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(settings.database_dsn("tickets"), "acme", 130, 1)

    async def listed(**wanted: Any) -> list[Ticket]:
        after, found = None, []
        async with door.database.reading() as connection:
            while page := await list_tickets(connection, "acme", Wanted(**wanted), after, 40):
                found += [listed.ticket for listed in page]
                after = page[-1].place(wanted["sort"])
        return found

    for states, sort, ascending in ORDERS:
        order = {"states": states, "sort": sort, "ascending": ascending}
        everything = await listed(**order)
        assert len(everything) == {3: 130, 1: 125}[len(states)]
        for (way, limits), (narrowed, fits) in product(WAYS.items(), NARROWED):
            with monkeypatch.context() as patch:
                for name, value in limits.items():
                    patch.setattr(ticket_lists, name, value)
                assert await listed(**order, **narrowed) == list(filter(fits, everything)), (way, order, narrowed)


@pytest.mark.rule("TS-95")
async def test_a_search_finds_whatever_words_are_made_of(api: Api, door: Door) -> None:
    titles = ("Lift --- again", "日本語の件名", "Blåbær & ØL", "a b c d", "50 % of_all", "ΣΙΣΥΦΟΣ", "on/off_")
    for title in titles:
        await door.ask_one(asked(opening(title=title)))
    sought = {
        "---": 1,
        "日本語": 2,
        "本語の": 2,
        "ÅBÆ": 3,
        "& ø": 3,
        "b c": 4,
        "0 %": 5,
        "f_a": 5,
        "σισυ": 6,
        "n/o": 7,
        "ff_": 7,
    }
    for words, number in sought.items():
        assert await api.numbers(q=words) == [number], words


@pytest.mark.rule("TS-130")
async def test_a_search_asks_for_the_runs_that_the_fewest_tickets_have(
    door: Door, settings: TicketSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def asked_for(words: str) -> list[str]:
        async with door.database.reading() as connection:
            return [run.gram for run in await ticket_lists.telling(connection, words)]

    assert set(await asked_for("thermostat 47")) == {"thermostat 47"[at : at + 3] for at in range(11)}
    await fill(settings.database_dsn("tickets"), "acme", 2_000, 1)
    assert await asked_for("thermostat 17") == [" 17", "t 1"]
    assert await asked_for("thermostat 1999") == ["999", "199"]
    assert await asked_for("1 of") == ["1 o", " of"]
    assert await asked_for("----x") == ["---", "--x"]

    monkeypatch.setattr(ticket_lists, "GLANCE", 0)
    async with door.database.reading() as connection:
        for words, count in (("thermostat 17", 111), ("thermostat 1999", 1), ("thermostat", 2_000)):
            wanted = Wanted(states=ALL, search=words)
            assert len(await list_tickets(connection, "acme", wanted, None, 3_000)) == count, words


@pytest.mark.rule("TS-80", "TS-132")
async def test_words_that_many_say_are_looked_for_in_order_to_the_end(
    door: Door, settings: TicketSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not where a filter narrows the tickets: then those that fit are put in order."""
    await fill(settings.database_dsn("tickets"), "acme", 2_000, 1)
    for name, value in {"GLANCE": 2, "LITTLE": 0, "PASSED_OVER": 10}.items():
        monkeypatch.setattr(ticket_lists, name, value)
    ways = list[Found]()
    looks_up = list[bool]()

    def watched(form: Form, found: Found) -> Select[Any]:
        ways.append(found)
        statement = put_in_order(form, found)
        looks_up.append("ticket_search.opened_at" not in str(statement))
        return statement

    monkeypatch.setattr(ticket_lists, "put_in_order", watched)
    async with door.database.reading() as connection:
        for words, kind, by in (
            ("thermostat", None, []),
            ("thermostat", "user_report", [Found.BY_ALL]),
            ("thermostat 17", None, [Found.BY_ALL]),
        ):
            looks_up.clear()
            page = await list_tickets(connection, "acme", Wanted(states=ALL, search=words, kind=kind), None, 40)
            assert (len(page), ways) == (40, by), (words, kind)
            assert looks_up == [kind is not None] * len(by), "words alone know the order"
            ways.clear()


@asynccontextmanager
async def as_a_guest(dsn: str, name: str) -> AsyncIterator[Database]:
    """As a role that owns nothing and may read all tables."""
    owner = await asyncpg.connect(dsn)
    await owner.execute(
        f"CREATE ROLE {name} LOGIN PASSWORD 'guest'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}"
    )
    guest = Database(make_url(dsn).set(username=name, password="guest").render_as_string(hide_password=False))
    try:
        yield guest
    finally:
        await guest.close()
        await owner.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
        await owner.close()


@pytest.mark.rule("TS-130")
async def test_who_does_not_own_the_index_asks_it_for_all_runs_and_finds_the_same(
    door: Door, settings: TicketSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsn = settings.database_dsn("tickets")
    await fill(dsn, "acme", 2_000, 1)
    monkeypatch.setattr(ticket_lists, "GLANCE", 0)
    async with (
        as_a_guest(dsn, f"{door.database.name}_guest") as guest,
        guest.reading() as theirs,
        door.database.reading() as ours,
    ):
        for words, count in (("thermostat 17", 111), ("thermostat 1999", 1), ("thermostat", 2_000), ("----x", 0)):
            runs = {words[at : at + 3] for at in range(len(words) - 2)}
            assert {run.gram for run in await ticket_lists.telling(theirs, words)} == runs
            assert len(await ticket_lists.telling(ours, words)) == 2
            for limits in ({}, {"LITTLE": 0, "PASSED_OVER": 10}):
                with monkeypatch.context() as patch:
                    for name, value in limits.items():
                        patch.setattr(ticket_lists, name, value)
                    wanted = Wanted(states=ALL, search=words)
                    found = await list_tickets(theirs, "acme", wanted, None, 3_000)
                    assert found == await list_tickets(ours, "acme", wanted, None, 3_000)
                assert len(found) == count


@pytest.mark.rule("TS-130")
def test_the_statements_of_a_list_are_made_once() -> None:
    form = Form(ALL, Sort.OPENED, False, ("kind", "subject"), True, After.TIME)
    assert among_the_next(form) is among_the_next(form)
    assert put_in_order(form, Found.BY_ALL) is put_in_order(form, Found.BY_ALL)


@pytest.mark.rule("TS-109")
@pytest.mark.parametrize("limits", WAYS.values(), ids=WAYS)
async def test_words_are_found_in_every_space_that_a_ticket_lies_in_however_deep(
    door: Door, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = "a/b/c/d/e/f/g/h/i/j"
    for space in (deep, deep[:-2], "a/b", "a/bc", "a_b", "b"):
        await door.ask_one(asked(opening(title="Lift stuck", space=space)))
    for name, value in limits.items():
        monkeypatch.setattr(ticket_lists, name, value)
    sought = {"a": 4, "a/b": 3, "a/b/c": 2, deep[:-2]: 2, deep: 1, f"{deep[:-4]}/x": 0, "a/bc": 1, "a_b": 1, "c": 0}
    async with door.database.reading() as connection:
        for space, count in sought.items():
            wanted = Wanted(states=ALL, search="lift", space=space)
            assert len(await list_tickets(connection, "acme", wanted, None, 40)) == count, space
