"""Rollups by HTTP: checklists in pages, parents and their children."""

from typing import Any

import pytest
from ticket_api import REPORT, Api, refused
from ticket_desk import BRIDGE, MONITOR, STORM, THERMOSTAT, devices, opening
from ticket_door import Door, asked

from fettle_contracts.ticket import Resolution, Ticket
from fettle_ticket_service.domain.commands import Resolve, UpdateChecklist
from fettle_ticket_service.domain.values import TicketRef


async def roll_up(door: Door, devices_down: int) -> TicketRef:
    """Ticket 1 with that many members, the first of which has recovered."""
    key = TicketRef(key=STORM)
    await door.ask(asked(opening(actor=MONITOR, subject=BRIDGE, dedup_key=STORM, flap_count=3)))
    await door.ask(asked(UpdateChecklist(actor=MONITOR, add=devices(*range(1, devices_down + 1))), ticket=key))
    await door.ask(asked(UpdateChecklist(actor=MONITOR, recovered=devices(1)), ticket=key))
    return key


@pytest.mark.rule("TS-57", "TS-58")
async def test_a_ticket_shows_the_first_members_and_a_list_only_counts_them(api: Api, door: Door) -> None:
    await roll_up(door, 150)
    ticket = await api.get("/tickets/1")
    assert Ticket.model_validate(ticket).flap_count == 3
    checklist = ticket["checklist"]
    assert (checklist["total"], checklist["recovered"], len(checklist["items"])) == (150, 1, 100)
    assert (checklist["items"][0]["id"], checklist["items"][0]["recovered"]) == ("t1", True)
    [listed] = (await api.get("/tickets"))["items"]
    assert listed["checklist"] == {"total": 150, "recovered": 1, "items": []}
    commented = (await api.post("/tickets/1/comments", {"comment": "Hello"})).json()
    assert commented["checklist"] == checklist


@pytest.mark.rule("TS-57")
async def test_a_checklist_comes_in_pages_by_joining(api: Api, door: Door) -> None:
    await roll_up(door, 460)
    found: list[str] = []
    sizes: list[int] = []
    query: dict[str, Any] = {"limit": 200}
    while len(sizes) < 4:
        page = await api.get("/tickets/1/checklist", **query)
        assert (page["total"], page["recovered"]) == (460, 1)
        found += [item["id"] for item in page["items"]]
        sizes.append(len(page["items"]))
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert found == [f"t{number}" for number in range(1, 461)]
    assert sizes == [200, 200, 60]
    assert len((await api.get("/tickets/1/checklist"))["items"]) == 50
    refused(await api.call("GET", "/tickets/1/checklist", cursor="x"), 400, "malformed", "cursor")
    assert (await api.call("GET", "/tickets/1/checklist", limit=201)).status_code == 400
    refused(await api.call("GET", "/tickets/9/checklist"), 404, "not_found")


@pytest.mark.rule("TS-57")
async def test_a_ticket_without_members_has_an_empty_checklist(api: Api) -> None:
    await api.post("/tickets", REPORT)
    page = await api.get("/tickets/1/checklist")
    assert page == {"total": 0, "recovered": 0, "items": [], "next_cursor": None}


@pytest.mark.rule("TS-24")
async def test_another_orgs_checklist_is_not_there(api: Api, door: Door) -> None:
    await roll_up(door, 2)
    for path in ("/tickets/1", "/tickets/1/checklist"):
        assert (await api.call("GET", path, org="globex")).status_code == 404


@pytest.mark.rule("TS-57")
async def test_a_parent_shows_its_children_and_they_it(api: Api, door: Door) -> None:
    parent = await roll_up(door, 5)
    merge = Resolve(actor=MONITOR, resolution=Resolution.MERGED, parent=parent)
    keys = [f"device/t{number}:device_offline" for number in range(102)]
    await door.ask(*(asked(opening(actor=MONITOR, subject=THERMOSTAT, dedup_key=key)) for key in keys))
    await door.ask(*(asked(merge, ticket=TicketRef(key=key)) for key in keys[:2]))
    shown = await api.get("/tickets/1")
    title = opening().title
    assert shown["children"] == [{"number": number, "title": title, "state": "resolved"} for number in (2, 3)]
    assert shown["more_children"] is False
    assert (await api.get("/tickets/2"))["parent"] == {"id": shown["id"], "number": 1}
    await door.ask(*(asked(merge, ticket=TicketRef(key=key)) for key in keys[2:]))
    many = await api.get("/tickets/1")
    assert [child["number"] for child in many["children"]] == list(range(2, 102))
    assert many["more_children"] is True
