"""The HTTP door clause by clause: cursors at the ends, what is alike but for one word, orgs that are gone."""

import json
from base64 import urlsafe_b64encode
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from msgspec import Struct
from ticket_api import REPORT, Api, refused
from ticket_desk import ANN, BRIDGE, MONITOR, STORM, THERMOSTAT, devices, opening
from ticket_door import Door, asked, numbered
from ticket_tampering import tamper

from fettle_chassis.tokens import Role
from fettle_contracts.commands import Verb
from fettle_contracts.identity import SubjectType
from fettle_ticket_service.adapters import orgs
from fettle_ticket_service.domain import commands
from fettle_ticket_service.domain.values import Actor, Subject
from fettle_ticket_service.entrypoints.http.fingerprints import fingerprint


def cursor(*place: object) -> str:
    return urlsafe_b64encode(json.dumps(place).encode()).decode()


@pytest.mark.rule("TS-68", "TS-38")
async def test_a_deleted_org_has_neither_policy_nor_counts(api: Api, door: Door) -> None:
    async with door.work() as work:
        await orgs.take_in(work.connection, [("acme", "Acme", True, door.now + timedelta(days=1))])
    for path in ("/ticket-policy", "/tickets/count"):
        refused(await api.call("GET", path), 404, "not_found")
    refused(await api.put("/ticket-policy", {"retention_days": 30}, role=Role.ADMIN), 404, "not_found")
    assert [row.policy for row in await door.rows("SELECT policy FROM org WHERE org = 'acme'")] == [{}]


@pytest.mark.rule("TS-22", "TS-108")
async def test_a_version_that_was_seen_may_have_spaces_around_it(api: Api) -> None:
    await api.post("/tickets", REPORT)
    for seen, text in ((' "1" ', "one"), (" * ", "two")):
        answer = await api.put("/tickets/1/description", {"description": text}, seen)
        assert (answer.status_code, answer.json()["description"]) == (200, text)


@pytest.mark.rule("TS-106")
@pytest.mark.parametrize(("sort", "wanted"), [("version", [3, 5, 7]), ("-version", [7, 5, 3])])
async def test_what_is_seldom_comes_in_pages_of_its_own_ticket_alone(api: Api, sort: str, wanted: list[int]) -> None:
    for number in (1, 2):
        await api.post("/tickets", REPORT)
        for deed in ("resolve", "reopen") * 3:
            await api.post(f"/tickets/{number}/{deed}")
    came, query = [], {"type": "reopened", "sort": sort, "limit": 1}
    while query:
        page = await api.get("/tickets/1/timeline", **query)
        came += [item["version"] for item in page["items"]]
        query = {**query, "cursor": page["next_cursor"]} if page["next_cursor"] else {}
    assert came == wanted


@pytest.mark.rule("TS-40", "TS-105", "TS-112")
async def test_a_cursor_at_the_end_of_all_numbers_is_one_and_beyond_it_none(api: Api) -> None:
    await api.post("/tickets", REPORT)
    for path in ("/tickets/1/timeline", "/tickets/1/checklist"):
        for last in (2**31 - 1, 2**31 - 2):
            assert (await api.get(path, cursor=cursor(last)))["items"] == []
        for impossible in (2**31, 0, -1, True, "1"):
            refused(await api.call("GET", path, cursor=cursor(impossible)), 400, "malformed", "cursor")
    back = await api.get("/tickets/1/timeline", sort="-version", cursor=cursor(-(2**31) + 1))
    assert [item["version"] for item in back["items"]] == [1]
    places: tuple[tuple[object, ...], ...] = (
        ("number", 3, None),
        ("updated", 3, "2026-01-01T00:00:00+00:00"),
        ("opened", 3, "2026-01-01T00:00:00"),
        ("opened", True, "2026-01-01T00:00:00+00:00"),
        ("opened", 0, "2026-01-01T00:00:00+00:00"),
    )
    for place in places:
        refused(await api.call("GET", "/tickets", cursor=cursor(*place)), 400, "malformed", "cursor")
    for number in (2**63, 0, True):
        answer = await api.call("GET", "/tickets", sort="number", cursor=cursor("number", number, None))
        refused(answer, 400, "malformed", "cursor")


@pytest.mark.rule("TS-41")
async def test_subjects_of_one_id_and_two_kinds_are_two(api: Api, door: Door) -> None:
    await door.ask_one(asked(opening(subject=Subject(SubjectType.OTHER, THERMOSTAT.id))))
    await door.ask_one(asked(opening(subject=THERMOSTAT)))
    for subject, found in (("other/t17", [1]), ("device/t17", [2])):
        assert await api.numbers(subject=subject) == found
        assert await api.numbers(subject=subject, q="makes") == found


@pytest.mark.rule("TS-66")
@pytest.mark.parametrize("form", ["jsonl", "csv"])
async def test_an_export_is_in_order_wherever_the_rows_stand(api: Api, door: Door, form: str) -> None:
    for key in (STORM, f"{STORM}-2"):
        await door.ask_one(asked(opening(actor=MONITOR, subject=BRIDGE, dedup_key=key)))
    grown = commands.UpdateChecklist(actor=MONITOR, add=devices(3, 1, 2), recovered=())
    said = commands.Comment(actor=ANN, text="Seen.")
    await door.ask(*(asked(command, ticket=numbered(1)) for command in (grown, said, said)))
    for table, where in (("ticket", "number"), ("entry", "version"), ("checklist_member", "place")):
        await tamper(door, f"UPDATE {table} SET {where} = {where} WHERE {where} = 1")
    answer = await api.call("GET", "/tickets/export", format=form, timeline=True)
    if form == "csv":
        assert [line.split(",")[0] for line in answer.text.splitlines()] == ["number", "1", "2"]
        return
    first, second = map(json.loads, answer.text.splitlines())
    assert (first["number"], second["number"]) == (1, 2)
    assert [entry["version"] for entry in first["timeline"]] == list(range(1, first["version"] + 1))
    assert [member["id"] for member in first["checklist"]["items"]] == ["t3", "t1", "t2"]


class Reordered(Struct, frozen=True, kw_only=True):
    """A start as a later version may write it down."""

    verb: ClassVar[Verb] = Verb.START

    comment: str | None = None
    actor: Actor


@pytest.mark.rule("TS-110")
def test_the_order_in_which_a_version_writes_its_fields_down_changes_nothing() -> None:
    said: dict[str, Any] = {"actor": ANN, "comment": "On it."}
    assert fingerprint(numbered(1), Reordered(**said)) == fingerprint(numbered(1), commands.Start(**said))  # type: ignore[arg-type]


@pytest.mark.rule("TS-20")
async def test_a_long_name_of_a_caller_is_cut_and_keeps_nobody_from_reporting(api: Api) -> None:
    answer = await api.post("/tickets", REPORT, name="n" * 900, person="p" * 900)
    assert answer.status_code == 201
    by = answer.json()["opened_by"]
    assert (by["name"][:20], by["id"][:20]) == ("n" * 20, "p" * 20)
    assert max(len(by["name"]), len(by["id"])) < 900
