"""Examples for the OpenAPI document. Tests hold them against the schemas that they stand beside."""

import json
from typing import Any

from fettle_contracts.health_policy import HealthPolicy
from fettle_health_monitor.entrypoints.correlator.silence_shapes import MADE, SHOWN

_AT = "2026-11-26T12:04:11.020Z"
_JUDGED = "2026-11-26T12:10:00.000Z"
_TICKET = {"id": "01980000-0000-7000-8000-000000000042", "number": 42, "state": "open"}
_CHANGE_ID = "7f3b1c7e-0d55-5c4e-9b0a-2f6f1c9a7d11"

REGISTRATION = {"name": "Thermostat 17", "integration": "hue-1", "space": "oslo/hq/3", "interval_s": 30}
_SUBJECT: dict[str, Any] = {
    "type": "device",
    "id": "t17",
    "name": "Thermostat 17",
    "state": "firing",
    "since": _AT,
    "condition": "device_offline",
    "integration": "hue-1",
    "space": "oslo/hq/3",
    "model": "T100",
    "interval_s": 30,
    "registered": True,
    "unwatched": None,
    "policy_version": 3,
    "ticket": _TICKET,
    "last_heard": "2026-11-26T12:02:11.020Z",
    "last_heard_as_of": _JUDGED,
}
SUBJECTS = {"items": [_SUBJECT], "next_cursor": None, "as_of": _JUDGED}
SUBJECT = {
    **_SUBJECT,
    "silences": [],
    "silenced": [
        {
            "silence": "01980000-0000-7000-8000-000000000099",
            "since": "2026-11-26T02:00:00.000Z",
            "until": "2026-11-26T04:00:00.000Z",
            "made_by": "ann@acme.test",
            "reason": "The nightly update",
        }
    ],
    "blind": [{"kind": "unobserved", "since": "2026-11-26T03:00:00.000Z", "until": "2026-11-26T03:01:20.000Z"}],
    "last_heard_told_by": "owner",
    "as_of": _JUDGED,
}
HEARD = {
    "subject": "device/t17",
    "since": "2026-11-26T11:10:00.000Z",
    "until": _JUDGED,
    "heartbeats": [{"at": "2026-11-26T12:02:11.020Z", "status": "ok"}],
    "as_of": _JUDGED,
}
_STATES = {
    "healthy": 37,
    "pending_open": 0,
    "firing": 3,
    "pending_resolve": 0,
    "flapping": 0,
    "unknown": 0,
    "unjudged": 0,
}
OVERVIEW = {
    "since": "2026-11-25T12:10:00.000Z",
    "step_s": 900,
    "enabled": True,
    "publish_tickets": True,
    "states": _STATES,
    "unhealthy": [0, 0, 1, 3],
    "integrations": [
        {"id": "hue-1", "name": "Hue bridge", "state": None, "devices": _STATES, "unhealthy": [0, 0, 1, 3]},
    ],
    "more_integrations": 0,
    "blind": [{"since": "2026-11-26T03:00:00.000Z", "until": "2026-11-26T03:01:20.000Z", "shards": 12}],
    "lost": [{"since": "2026-11-26T05:00:00.000Z", "until": "2026-11-26T05:09:00.000Z", "subjects": 38}],
    "changes": [
        {
            "integration": "hue-1",
            "became": "firing",
            "subjects": 3,
            "latest": _AT,
            "example": {"type": "device", "id": "t17", "name": "Thermostat 17"},
        }
    ],
    "as_of": _JUDGED,
}
TRANSITIONS = {
    "items": [
        {
            "id": _CHANGE_ID,
            "org": "acme",
            "subject": {"type": "device", "id": "t17", "name": "Thermostat 17", "integration": "hue-1"},
            "from": "pending_open",
            "to": "firing",
            "condition": "device_offline",
            "at": _AT,
            "since": _AT,
            "policy_version": 3,
            "flap_count": 0,
            "evidence": {"partition": 2, "offset": 118223},
        }
    ],
    "next_cursor": None,
    "as_of": _JUDGED,
}
POLICY: dict[str, Any] = {
    "enabled": True,
    "publish_tickets": True,
    "open_debounce_s": 120,
    "overrides": [{"match": {"model": "T100"}, "timeout_s": 300}],
}
SHOWN_POLICY = {
    **HealthPolicy.model_validate(POLICY).to_dict(),
    "version": 3,
    "in_force": [{"shard": 0, "version": 3}, {"shard": 1, "version": 2}],
    "as_of": _JUDGED,
}
SILENCE = MADE
SILENCES: dict[str, Any] = {"items": [SHOWN], "next_cursor": None, "as_of": _JUDGED}
DRY_RUN = {
    "selection": None,
    "count": 118,
    "preview": {
        "devices": 117,
        "integrations": 1,
        "first": [{"type": "device", "id": "t17", "name": "Thermostat 17"}],
        "occurrences": [{"from": _JUDGED, "until": "2026-11-26T16:10:00.000Z"}],
        "ends_at": "2026-11-26T16:10:00.000Z",
    },
    "as_of": _JUDGED,
}

