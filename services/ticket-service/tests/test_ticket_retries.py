"""A request that is tried again under its key asks for the same, whatever has changed around it."""

from collections.abc import Callable
from typing import Any

import pytest
from ticket_api import REPORT, Api, refused
from ticket_desk import ANN, BOB, ORDER, opening
from ticket_door import Door, numbered

from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.values import Actor
from fettle_ticket_service.entrypoints.http.fingerprints import fingerprint, former_fingerprint

KEY = {"idempotency-key": "k-1"}
BULK = {"action": "start", "numbers": [2, 1]}
REQUESTS: dict[str, Callable[[Api, str], Any]] = {
    "an open": lambda api, name: api.post("/tickets", REPORT, headers=KEY, name=name),
    "a comment": lambda api, name: api.post("/tickets/1/comments", {"comment": "Seen."}, headers=KEY, name=name),
    "a bulk": lambda api, name: api.post("/tickets/bulk", BULK, headers=KEY, name=name),
}


class Urgent(commands.Start, frozen=True, kw_only=True):
    """A start as a later version may know it."""

    urgent: bool = False
    because: tuple[str, ...] = ()


@pytest.mark.rule("TS-110")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_a_retry_gets_the_first_answer_when_the_caller_has_another_name(
    api: Api, door: Door, request_: Callable[[Api, str], Any]
) -> None:
    await api.post("/tickets", REPORT)
    await api.post("/tickets", REPORT)
    first = await request_(api, "Ann")
    events = len(await door.events())
    again = await request_(api, "Ann Berg")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert len(await door.events()) == events


@pytest.mark.rule("TS-110")
@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
async def test_a_retry_gets_the_answer_that_the_version_before_has_kept(
    api: Api, door: Door, request_: Callable[[Api, str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    await api.post("/tickets", REPORT)
    await api.post("/tickets", REPORT)
    with monkeypatch.context() as before:
        before.setattr("fettle_ticket_service.entrypoints.http.desk.fingerprint", former_fingerprint)
        first = await request_(api, "Ann")
    again = await request_(api, "Ann")
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    refused(await api.post("/tickets/1/start", headers=KEY), 422, "idempotency_key_reused")


@pytest.mark.rule("TS-110")
def test_a_field_that_a_later_version_has_changes_nothing_where_it_says_nothing() -> None:
    start = fingerprint(numbered(1), commands.Start(actor=ANN, comment="On it."))
    assert fingerprint(numbered(1), Urgent(actor=ANN, comment="On it.")) == start
    assert fingerprint(numbered(1), Urgent(actor=ANN, comment="On it.", urgent=True)) != start


DIFFERENT = (
    (None, opening()),
    (None, opening(title="Other")),
    (None, opening(title="half \ud800")),
    (None, opening(actor=BOB)),
    (None, opening(dedup_key="x")),
    (None, opening(description="x")),
    (None, opening(space="x")),
    (None, opening(links=(ORDER,))),
    (None, opening(links=(ORDER, ORDER))),
    (numbered(1), commands.Start(actor=ANN)),
    (numbered(2), commands.Start(actor=ANN)),
    (numbered(10**30), commands.Start(actor=ANN)),
    ((1, 2), commands.Start(actor=ANN)),
    ((2, 1), commands.Start(actor=ANN)),
    (numbered(1), commands.Reopen(actor=ANN)),
    (numbered(1), commands.Start(actor=ANN, comment="")),
    (numbered(1), commands.Start(actor=Actor(ANN.type, None, ANN.name))),
    (numbered(1), commands.EditDescription(actor=ANN, description="x", description_version=1)),
    (numbered(1), commands.EditDescription(actor=ANN, description="x")),
)


@pytest.mark.rule("TS-36")
def test_whatever_is_asked_differently_has_another_fingerprint() -> None:
    assert len({fingerprint(*each) for each in DIFFERENT}) == len(DIFFERENT)
