"""Examples for the OpenAPI document. Tests hold them against the schemas that they stand beside."""

import json
from typing import Any

_ID = "01980000-0000-7000-8000-000000000042"
_ANN = {"type": "user", "id": "ann@acme.test", "name": "Ann"}
_AT = "2026-11-23T12:00:00.000Z"
_HASH = "k1:CdwvGc2oIEJ6hGhQ0nUuDOW8GBnQYkVsz1kcxTS8o_4"
_LIFT = {"type": "other", "id": "lift-3", "name": "Lift 3"}

REPORT: dict[str, Any] = {
    "title": "Lift 3 makes a noise",
    "kind": "user_report",
    "subject": _LIFT,
    "space": "oslo/hq",
    "description": "Since *this morning*.",
    "links": [{"label": "WO-7", "url": "https://orders.test/7"}],
    "dedup_key": "lift-3",
}
TICKET: dict[str, Any] = {
    "id": _ID,
    "number": 42,
    **REPORT,
    "description_version": 1,
    "state": "open",
    "source": "user",
    "integration": None,
    "opened_at": _AT,
    "opened_by": _ANN,
    "started_at": None,
    "started_by": None,
    "resolved_at": None,
    "resolved_by": None,
    "resolution": None,
    "updated_at": _AT,
    "flap_count": 0,
    "parent": None,
    "previous": None,
    "checklist": {"total": 0, "recovered": 0, "items": []},
    "version": 1,
    "url": "http://127.0.0.1:8080/orgs/acme/tickets/42",
}
SHOWN = {
    **TICKET,
    "children": [{"number": 43, "title": "Device offline: Lift 3", "state": "open"}],
    "more_children": False,
}
ENTRY: dict[str, Any] = {
    "id": "5c9b6f2e-7d0a-5b0e-8a55-3a1f9f1f3b11",
    "type": "opened",
    "version": 1,
    "at": _AT,
    "actor": _ANN,
    "body": None,
    "evidence": None,
    "hash": _HASH,
}
PAGE = {
    "items": [{**{name: value for name, value in TICKET.items() if name != "description"}, "latest_entry": ENTRY}],
    "next_cursor": "WyJvcGVuZWQiLCA0MiwgIjIwMjYtMTEtMjNUMTI6MDA6MDArMDA6MDAiXQ",
}
TIMELINE = {"items": [ENTRY], "next_cursor": None}
CHECKLIST = {
    "total": 1,
    "recovered": 1,
    "items": [{"type": "device", "id": "t17", "name": "Thermostat 17", "recovered": True, "recovered_at": _AT}],
    "next_cursor": None,
}
COUNTS = {"open": 3, "in_progress": 1, "resolved": 118}
BULK = {"action": "resolve", "numbers": [42, 999], "comment": "The vendor was here."}
BULK_DONE = {
    "items": [
        {"number": 42, "outcome": "applied", "status": 200, "state": "resolved", "version": 3},
        {
            "number": 999,
            "outcome": "rejected",
            "status": 404,
            "code": "ticket_not_found",
            "detail": "There is no such ticket.",
        },
    ]
}
SEEN = {"seen": [{"ticket": _ID, "version": 1, "hash": _HASH, "number": 42}]}
COMPARED = {
    "compared": 1,
    "findings": [
        {
            "wrong": "entry_missing",
            "message": "The entry was seen and is not there.",
            "ticket": _ID,
            "version": 1,
            "number": 42,
        }
    ],
}
EXPORT = {
    "application/x-ndjson": json.dumps({**TICKET, "hash": _HASH}) + "\n",
    "text/csv": "number,state,kind,title\r\n42,open,user_report,Lift 3 makes a noise\r\n",
}
VERIFIED = {
    "application/x-ndjson": '{"done": 0.4}\n{"verified": {"sound": true, "entries": 120, "entries_before_chains": 0, '
    '"tickets": 42, "removed_tickets": 0, "findings": {}}}\n'
}
POLICY = {
    "reopen_window_s": 3600,
    "retention_days": 365,
    "report_issue_enabled": True,
    "link_patterns": [{"pattern": "WO-([0-9]+)", "url": "https://orders.test/$0"}],
    "version": 4,
}
