"""Pages of a list while others work on its tickets."""

from collections import Counter
from datetime import timedelta

import pytest
from ticket_api import Api
from ticket_desk import ANN
from ticket_door import Door, asked, numbered

from fettle_ticket_service.domain import commands

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
