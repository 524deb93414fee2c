"""Triggers in documents: what is understood, and what is said about what is not."""

import pytest

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.definition import Pattern
from fettle_workflow_engine.domain.faults import DocumentRefused
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.rhythms import Cron, Every
from fettle_workflow_engine.domain.schedules import Missed, Schedule
from fettle_workflow_engine.domain.validate import load

LANGUAGES = Languages(JinjaTemplates(), CelConditions())


@pytest.mark.rule("WF-51", "WF-54", "WF-55")
def test_triggers_of_all_kinds_are_read() -> None:
    definition = load(
        """
workflow: all
nodes:
  morning: {trigger: schedule, cron: "0  7 * *  MON-FRI", zone: Europe/Oslo, missed: skip}
  hourly: {trigger: schedule, every: 1h}
  called: {trigger: signal, type: com.acme.*, source: plc}
  sick: {trigger: health.transition, where: event.to == "firing" && event.subject.type == "device"}
  pressed: {trigger: manual, where: event.data.level > 3}
  noted: {after: [sick], action: ticket.comment, with: {ticket: 7, text: {ref: event.subject.id}}}
""",
        LANGUAGES,
    )
    morning, hourly, called, *_ = definition.triggers
    assert morning.schedule == Schedule(Cron("0 7 * * MON-FRI", "Europe/Oslo"), Missed.SKIP)
    assert hourly.schedule == Schedule(Every(3_600), Missed.RUN_ONCE)
    assert called.only == {"type": Pattern("com.acme.*"), "source": Pattern("plc")}
    for kind, source, takes in (
        ("com.acme.", "plc", True),
        ("com.acme.door", "plc", True),
        ("com.acme", "plc", False),
        ("com.acme.door", "plc2", False),
        (None, "plc", False),
    ):
        assert called.takes({"type": kind, "source": source}) is takes
    assert Pattern("*").fits("")


@pytest.mark.rule("WF-64")
def test_a_node_names_what_the_events_before_it_have_in_common() -> None:
    def named(after: str, reference: str) -> list[str]:
        text = f"""\
workflow: a
nodes:
  opened: {{trigger: ticket.opened}}
  resolved: {{trigger: ticket.resolved}}
  sick: {{trigger: health.transition}}
  called: {{trigger: signal}}
  pressed: {{trigger: manual}}
  first: {{after: [{after}], action: ticket.comment, with: {{ticket: 7, text: a}}}}
  noted: {{after: [first], action: ticket.comment, with: {{ticket: 7, text: {{ref: {reference}}}}}}}
"""
        try:
            load(text, LANGUAGES)
        except DocumentRefused as refused:
            return [fault.message.partition(";")[0] for fault in refused.faults]
        return []

    assert named("opened, resolved", "event.ticket.title") == []
    assert named("opened, sick", "event.org") == []
    assert named("opened, sick", "event.ticket.title") == ["'event' has no 'ticket'"]
    assert named("called, pressed", "event.data.anything.at.all") == []
    assert named("called", "event.source") == []
    assert named("called, pressed", "event.source") == ["'event' has no 'source'"]
    assert named("pressed", "event.actor.name") == []
    assert named("sick", "event.ticket.title") == ["'event' has no 'ticket'"]
