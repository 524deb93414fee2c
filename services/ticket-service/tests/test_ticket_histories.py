"""Any history of commands, by both doors at once, against a naive model and on the real database."""

import asyncio
import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from ticket_both_doors import BothDoors, all_of, both_doors
from ticket_model import MOVES, Said

from fettle_ticket_service.settings import TicketSettings

WRITERS = 16
_ORGS = count(1)

REFS = st.one_of(
    st.fixed_dictionaries({"number": st.sampled_from([1, 1, 1, 2, 2, 3, 4, 9])}),
    st.fixed_dictionaries({"key": st.sampled_from(["a", "a", "b"])}),
)
COMMENTS = st.sampled_from([None, None, "", " ", "Called the vendor."])


def _said(verb: str, **more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"verb": st.just(verb), "more": st.fixed_dictionaries(more)})


OPENS = st.tuples(
    _said("open", title=st.sampled_from(["Noise"] * 6 + [""]), subject=st.just({"type": "other", "id": "x"})),
    st.fixed_dictionaries({"key": st.sampled_from(["a", "a", "b", None])}),
)
LINKS = st.integers(0, 11).map(lambda n: [{"label": "W", "url": "https://orders.test"}] * n)
EDITS = st.one_of(
    _said("edit-description", description=st.sampled_from(["One.", "Two.", ""]), description_version=st.integers(1, 3)),
    _said("edit-description", description=st.sampled_from(["One.", "Two.", ""])),
    _said("set-links", links=LINKS, description_version=st.integers(1, 3)),
    _said("set-links", links=LINKS),
)
MOVED = st.tuples(st.sampled_from([*MOVES, "comment"]), COMMENTS).map(
    lambda said: {"verb": said[0], "comment": said[1]}
)
PARENTS = st.one_of(
    st.none(), st.fixed_dictionaries({"number": st.sampled_from([1, 2, 9])}), st.just({"dedup_key": "a"})
)
ENDS = st.tuples(
    _said("resolve", resolution=st.sampled_from([None, "merged", "merged", "superseded"]), parent=PARENTS), COMMENTS
).map(lambda said: {**said[0], "comment": said[1]})
DEVICES = st.lists(st.sampled_from([{"type": "device", "id": f"t{n}"} for n in range(4)]), max_size=3)
LISTS = _said("update-checklist", add=DEVICES, recovered=DEVICES)
SIGNED = st.one_of(
    st.tuples(
        _said("open", title=st.just("Noise"), subject=st.just({"type": "other", "id": "x"}), parent=PARENTS),
        st.fixed_dictionaries({"key": st.sampled_from(["a", "b", None])}),
    ),
    st.tuples(ENDS, REFS),
    st.tuples(LISTS, REFS),
    st.tuples(LISTS, st.just({"key": "m"})),
).map(lambda parts: {**parts[0], **parts[1]})
"""What only the monitor and workflows say."""
ROLLUP = {"verb": "open", "key": "m", "more": {"title": "Storm", "subject": {"type": "other", "id": "x"}}}
"""What each org begins with."""
AGO = st.sampled_from([None, None, 0, 1, 70, 1800, 3599, 3600])
"""How many seconds ago it became true, for them."""
COMMANDS = st.one_of(OPENS, st.tuples(MOVED, REFS), st.tuples(MOVED, REFS), st.tuples(EDITS, REFS)).map(
    lambda parts: {**parts[0], **parts[1]}
)


SECOND = st.sampled_from([False, False, False, True])
PEOPLE = st.sampled_from(["ann@acme.test", "bob@acme.test", "eve@acme.test"]).map(lambda who: ("user", who))
MACHINES = st.sampled_from([("health_monitor", ""), ("workflow", "alert"), ("workflow", "nightly")])


@st.composite
def moments(draw: st.DrawFn) -> dict[str, Any]:
    """What happens at once: batches and requests of both orgs, what of before comes again, which batches are dropped
    at first; and how long it is until the next."""
    people = st.tuples(SECOND, PEOPLE, COMMANDS, st.none())
    machines = st.tuples(SECOND, MACHINES, COMMANDS | SIGNED, AGO)
    commands = people | machines
    batches = draw(st.lists(st.lists(commands, min_size=1, max_size=5), min_size=1, max_size=3))
    return {
        "batches": [(draw(SECOND), batch) for batch in batches],
        "requests": draw(st.lists(st.tuples(SECOND, PEOPLE, COMMANDS), max_size=3)),
        "again": draw(st.lists(st.integers(0, 30), max_size=3)),
        "wait": draw(st.sampled_from([0, 1, 61, 1800, 3599, 3600])),
    }


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def doors(settings: TicketSettings, runner: asyncio.Runner) -> Iterator[BothDoors]:
    opened = both_doors(settings)
    yield runner.run(opened.__aenter__())
    runner.run(opened.__aexit__(None, None, None))


