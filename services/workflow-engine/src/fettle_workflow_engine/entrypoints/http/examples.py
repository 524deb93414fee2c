"""Examples for the OpenAPI document. Tests hold them against the schemas that they stand beside."""

from typing import Any

_AT, _LATER = "2026-11-23T10:15:30.250Z", "2026-11-23T10:15:30.310Z"
_ANN = "ann@acme.test"
_RUN_ID = "0f2f9f0a-5b5c-5d11-8c53-6d7e7c1f1a42"
_TICKET_ID = "01980000-0000-7000-8000-000000000042"
_EVENT_ID = "5c9b6f2e-7d0a-5b0e-8a55-3a1f9f1f3b11"

DOCUMENT = """\
workflow: first-hint
title: First hint
enabled: true
nodes:
  opened: {trigger: ticket.opened, where: event.ticket.source == "user"}
  thanks: {after: [opened], action: ticket.comment, with: {ticket: {ref: event.ticket.id}, text: Thank you.}}
"""
DOCUMENT_JSON: dict[str, Any] = {
    "workflow": "first-hint",
    "title": "First hint",
    "enabled": True,
    "nodes": {
        "opened": {"trigger": "ticket.opened", "where": 'event.ticket.source == "user"'},
        "thanks": {
            "after": ["opened"],
            "action": "ticket.comment",
            "with": {"ticket": {"ref": "event.ticket.id"}, "text": "Thank you."},
        },
    },
}
DOCUMENT_BODY: dict[str, Any] = {
    "required": True,
    "description": "A workflow document; `/api/workflow.schema.json` has its form.",
    "content": {
        "application/yaml": {"schema": {"type": "string"}, "example": DOCUMENT},
        "application/json": {"schema": {"type": "object"}, "example": DOCUMENT_JSON},
    },
}
"""What goes in where a document is saved."""

_LISTED: dict[str, Any] = {
    "workflow": "first-hint",
    "title": "First hint",
    "description": "",
    "enabled": True,
    "version": 2,
    "triggers": ["ticket.opened"],
    "saved_at": _AT,
    "saved_by": _ANN,
    "condition_problem": None,
}
WORKFLOWS = {"items": [_LISTED], "next_cursor": None}
WORKFLOW = {**_LISTED, "document": DOCUMENT}
GRAPH: dict[str, Any] = {
    "workflow": "first-hint",
    "nodes": [
        {"node": "opened", "kind": "trigger", "does": "ticket.opened", "after": [], "line": 5},
        {
            "node": "thanks",
            "kind": "action",
            "does": "ticket.comment",
            "after": [{"node": "opened", "way": "done"}],
            "line": 6,
        },
    ],
}
CHECKED: dict[str, Any] = {**GRAPH, "faults": []}

VERSION = {"version": 2, "saved_at": _AT, "saved_by": _ANN, "document": DOCUMENT}
VERSIONS = {"items": [VERSION], "next_cursor": None}
DIFFERENCE = {
    "from_version": 1,
    "version": 2,
    "text": "--- first-hint version 1\n+++ first-hint version 2\n@@ -2 +2 @@\n-title: Hint\n+title: First hint\n",
    "hunks": [
        {
            "old_start": 2,
            "old_lines": 1,
            "new_start": 2,
            "new_lines": 1,
            "lines": [{"kind": "removed", "text": "title: Hint"}, {"kind": "added", "text": "title: First hint"}],
        }
    ],
}