TABLE = "type,id,name,integration,interval_s\ndevice,t17,Thermostat 17,hue-1,30\n"
LINES = '{"type":"device","id":"t17","name":"Thermostat 17","interval_s":30}\n'
_REFUSED = {"result": "refused", "code": "malformed", "field": "interval_s", "rule": "must be a whole number"}
_COUNTS = {"dry_run": False, "lines": 2, "added": 1, "changed": 0, "unchanged": 0, "refused": 1}


def _lines(*values: Any) -> dict[str, str]:
    return {"application/x-ndjson": "".join(json.dumps(value) + "\n" for value in values)}


IMPORTED = _lines(
    {"line": 2, "subject": "device/t17", "result": "added"},
    {"line": 3, "subject": "device/t18", **_REFUSED},
    {"summary": {**_COUNTS, "acknowledged": True, "as_of": _JUDGED}},
)
VERIFIED = _lines(
    {"done": 0.4},
    {
        "verified": {
            "partition": 2,
            "generation": 1,
            "since": "2026-11-26T11:00:00.000Z",
            "until": _JUDGED,
            "records": 41200,
            "same": True,
            "published_same": 12,
            "history_same": 12,
            "differences": [],
            "differences_count": 0,
            "states": [],
            "as_of": _JUDGED,
        }
    },
)
WHY = {
    "subject": "device/t17",
    "at": _JUDGED,
    "as_of": _JUDGED,
    "called_for": False,
    "ticket": None,
    "because": "It was silent for too long since 2026-11-26T12:04:11.020Z (last heard at 2026-11-26T12:02:11.020Z), "
    "but not yet for the open debounce of 600 s, which ends at 2026-11-26T12:14:11.020Z.",
    "suppressed_by": None,
    "state": "pending_open",
    "condition": "device_offline",
    "since": _AT,
    "last_heard": "2026-11-26T12:02:11.020Z",
    "reported": "ok",
    "timer": {"what": "open_debounce", "at": "2026-11-26T12:14:11.020Z", "ran_out": False},
    "policy": {
        "version": 3,
        "enabled": True,
        "publish_tickets": True,
        "numbers": {"open_debounce_s": {"value": 600, "set_by": "org"}},
    },
    "verdict": None,
    "blind": [],
    "replayed": {"since": "2026-11-26T11:00:00.000Z", "heartbeats": 120, "refused": {}, "ignored": {}},
    "change": {
        "what": "open_debounce_s",
        "present": 600,
        "wanted": 348,
        "from_the_beginning": False,
        "size": 0.42,
        "silence": None,
        "starts_at": None,
        "length_s": None,
        "text": "open_debounce_s 600 -> 348",
    },
    "others": [],
    "no_change": None,
}