async def live(doors: BothDoors, history: list[dict[str, Any]]) -> None:
    pair = (f"org-{next(_ORGS)}", f"org-{next(_ORGS)}")
    await doors.door.add_orgs(*pair)
    ids = count(1)
    sent: list[tuple[str, Said]] = []
    asked: list[tuple[str, Said]] = []

    def say(second: bool, by: tuple[str, str], command: dict[str, Any], ago: int | None) -> tuple[str, Said]:
        at = None if ago is None else doors.door.now - timedelta(seconds=ago)
        org, said = pair[second], Said(id=f"c-{next(ids)}", actor=by[0], who=by[1], at=at, **command)
        doors.said[org, said.id] = said
        return org, said

    sent += [say(second, ("health_monitor", ""), ROLLUP, None) for second in (False, True)]
    await doors.by_kafka(sent)
    for moment in history:
        deeds, dropped = [], []
        for drop, batch in moment["batches"]:
            commands = [say(*command) for command in batch]
            sent += commands
            deeds.append(doors.by_kafka(commands, drop=drop))
            dropped += [commands] if drop else []
        requests = [say(second, by, command, None) for second, by, command in moment["requests"]]
        requests = [(org, said) for org, said in requests if said.verb == "open" or said.number is not None]
        asked += requests
        deeds += [doors.by_http(*each) for each in requests]
        before = [("kafka", each) for each in sent] + [("http", each) for each in asked]
        for place in moment["again"]:
            if before:
                door, (org, said) = before[place % len(before)]
                deeds.append(doors.by_kafka([(org, said)]) if door == "kafka" else doors.by_http(org, said))
        await all_of(*deeds)
        for commands in dropped:
            # What was rolled back comes again, both orgs' commands in another order between them.
            await doors.by_kafka(sorted(commands, key=lambda each: each[0]))
        doors.door.now += timedelta(seconds=moment["wait"])
    for org in pair:
        await doors.check(org)


HISTORIES = st.lists(moments(), min_size=4, max_size=10)
LIVELY = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], print_blob=True
)


@pytest.mark.rule("TS-1", "TS-2", "TS-3", "TS-4", "TS-5", "TS-11", "TS-12", "TS-13", "TS-16", "TS-25", "TS-27", "TS-61")
@pytest.mark.rule("TS-8", "TS-10", "TS-14", "TS-15", "TS-50", "TS-52", "TS-55", "TS-56")
def test_any_history_by_both_doors_is_what_the_model_says(doors: BothDoors, runner: asyncio.Runner) -> None:
    @settings(LIVELY, max_examples=25, phases=(Phase.explicit, Phase.reuse, Phase.generate))
    @given(history=HISTORIES)
    def whatever(history: list[dict[str, Any]]) -> None:
        runner.run(live(doors, history))

    whatever()


@pytest.mark.campaign
@pytest.mark.timeout(7200)
@pytest.mark.rule("TS-1", "TS-11", "TS-12", "TS-25")
def test_any_history_by_both_doors_for_long(doors: BothDoors, runner: asyncio.Runner) -> None:
    @settings(LIVELY, max_examples=500)
    @given(history=st.lists(moments(), min_size=4, max_size=25))
    def whatever(history: list[dict[str, Any]]) -> None:
        runner.run(live(doors, history))

    whatever()


@pytest.mark.rule("TS-11", "TS-12", "TS-60")
def test_sixteen_writers_some_of_whose_transactions_fail_leave_no_gap(doors: BothDoors, runner: asyncio.Runner) -> None:
    seed = random.randrange(2**32)
    print(f"seed={seed}")
    chance = random.Random(seed)

    async def write(writer: int) -> None:
        for turn in range(6):
            batch = []
            for place in range(chance.randrange(1, 4)):
                id = f"c-{writer}-{turn}-{place}"
                key = chance.choice(["a", "b", None, None])
                verb = chance.choice(["open", "open", "resolve"])
                number = None if verb == "open" or key else chance.randrange(1, 40)
                more = {"title": "Noise", "subject": {"type": "other", "id": "x"}} if verb == "open" else {}
                said = Said(id, verb, "user", number, key, None, more, who=f"{writer}@acme.test")
                doors.said["busy", id] = said
                batch.append(("busy", said))
            if chance.random() < 0.3:
                await doors.by_kafka(batch, drop=True)
            if writer % 2:
                await doors.by_kafka(batch)
            else:
                for org, said in batch:
                    await (
                        doors.by_kafka([(org, said)]) if said.key and said.verb != "open" else doors.by_http(org, said)
                    )

    async def all_writers() -> None:
        await doors.door.add_orgs("busy")
        await all_of(*(write(writer) for writer in range(WRITERS)))
        model = await doors.check("busy")
        assert len(model.tickets) > WRITERS

    runner.run(all_writers())