_LISTED_RUN: dict[str, Any] = {
    "id": _RUN_ID,
    "workflow": "first-hint",
    "version": 2,
    "state": "done",
    "trigger": "ticket.opened",
    "event_id": _EVENT_ID,
    "depth": 1,
    "started_at": _AT,
    "timeout_at": "2026-11-25T10:15:30.250Z",
    "ended_at": _LATER,
    "error": None,
    "rerun_of": None,
}
RUNS = {"items": [_LISTED_RUN], "next_cursor": None}
_EVENT = {"org": "acme", "ticket": {"id": _TICKET_ID, "number": 42, "source": "user", "title": "Lift 3 makes a noise"}}
_COMMENT = {"ticket": _TICKET_ID, "text": "Thank you."}
_COMMENTED = {"outcome": "applied", "ticket": {"id": _TICKET_ID, "number": 42, "state": "open", "version": 2}}
_STEP: dict[str, Any] = {
    "node": "thanks",
    "state": "done",
    "input": _COMMENT,
    "output": _COMMENTED,
    "error": None,
    "command_id": "8d1f1c55-2f7e-5a8e-9f0e-6b0f4c9b7d21",
    "attempts": 1,
    "started_at": _AT,
    "ended_at": _LATER,
    "wake_at": None,
    "watches": None,
}
RUN: dict[str, Any] = {**_LISTED_RUN, "event": _EVENT, "nodes": [_STEP]}
CANCELLED: dict[str, Any] = {
    **RUN,
    "state": "cancelled",
    "error": {"code": "cancelled", "message": "Cancelled by ann@acme.test."},
    "nodes": [{**_STEP, "state": "skipped", "output": None}],
}
RERUN = {**RUN, "id": "3a0c2f5e-94a7-4d5e-8f0b-0c2c6c1d7e90", "rerun_of": _RUN_ID}
PRESSED = {"data": {"floor": 3}}

_TRIED: dict[str, Any] = {
    "state": "done",
    "error": None,
    "triggers": [{"node": "opened", "trigger": "ticket.opened", "fires": True, "why_not": None}],
    "nodes": [
        {
            "node": "thanks",
            "state": "done",
            "input": _COMMENT,
            "effect": {"topic": "ticket.commands", "type": "fettle.ticket.command.comment.v1"},
            "output": _COMMENTED,
            "assumed": True,
            "error": None,
        }
    ],
}
ASKED_TO_TRY = {"trigger": "ticket.opened", "outcomes": {"thanks": {"output": _COMMENTED}}}
TRIED = {
    "workflow": "first-hint",
    "version": 2,
    "trigger": "ticket.opened",
    "event_id": "test",
    "event": _EVENT,
    **_TRIED,
}
PREVIEW = {
    "asked_from": "2026-11-16T10:15:30.250Z",
    "from": "2026-11-16T10:15:30.250Z",
    "until": _AT,
    "left_out": [{"code": "manual", "message": "Runs that people would have started."}],
    "events": 118,
    "started": 1,
    "too_deep": 0,
    "over_budget": 0,
    "days": [{"day": "2026-11-22", "started": 1, "too_deep": 0, "over_budget": 0}],
    "triggers": [
        {
            "node": "opened",
            "trigger": "ticket.opened",
            "events": 118,
            "fired": 1,
            "days": [{"day": "2026-11-22", "fired": 1}],
            "undecided": 0,
            "problem": None,
        }
    ],
    "newest": [
        {
            "at": "2026-11-22T08:00:00.000Z",
            "trigger": "ticket.opened",
            "event_id": _EVENT_ID,
            "fired": ["opened"],
            "refused": None,
            "event": _EVENT,
            "test_run": _TRIED,
        }
    ],
}

POLICY = {"enabled": True, "changed_at": None, "changed_by": None}

_SECRET_OF_HOOK = {
    "id": "01980000-0000-7000-8000-000000000017",
    "made_at": _AT,
    "made_by": _ANN,
    "ends_at": None,
    "usable": True,
}
HOOK = {"path": "/api/v1/orgs/acme/workflows/first-hint/hook", "secrets": [_SECRET_OF_HOOK]}
HOOK_SECRET = _SECRET_OF_HOOK
MADE_HOOK_SECRET = {**_SECRET_OF_HOOK, "secret": "whsec_…"}
KNOCK = {"check": "backup-nightly", "message": "No space."}
KNOCKED = {"run": _RUN_ID, "reason": None}

SECRET = {"name": "pager_url", "key_id": "k1", "saved_at": _AT, "saved_by": _ANN}
SECRETS = {"items": [SECRET], "next_cursor": None}

_SETTINGS = {"url": {"secret": "pager_url"}}
CHANNEL_BODY: dict[str, Any] = {"kind": "slack", "settings": _SETTINGS, "hourly_cap": 30}
NEW_CHANNEL = {"name": "ops", **CHANNEL_BODY}
CHANNEL = {
    **NEW_CHANNEL,
    "saved_at": _AT,
    "saved_by": _ANN,
    "sent_last_hour": 2,
    "held_back": 0,
    "digest_error": None,
}
CHANNELS = {"items": [CHANNEL], "next_cursor": None}
TRIAL: dict[str, Any] = {"outcome": "sent", "error": None, "refused": []}
