"""The same done to many tickets at once, each reported on its own."""

import pytest
from ticket_api import REPORT, Api, refused
from ticket_desk import ANN
from ticket_door import Door, asked, numbered

from fettle_chassis.tokens import Role
from fettle_ticket_service.domain import commands


async def open_three(api: Api, door: Door) -> None:
    for _ in range(3):
        await api.post("/tickets", REPORT)
    await door.ask_one(asked(commands.Resolve(actor=ANN), ticket=numbered(2)))


@pytest.mark.rule("TS-67")
async def test_each_ticket_has_its_own_outcome_and_one_that_cannot_stops_no_other(api: Api, door: Door) -> None:
    await open_three(api, door)
    body = {"action": "start", "numbers": [3, 2, 9, 1, 3], "comment": "On it."}
    items = (await api.post("/tickets/bulk", body)).json()["items"]
    assert [(item["number"], item["status"], item["outcome"]) for item in items] == [
        (3, 200, "applied"),
        (2, 409, "rejected"),
        (9, 404, "rejected"),
        (1, 200, "applied"),
        (3, 200, "applied"),
    ]
    assert [(item.get("state"), item.get("version")) for item in items] == [
        ("in_progress", 3),
        ("resolved", 2),
        (None, None),
        ("in_progress", 3),
        ("in_progress", 4),
    ]
    assert (items[1]["code"], items[2]["code"]) == ("wrong_state", "ticket_not_found")
    alone = await api.post("/tickets/2/start")
    assert (alone.json()["code"], alone.json()["detail"]) == (items[1]["code"], items[1]["detail"])


@pytest.mark.rule("TS-67")
@pytest.mark.parametrize(
    ("action", "comment", "outcomes"),
    [
        ("resolve", None, ["applied", "unchanged", "applied"]),
        ("comment", "Called the vendor.", ["applied", "applied", "applied"]),
        ("comment", None, ["rejected", "rejected", "rejected"]),
        ("reopen", None, ["unchanged", "applied", "unchanged"]),
        ("move-to-open", None, ["unchanged", "rejected", "unchanged"]),
    ],
)
async def test_every_action_does_what_it_does_to_one(
    api: Api, door: Door, action: str, comment: str | None, outcomes: list[str]
) -> None:
    await open_three(api, door)
    body = {"action": action, "numbers": [1, 2, 3], "comment": comment}
    answer = await api.post("/tickets/bulk", body)
    assert [item["outcome"] for item in answer.json()["items"]] == outcomes


@pytest.mark.rule("TS-67", "TS-36")
async def test_a_repeated_bulk_has_one_effect(api: Api, door: Door) -> None:
    await open_three(api, door)
    body = {"action": "comment", "numbers": [1, 3], "comment": "Seen."}
    key = {"idempotency-key": "bulk-1"}
    first = await api.post("/tickets/bulk", body, headers=key)
    before = len(await door.events())
    again = await api.post("/tickets/bulk", body, headers=key)
    assert (again.json(), len(await door.events())) == (first.json(), before)
    other = await api.post("/tickets/bulk", {**body, "comment": "Other."}, headers=key)
    refused(other, 422, "idempotency_key_reused")
    wider = await api.post("/tickets/bulk", {**body, "comment": "Other.", "numbers": [2, 3]}, headers=key)
    refused(wider, 422, "idempotency_key_reused")
    assert len(await door.events()) == before


@pytest.mark.rule("TS-67", "TS-36")
@pytest.mark.parametrize("numbers", [[2, 3], [1, 2], [2, 1], [3]])
async def test_a_bulk_of_other_tickets_under_a_used_key_is_another_request(
    api: Api, door: Door, numbers: list[int]
) -> None:
    await open_three(api, door)
    key = {"idempotency-key": "k"}
    await api.post("/tickets/bulk", {"action": "comment", "numbers": [1], "comment": "Seen."}, headers=key)
    before = len(await door.events())
    other = await api.post("/tickets/bulk", {"action": "comment", "numbers": numbers, "comment": "Seen."}, headers=key)
    refused(other, 422, "idempotency_key_reused")
    assert len(await door.events()) == before


@pytest.mark.rule("TS-67", "TS-36")
async def test_a_ticket_that_a_bulk_names_twice_is_met_twice_with_a_key_too(api: Api, door: Door) -> None:
    await open_three(api, door)
    body = {"action": "comment", "numbers": [3, 3], "comment": "Seen."}
    key = {"idempotency-key": "twice"}
    first = (await api.post("/tickets/bulk", body, headers=key)).json()
    assert [item["version"] for item in first["items"]] == [2, 3]
    assert (await api.post("/tickets/bulk", body, headers=key)).json() == first


@pytest.mark.rule("TS-67", "TS-36")
async def test_a_key_stands_for_one_request_be_it_of_one_ticket_or_of_many(api: Api, door: Door) -> None:
    await open_three(api, door)
    comment = {"comment": "Seen."}
    bulk = {"action": "comment", "numbers": [1, 3], **comment}
    assert (await api.post("/tickets/bulk", bulk, headers={"idempotency-key": "z"})).status_code == 200
    for free in ("z/1", "z/3"):
        alone = await api.post("/tickets/3/comments", comment, headers={"idempotency-key": free})
        assert alone.status_code == 200, alone.text
    refused(
        await api.post("/tickets/1/comments", comment, headers={"idempotency-key": "z"}), 422, "idempotency_key_reused"
    )
    refused(await api.post("/tickets/bulk", bulk, headers={"idempotency-key": "z/1"}), 422, "idempotency_key_reused")


@pytest.mark.rule("TS-67", "TS-39")
async def test_a_bulk_has_a_size_and_a_role(api: Api) -> None:
    body = {"action": "start", "numbers": [1]}
    assert (await api.post("/tickets/bulk", body, role=Role.VIEWER)).status_code == 403
    for numbers in ([], list(range(1, 202))):
        refused(await api.post("/tickets/bulk", {**body, "numbers": numbers}), 400, "malformed", "numbers")
    refused(await api.post("/tickets/bulk", {"action": "delete", "numbers": [1]}), 400, "malformed", "action")
    absurd = await api.post("/tickets/bulk", {**body, "numbers": [-5, 2**80]})
    assert [item["status"] for item in absurd.json()["items"]] == [404, 404]


@pytest.mark.rule("TS-26")
async def test_the_trace_of_a_request_goes_on_with_what_it_causes(api: Api, door: Door) -> None:
    traces = [f"00-0af7651916cd43dd8448eb211c80319{digit}-b7ad6b7169203331-01" for digit in "abc"]
    requests = (
        ("/tickets", REPORT),
        ("/tickets/1/start", {"comment": "On it."}),
        ("/tickets/bulk", {"action": "resolve", "numbers": [1]}),
    )
    for trace, (path, body) in zip(traces, requests, strict=True):
        await api.post(path, body, headers={"traceparent": trace})
    await api.post("/tickets", REPORT, headers={"traceparent": "00-nothing"})
    told = [event.headers.get("traceparent") for event in await door.events()]
    assert told == [traces[0], traces[1], traces[1], traces[2], None]
