"""The workflows that benchmarks run, put into the engine's database as a save puts them."""

from __future__ import annotations

from collections.abc import Iterable

from fettle_chassis.database import Database
from fettle_chassis.unit_of_work import unit_of_work
from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.definitions import Definitions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.app import now
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.library import Library
from fettle_workflow_engine.settings import WorkflowSettings

BUDGET = 100_000
"""Runs an hour: the most that a document may ask for."""

ANSWERED = f"""\
workflow: answered
title: First answer
enabled: true
budget_per_hour: {BUDGET}
nodes:
  opened: {{trigger: ticket.opened, where: event.ticket.subject.type == "device"}}
  here: {{after: [opened], if: {{all: [{{value: {{ref: event.ticket.space}}, starts_with: oslo/}}]}}}}
  noted:
    after: [here.true]
    action: ticket.comment
    with:
      ticket: {{ref: event.ticket.id}}
      text: {{template: "{{{{ event.ticket.subject.name }}}} in {{{{ event.ticket.space }}}}: look at its power."}}
"""
"""Trigger, condition, comment; done when the comment has its result."""

STEPS = ("opened", "here", "noted")


def unmatched() -> Iterable[str]:
    """A hundred workflows that no opened ticket of the benchmarks starts: fifty on other triggers, fifty whose `where`
    is false, each by a comparison of its own."""
    for number in range(50):
        other = ("ticket.resolved", "ticket.started", "ticket.reopened", "ticket.comment-added")[number % 4]
        yield _unmatched(f"other-{number}", f"{{trigger: {other}}}")
        where = f'event.ticket.kind == "kind_{number}" && event.ticket.flap_count > {number}'
        yield _unmatched(f"false-{number}", f"{{trigger: ticket.opened, where: '{where}'}}")


def _unmatched(name: str, trigger: str) -> str:
    return f"""\
workflow: {name}
enabled: true
allow_cycle: true
budget_per_hour: {BUDGET}
nodes:
  happened: {trigger}
  noted: {{after: [happened], action: ticket.comment, with: {{ticket: {{ref: event.ticket.id}}, text: Seen.}}}}
"""


async def save(settings: WorkflowSettings, documents: Iterable[tuple[str, str]]) -> None:
    """Saves each document for the org beside it."""
    database = Database(settings.database_dsn("workflows"))
    languages = Languages(JinjaTemplates(), CelConditions())
    library = Library(Definitions(languages), languages, now)
    try:
        for org, document in documents:
            name = document.partition("workflow:")[2].split()[0]
            async with unit_of_work(database) as work:
                await library.save(work.connection, org, document, "bench", replaces=name)
    finally:
        await database.close()
