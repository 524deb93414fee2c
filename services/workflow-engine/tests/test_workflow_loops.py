"""Workflows that would set each other off."""

import pytest

from fettle_workflow_engine.adapters.conditions import CelConditions
from fettle_workflow_engine.adapters.templates import JinjaTemplates
from fettle_workflow_engine.domain.definition import Definition
from fettle_workflow_engine.domain.languages import Languages
from fettle_workflow_engine.domain.loops import loop_faults
from fettle_workflow_engine.domain.validate import load

LANGUAGES = Languages(JinjaTemplates(), CelConditions())


def workflow(name: str, trigger: str, does: str, fields: str = "", **switches: bool) -> Definition:
    given = {
        "ticket.open": "title: a, kind: b, subject: {ref: event.ticket.subject}",
        "ticket.comment": "ticket: {ref: event.ticket.id}, text: a",
    }.get(does, "ticket: {ref: event.ticket.id}")
    switched = "\n".join(f"{one}: {str(on).lower()}" for one, on in {"enabled": True, **switches}.items())
    return load(
        f"""
workflow: {name}
{switched}
nodes:
  on: {{trigger: {trigger}}}
  do: {{after: [on], action: {does}, with: {{{given}{fields}}}}}
""",
        LANGUAGES,
    )


def faults(saved: Definition, *others: Definition) -> list[str]:
    return [fault.message.partition(";")[0] for fault in loop_faults(saved, others)]


@pytest.mark.rule("WF-7")
@pytest.mark.parametrize(
    ("trigger", "does", "fields"),
    [
        ("ticket.comment-added", "ticket.comment", ""),
        ("ticket.opened", "ticket.open", ""),
        ("ticket.reopened", "ticket.open", ""),
        ("ticket.started", "ticket.start", ""),
        ("ticket.resolved", "ticket.resolve", ""),
        ("ticket.comment-added", "ticket.resolve", ", comment: a"),
        ("ticket.comment-added", "ticket.start", ", comment: a"),
    ],
)
def test_a_workflow_that_starts_itself_is_refused(trigger: str, does: str, fields: str) -> None:
    assert faults(workflow("a", trigger, does, fields)) == [f"starts this workflow again: {does} -> {trigger} -> a"]
    assert faults(workflow("a", trigger, does, fields, enabled=False))
    assert faults(workflow("a", trigger, does, fields, allow_cycle=True)) == []


@pytest.mark.rule("WF-7")
def test_a_loop_by_way_of_others_is_refused() -> None:
    comments = workflow("comments", "ticket.opened", "ticket.comment")
    resolves = workflow("resolves", "ticket.comment-added", "ticket.resolve")
    follows = workflow("follows", "ticket.resolved", "ticket.open")
    way = (
        "starts this workflow again: ticket.open -> ticket.opened -> comments -> ticket.comment-added -> resolves "
        "-> ticket.resolved -> follows"
    )
    assert faults(follows, comments, resolves) == [way]
    assert faults(follows, comments) == []
    assert faults(workflow("follows", "ticket.resolved", "ticket.open", enabled=False), comments, resolves) == []
    assert faults(follows, resolves) == []


@pytest.mark.rule("WF-127")
def test_a_resolve_that_the_monitor_answers_by_reopening_is_a_loop() -> None:
    again = "starts this workflow again: ticket.resolve -> ticket.reopened"
    by = "(by the health monitor, while the subject is unhealthy)"
    resolves = workflow("resolves", "ticket.reopened", "ticket.resolve")
    assert faults(resolves) == [f"{again} {by} -> resolves"]
    assert faults(workflow("resolves", "ticket.reopened", "ticket.resolve", allow_cycle=True)) == []
    starts = workflow("starts", "ticket.reopened", "ticket.start")
    back = workflow("back", "ticket.started", "ticket.resolve")
    assert faults(back, starts) == [f"{again} {by} -> starts -> ticket.started -> back"]
    assert faults(starts, back) == [
        f"starts this workflow again: ticket.start -> ticket.started -> back -> ticket.reopened {by} -> starts"
    ]
    # What a workflow reopens by itself is named so, whatever the monitor may do besides.
    opens = workflow("opens", "ticket.resolved", "ticket.open")
    assert faults(resolves, opens) == [f"{again} {by} -> resolves"]
    assert faults(workflow("alone", "ticket.opened", "ticket.resolve")) == []


def test_what_only_looks_like_a_loop_is_none() -> None:
    assert faults(workflow("a", "ticket.comment-added", "ticket.resolve")) == []
    assert faults(workflow("a", "ticket.opened", "ticket.comment")) == []
    # A loop among others is not this document's, and the search through it ends.
    ping = workflow("ping", "ticket.opened", "ticket.comment", allow_cycle=True)
    pong = workflow("pong", "ticket.comment-added", "ticket.open", allow_cycle=True)
    assert faults(workflow("a", "ticket.resolved", "ticket.comment"), ping, pong) == []


@pytest.mark.rule("WF-7")
def test_the_saved_document_replaces_what_it_was() -> None:
    before = workflow("a", "ticket.comment-added", "ticket.comment")
    assert faults(workflow("a", "ticket.opened", "ticket.comment"), before) == []
