"""Pages of a list by update, narrowed, while its tickets move: whatever the filter, and however the page is found."""

from collections.abc import Callable
from datetime import timedelta
from itertools import count, cycle, islice
from typing import Any

import pytest
from test_ticket_pages import WAYS
from ticket_api import Api
from ticket_desk import ANN, LIFT, MONITOR, device, opening
from ticket_door import Door, asked, numbered

from fettle_ticket_service.adapters import ticket_lists
from fettle_ticket_service.asked import Asked
from fettle_ticket_service.domain import commands

Item = dict[str, Any]
NARROWED: tuple[tuple[dict[str, str], Callable[[Item], bool]], ...] = (
    ({"state": "open"}, lambda item: item["state"] == "open"),
    ({"source": "user"}, lambda item: item["source"] == "user"),
    ({"kind": "device_offline"}, lambda item: item["kind"] == "device_offline"),
    ({"subject": "other/lift-3"}, lambda item: item["subject"]["id"] == "lift-3"),
    ({"integration": "hue-1"}, lambda item: item["integration"] == "hue-1"),
    ({"space": "oslo"}, lambda item: item["space"].startswith("oslo")),
    ({"q": "LIFT"}, lambda item: "Lift" in item["title"]),
    ({"q": "off", "space": "oslo/hq-1"}, lambda item: "Off" in item["title"] and item["space"] == "oslo/hq-1"),
    (
        {"state": "open", "source": "user", "kind": "user_report", "integration": "hue-1", "q": "lift"},
        lambda item: (item["state"], item["source"], item["integration"]) == ("open", "user", "hue-1"),
    ),
)


def report(number: int) -> commands.Open:
    """By turns Ann's of the lift and the monitor's of a device; two of three in Oslo, and behind hue-1."""
    where = {
        "space": ("oslo", "oslo/hq-1", "bergen")[number % 3],
        "integration": ("hue-1", "hue-1", "hue-2")[number % 3],
    }
    if number % 2:
        return opening(**where, subject=LIFT, title=f"Lift stuck, {number}")
    kind, key = "device_offline", f"device/t{number}:device_offline"
    its = {"subject": device(number), "title": f"Offline: {number}", "kind": kind, "dedup_key": key}
    return opening(**where, **its, actor=MONITOR)


def change(item: Item, *, moves: bool) -> Asked:
    move = commands.Start if item["state"] == "open" else commands.MoveToOpen
    command = move(actor=ANN) if moves else commands.Comment(actor=ANN, text="Seen.")
    return asked(command, ticket=numbered(item["number"]))


@pytest.mark.rule("TS-93", "TS-96")
@pytest.mark.parametrize("limits", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("sort", ["updated", "-updated"])
async def test_what_fits_and_nobody_changes_comes_once_whatever_moves_between_pages(
    api: Api, door: Door, sort: str, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three tickets each were opened in one instant. Behind each page one that fits is changed, and one that does not,
    and another is opened."""
    for name, value in limits.items():
        monkeypatch.setattr(ticket_lists, name, value)
    reports = map(report, count(1))
    for _ in range(10):
        door.now += timedelta(minutes=1)
        await door.ask(*map(asked, islice(reports, 3)))
    await door.ask(*(asked(commands.Start(actor=ANN), ticket=numbered(number)) for number in range(1, 31, 4)))

    for narrowed, fits in NARROWED:
        before = (await api.get("/tickets", sort=sort, state="all", limit=200))["items"]
        fitting = [item for item in before if fits(item)]
        changed = fitting[::-3]
        turns = zip(changed, (item for item in before if not fits(item)), reports, cycle((True, False)), strict=False)
        came, page = list[int](), dict[str, Any]()
        while not page or page["next_cursor"]:
            cursor = {"cursor": page["next_cursor"]} if page else {}
            page = await api.get("/tickets", **{"state": "all", **narrowed, "sort": sort, "limit": 3, **cursor})
            came += [item["number"] for item in page["items"]]
            for one, other, another, moves in islice(turns, 1):
                door.now += timedelta(minutes=1)
                await door.ask(change(one, moves=moves), change(other, moves=not moves), asked(another))
        kept = [item["number"] for item in fitting if item not in changed]
        assert [number for number in came if number in kept] == kept, narrowed
        after = (await api.get("/tickets", **{"state": "all", **narrowed, "sort": "updated", "limit": 200}))["items"]
        moved = [item["number"] for item in after if item["number"] not in kept]
        if sort == "updated":
            assert came[-len(moved) :] == moved, narrowed
        else:
            assert len(came) == len(set(came)), narrowed
