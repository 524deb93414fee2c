"""Requests that wait at the same time, in one transaction; and nobody waits for what stops another."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from ticket_api import REPORT, Api
from ticket_desk import ANN
from ticket_door import Door, asked, numbered
from ticket_tampering import tamper

from fettle_chassis.failures import TransientError
from fettle_chassis.http import Problem
from fettle_contracts.results import Outcome
from fettle_ticket_service.asked import Answer, Asked
from fettle_ticket_service.domain import commands
from fettle_ticket_service.entrypoints import together as module
from fettle_ticket_service.entrypoints.places import Places
from fettle_ticket_service.entrypoints.together import COMMANDS_AT_MOST, Together
from fettle_ticket_service.turns import LONGEST_WAIT_S, Turns


@pytest.fixture
async def together(door: Door) -> Together:
    """As it is once the first request of each org has been there."""
    for org in ("acme", "globex"):
        assert await door.handler.knows(door.database, org)
    return Together(door.database, door.handler)


async def all_at_once(together: Together, *requests: Asked) -> list[Answer | BaseException]:
    return await asyncio.gather(*map(together.carry_out, requests), return_exceptions=True)


async def transactions(door: Door) -> list[int]:
    """How many commands each transaction has carried out."""
    rows = await door.rows("SELECT count(*) FROM command GROUP BY xmin::text::bigint ORDER BY xmin::text::bigint")
    return [row.count for row in rows]


@asynccontextmanager
async def locked(door: Door, org: str) -> AsyncIterator[None]:
    async with door.work() as work:
        await work.connection.execute(text("SELECT FROM org WHERE org = :org FOR UPDATE"), {"org": org})
        yield


@pytest.mark.rule("TS-90")
async def test_requests_that_wait_share_a_transaction_and_get_their_own_answers(door: Door, together: Together) -> None:
    requests = [asked(org=("acme", "globex")[number % 2]) for number in range(10)]
    answers = await all_at_once(together, *requests, asked(commands.Start(actor=ANN), ticket=numbered(7)))
    numbers = [each.ticket and each.ticket.number for each in answers if isinstance(each, Answer)]
    assert numbers == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, None]
    assert await transactions(door) == [11]


@pytest.mark.rule("TS-90")
async def test_a_transaction_does_not_grow_without_end(door: Door, together: Together) -> None:
    answers = await all_at_once(together, *(asked() for _ in range(COMMANDS_AT_MOST + 2)))
    assert all(isinstance(each, Answer) for each in answers)
    assert await transactions(door) == [COMMANDS_AT_MOST, 2]


@pytest.mark.rule("TS-91")
async def test_an_org_that_is_locked_for_long_keeps_no_other_waiting(door: Door, together: Together) -> None:
    async with locked(door, "acme"):
        stuck = asyncio.create_task(together.carry_out(asked()))
        assert (await together.carry_out(asked(org="globex"))).outcome is Outcome.APPLIED
        assert not stuck.done()
    assert (await stuck).outcome is Outcome.APPLIED


@pytest.mark.rule("TS-91")
async def test_after_one_has_been_tried_alone_the_others_go_together_again(door: Door, together: Together) -> None:
    async with locked(door, "acme"):
        stuck = [asyncio.create_task(together.carry_out(asked())) for _ in range(20)]
        async with asyncio.timeout(60.0):
            while not together._tried:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        newcomer = asyncio.create_task(together.carry_out(asked()))
        await asyncio.sleep(0)
    assert {(await one).outcome for one in (*stuck, newcomer)} == {Outcome.APPLIED}
    assert await transactions(door) == [1, 20]
    assert not together._tried


@pytest.mark.rule("TS-91")
async def test_many_requests_for_an_org_that_is_locked_leave_connections_for_others(
    door: Door, together: Together
) -> None:
    async def in_bulk() -> Answer:
        async with together.by_itself("acme") as work:
            [answer] = await door.handler(work, [asked()])
        return answer

    async with locked(door, "acme"):
        stuck = [asyncio.create_task(one) for _ in range(10) for one in (together.carry_out(asked()), in_bulk())]
        await asyncio.sleep(1.0)  # until each has met the lock
        async with asyncio.timeout(10.0):  # the others are stuck for longer
            assert (await together.carry_out(asked(org="globex"))).outcome is Outcome.APPLIED
        assert not any(one.done() for one in stuck)
    assert {(await one).outcome for one in stuck} == {Outcome.APPLIED}


@pytest.mark.rule("TS-91")
async def test_an_org_that_was_not_heard_of_keeps_no_other_waiting_for_the_broker(
    door: Door, together: Together, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, asking = asyncio.Event(), asyncio.Semaphore(0)

    async def all_heard() -> bool:
        asking.release()
        await answers.wait()
        return True

    async def in_bulk() -> None:
        async with together.by_itself("initech"):
            pass

    monkeypatch.setattr(door.handler, "_all_heard", all_heard)
    strangers = [together.carry_out(asked(org="initech")) for _ in range(20)]
    stuck = [asyncio.create_task(each) for each in (*strangers, *(in_bulk() for _ in range(20)))]
    for _ in stuck:
        await asking.acquire()
    async with asyncio.timeout(60.0):
        assert (await together.carry_out(asked(org="globex"))).outcome is Outcome.APPLIED
        async with together.by_itself("acme"):
            pass
    assert not any(one.done() for one in stuck)
    answers.set()
    assert {answer and answer.reason for answer in await asyncio.gather(*stuck)} == {None, "org_unknown"}


@pytest.mark.rule("TS-91")
async def test_who_waits_long_for_a_place_is_told_to_come_again() -> None:
    places = Places(3, 2, patience_s=0.01)
    async with AsyncExitStack() as held:
        for org in ("acme", "acme", "globex"):
            await held.enter_async_context(places.one(org))
        assert (places.taken_by("acme"), places.taken_by("globex")) == (True, False)
        for org in ("acme", "globex"):
            with pytest.raises(Problem) as refused:
                await held.enter_async_context(places.one(org))
            assert (refused.value.status, "Retry-After" in (refused.value.headers or {})) == (503, True)
    async with places.one("acme"), places.one("acme"):
        pass


@pytest.mark.rule("TS-91")
async def test_a_command_that_cannot_be_carried_out_fails_alone(door: Door, together: Together) -> None:
    await door.ask_one(asked())
    unkeepable = asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(1), id="a\x00b")
    good, bad, other = await all_at_once(together, asked(), unkeepable, asked(org="globex"))
    assert isinstance(good, Answer)
    assert isinstance(other, Answer)
    assert isinstance(bad, DBAPIError)
    [acme] = await door.rows("SELECT next_number, open FROM org WHERE org = 'acme'")
    assert acme == (3, 2)


async def waiting(together: Together, *requests: Asked) -> list["asyncio.Task[Answer]"]:
    """Requests that wait for a batch."""
    tasks = [asyncio.create_task(together.carry_out(request)) for request in requests]
    async with asyncio.timeout(60.0):
        while len(together._waiting) < len(requests):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
    return tasks


async def by_kafka(door: Door, together: Together, *batch: Asked) -> None:
    async with door.work() as work:
        await together.batch(work, batch)


@pytest.fixture
async def between_batches(door: Door, together: Together, monkeypatch: pytest.MonkeyPatch) -> None:
    """One has just ended, and the next one may take its time."""
    for patience in ("RIGHT_BEHIND_S", "BATCHES_PATIENCE_S"):
        monkeypatch.setattr(module, patience, 60.0)
    await by_kafka(door, together, asked())


@pytest.mark.rule("TS-1")
@pytest.mark.usefixtures("between_batches")
async def test_who_asks_again_by_kafka_is_told_again(door: Door, together: Together) -> None:
    opens, late = asked(id="c-1"), asked(commands.Start(actor=ANN), ticket=numbered(99), id="c-2")
    await by_kafka(door, together, opens, late)
    told = (await door.results())[1:]
    assert [(one.data["command_id"], one.data["outcome"]) for one in told] == [("c-1", "applied"), ("c-2", "rejected")]
    events = await door.events()
    door.now += timedelta(days=2)
    requests = await waiting(together, opens)
    await by_kafka(door, together, late, opens, opens, asked(id="c-3"))
    assert (await requests[0]).repeated, "its answer is its own, and no topic's"
    again = (await door.results())[3:]
    assert [one.data["command_id"] for one in again] == ["c-3", "c-2", "c-1", "c-1"]
    for one, first in zip(again[1:], (told[1], told[0], told[0]), strict=True):
        assert (one.data, one.key) == (first.data, first.key)
        assert one.headers.pop("ce_time") > first.headers["ce_time"]
        assert one.headers == {name: value for name, value in first.headers.items() if name != "ce_time"}
    assert len(await door.events()) == len(events) + 1


@pytest.mark.rule("TS-104")
@pytest.mark.usefixtures("between_batches")
async def test_requests_go_with_the_next_batch_and_get_their_own_answers(door: Door, together: Together) -> None:
    requests = await waiting(together, asked(org="globex"), asked(commands.Start(actor=ANN), ticket=numbered(2)))
    await by_kafka(door, together, asked(), asked(org="globex"))
    met = [(await request).ticket for request in requests]
    assert [(ticket.number, ticket.state) for ticket in met if ticket] == [(2, "open"), (2, "in_progress")]
    assert await transactions(door) == [1, 4]


@pytest.mark.rule("TS-104")
@pytest.mark.usefixtures("between_batches")
async def test_a_batch_with_requests_does_not_grow_without_end(door: Door, together: Together) -> None:
    requests = await waiting(together, asked(), asked())
    await by_kafka(door, together, *(asked() for _ in range(COMMANDS_AT_MOST - 1)))
    await asyncio.gather(*requests)  # the other one does not wait for another batch
    assert await transactions(door) == [1, COMMANDS_AT_MOST, 1]


@pytest.mark.rule("TS-104")
@pytest.mark.usefixtures("between_batches")
async def test_requests_that_come_while_a_batch_is_under_way_go_with_the_next_one(
    door: Door, together: Together
) -> None:
    early = await waiting(together, asked(org="globex"))
    await asyncio.sleep(0.01)  # somebody looks out for the batch by now
    async with door.work() as work:
        await together.batch(work, [asked()])
        late = await waiting(together, asked(org="globex"))
    await by_kafka(door, together, asked())
    assert [(await request).outcome for request in early + late] == [Outcome.APPLIED] * 2
    assert await transactions(door) == [1, 2, 2]


@pytest.mark.rule("TS-104")
async def test_requests_behind_which_no_batch_comes_go_by_themselves(door: Door, together: Together) -> None:
    await by_kafka(door, together, asked())
    assert (await together.carry_out(asked())).outcome is Outcome.APPLIED
    assert await transactions(door) == [1, 1]


@pytest.mark.rule("TS-104", "TS-91")
@pytest.mark.usefixtures("between_batches")
async def test_a_batch_is_tried_again_without_the_requests_that_kept_it(door: Door, together: Together) -> None:
    async with locked(door, "acme"):
        [stuck, other] = await waiting(together, asked(), asked(org="globex"))
        with pytest.raises(TransientError):
            await by_kafka(door, together, asked(org="globex"))
        await by_kafka(door, together, asked(org="globex"))
        assert (await other).outcome is Outcome.APPLIED
        assert not stuck.done()
    assert (await stuck).outcome is Outcome.APPLIED
    [late] = await waiting(together, asked())
    await by_kafka(door, together, asked())
    assert (await late).outcome is Outcome.APPLIED
    assert (await transactions(door))[-1] == 2


@pytest.mark.rule("TS-104", "TS-91")
@pytest.mark.usefixtures("between_batches")
async def test_a_request_that_cannot_be_carried_out_is_not_blamed_on_the_batch(door: Door, together: Together) -> None:
    said = commands.Comment(actor=ANN, text="Seen.")
    [bad] = await waiting(together, asked(said, ticket=numbered(1), id="a\x00b"))
    with pytest.raises(TransientError):
        await by_kafka(door, together, asked(said, ticket=numbered(1)))
    await by_kafka(door, together, asked(said, ticket=numbered(1)))
    with pytest.raises(DBAPIError):
        await bad
    with pytest.raises(DBAPIError):  # a batch's own fault is its own
        await by_kafka(door, together, asked(said, ticket=numbered(1), id="a\x00b"))


@pytest.mark.rule("TS-104")
async def test_requests_do_not_wait_for_a_batch_that_is_stuck(door: Door, together: Together) -> None:
    async with locked(door, "acme"):
        batch = asyncio.create_task(by_kafka(door, together, asked()))
        async with asyncio.timeout(60.0):
            while not together._batch_under_way:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)
        assert (await together.carry_out(asked(org="globex"))).outcome is Outcome.APPLIED
        assert not batch.done()
    await batch


@pytest.mark.rule("TS-100")
async def test_a_request_by_itself_that_meets_a_row_is_tried_once_more(door: Door, together: Together) -> None:
    await door.ask(asked(), asked())
    seen = [asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(number)) for number in (1, 2)]
    together._alone = Places(1, 1, patience_s=15.0)
    async with together.by_itself("acme"):  # so that each is asked by itself
        waiting = asyncio.create_task(all_at_once(together, *seen))
        await asyncio.sleep(0)
        await tamper(door, "UPDATE org SET place = 0, head = ''")
    assert [each.outcome for each in await waiting if isinstance(each, Answer)] == [Outcome.APPLIED] * 2


@pytest.mark.rule("TS-90")
async def test_a_key_that_comes_twice_at_once_has_one_effect(api: Api, door: Door) -> None:
    """Whichever of two requests comes first under the key is met, once; the other is refused."""
    bodies = [REPORT, REPORT, {**REPORT, "title": "Another"}, REPORT]
    key = {"Idempotency-Key": "k"}
    answers = await asyncio.gather(*(api.post("/tickets", body, headers=key) for body in bodies))
    met = [answer.json()["title"] for answer in answers if answer.status_code == 201]
    refused = [answer.json()["code"] for answer in answers if answer.status_code == 422]
    assert (len(met), len(refused)) in ((3, 1), (1, 3))
    assert len(set(met)) == 1
    assert set(refused) == {"idempotency_key_reused"}
    [acme] = await door.rows("SELECT next_number, open FROM org WHERE org = 'acme'")
    assert acme == (2, 1)


async def test_a_caller_who_goes_away_takes_nobody_along(door: Door, together: Together) -> None:
    gone = asyncio.create_task(together.carry_out(asked()))
    stays = asyncio.create_task(together.carry_out(asked()))
    await asyncio.sleep(0)
    gone.cancel()
    assert (await stays).outcome is Outcome.APPLIED


async def test_turns_come_in_the_order_of_asking_and_one_at_a_time() -> None:
    turns, seen = Turns(), list[tuple[int, str]]()

    async def take(number: int) -> None:
        async with turns.one():
            seen.append((number, "begins"))
            await asyncio.sleep(0)
            seen.append((number, "ends"))

    await asyncio.gather(*map(take, range(3)))
    assert seen == [(number, what) for number in range(3) for what in ("begins", "ends")]


async def test_nobody_waits_for_ever_for_a_turn_that_is_stuck() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    async with turns.one():
        began = loop.time()
        async with turns.one():
            assert loop.time() - began >= LONGEST_WAIT_S
        await asyncio.sleep(0)
    async with asyncio.timeout(LONGEST_WAIT_S / 2), turns.one():
        pass
