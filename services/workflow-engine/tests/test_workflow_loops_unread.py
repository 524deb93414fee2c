"""Loops by way of a workflow whose document this version of the engine cannot read."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from engine_world import World, event, world_of

from fettle_contracts.ticket_events import EntryType
from fettle_workflow_engine.adapters import definitions
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.validate import load

TURN = """
workflow: {name}
enabled: true
nodes:
  on: {{trigger: {on}}}
  do: {{after: [on], action: {does}}}
"""
OPENS = "ticket.open, with: {title: a, kind: b, subject: {ref: event.ticket.subject}}"
RESOLVES = "ticket.resolve, with: {ticket: {ref: event.ticket.id}}"


@pytest.fixture
async def world(environment: dict[str, str]) -> AsyncIterator[World]:
    async with world_of(environment) as found:
        yield found


@pytest.mark.rule("WF-159")
async def test_a_loop_by_way_of_what_cannot_be_read_is_refused_once_it_can(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(document: str, languages: Any) -> Any:
        if "workflow: bad" in document:
            raise TypeError("a planted bug")
        return load(document, languages)

    resolves = TURN.format(name="good", on="ticket.opened", does=RESOLVES)
    await world.save(TURN.format(name="bad", on="ticket.resolved", does=OPENS))
    with monkeypatch.context() as patched:
        patched.setattr(definitions, "load", broken)
        world.restart()
        await world.save(resolves)
        await world.happen(event(EntryType.RESOLVED))
        assert await world.runs() == [], "what cannot be read starts nothing, so nothing goes round"
    world.restart()
    with pytest.raises(DocumentRefused) as refusal:
        await world.save(resolves)
    assert "ticket.resolve -> ticket.resolved -> bad -> ticket.opened -> good" in refusal.value.faults[0].message
