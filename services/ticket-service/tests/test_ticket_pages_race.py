"""Pages of a list while its tickets move between the questions that one page asks."""

from datetime import timedelta
from typing import Any

import pytest
from ticket_api import Api
from ticket_desk import ANN, opening
from ticket_door import Door, asked, numbered

from fettle_ticket_service.adapters import ticket_lists
from fettle_ticket_service.domain import commands

LIMITS = {"GLANCE": 2, "LITTLE": 0, "PASSED_OVER": 5}


@pytest.mark.rule("TS-93")
@pytest.mark.parametrize(
    ("behind", "question"),
    [
        pytest.param(5, "is_beyond", id="just beyond what is passed over"),
        pytest.param(2, "with_more", id="just beyond the glance"),
    ],
)
async def test_who_fits_and_is_not_changed_comes_whatever_moves_to_the_front_meanwhile(
    api: Api, door: Door, monkeypatch: pytest.MonkeyPatch, behind: int, question: str
) -> None:
    """The newest ticket is the place; between it and the one that fits are `behind` others, of which one moves."""
    for name, value in LIMITS.items():
        monkeypatch.setattr(ticket_lists, name, value)
    for kind in ("fits", *["other"] * (behind + 1)):
        door.now += timedelta(minutes=1)
        await door.ask_one(asked(opening(kind=kind)))
    place = (await api.get("/tickets", state="all", sort="-updated", limit=1))["next_cursor"]
    ask = getattr(ticket_lists._Question, question)

    async def moves_first(of: Any, what: Any) -> Any:
        door.now += timedelta(minutes=1)
        await door.ask_one(asked(commands.Comment(actor=ANN, text="Seen."), ticket=numbered(2 + behind // 2)))
        return await ask(of, what)

    monkeypatch.setattr(ticket_lists._Question, question, moves_first)
    found = await api.get("/tickets", state="all", kind="fits", sort="-updated", cursor=place)
    assert [one["number"] for one in found["items"]] == [1]
