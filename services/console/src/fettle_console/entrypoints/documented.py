"""What the OpenAPI document says of the console's own operations and their parameters. One without words here fails a
test."""

import json
from collections.abc import Mapping
from typing import Any

from fettle_chassis.documented import About, Words, refusal
from fettle_console.domain.routing import Owner

_ORG = {"org": "acme", "name": "Acme", "created_at": "2026-11-23T12:00:00.000Z", "zone": None}
_TOKEN: dict[str, Any] = {
    "id": "01980000-0000-7000-8000-000000000017",
    "role": "operator",
    "name": "Night shift",
    "created_at": "2026-11-23T12:00:00.000Z",
    "created_by": "ann@acme.test",
    "expires_at": "2027-02-21T12:00:00.000Z",
    "used_at": None,
}
_ENTRY = {
    "id": "01980000-0000-7000-8000-000000000042",
    "at": "2025-07-12T07:48:23.168Z",
    "actor": {
        "id": "token/01980000-0000-7000-8000-000000000017",
        "name": "Night shift",
        "role": "operator",
        "made_by": "ann@acme.test",
    },
    "door": "api",
    "method": "POST",
    "path": "/tickets/42/resolve",
    "key": "7c1f6a0e-5b8a-4c39-9d0b-0d6a5a2f8b11",
    "times": 1,
    "outcome": "done",
    "status": 200,
    "about": {},
}
_MEMBER: dict[str, Any] = {
    "person": "ann@acme.test",
    "role": "operator",
    "given_by": "org",
    "name": "Ann",
    "added_at": "2026-11-23T12:00:00.000Z",
    "added_by": "bob@acme.test",
    "signed_in_at": None,
}
_SENT_AGAIN = {
    "topic": "ticket.commands",
    "offset": 17,
    "to": {"topic": "ticket.commands", "partition": 3, "offset": 118300},
}
_REFUSED = {"line": 2, "code": "status_invalid", "message": "a device is ok or offline", "field": "status"}
_EVENT = {
    "org": "acme",
    "subject": {"type": "device", "id": "t17", "name": "Thermostat 17", "integration": "hue-1"},
    "from": "pending_open",
    "to": "firing",
    "condition": "device_offline",
    "at": "2026-11-26T12:04:11.020Z",
}
_STREAM = f"id: 1-42\nevent: fettle.health.transition.v1\ndata: {json.dumps(_EVENT)}\n\n: live\n\n"

_OPERATIONS: Mapping[str, About] = {
    "get /orgs": About("List orgs", {"items": [_ORG], "next_cursor": None}),
    "post /orgs": About(
        "Create an org",
        _ORG,
        {"org": "acme", "name": "Acme"},
        {409: "conflict"},
        statuses={201: "The new org.", 200: "The org exists already and stays as it is."},
    ),
    "put /orgs/{org}": About(
        "Change an org",
        {**_ORG, "name": "Acme Ltd", "zone": "Europe/Oslo"},
        {"name": "Acme Ltd", "zone": "Europe/Oslo"},
    ),
    "delete /orgs/{org}": About("Delete an org", refusals={409: "conflict"}, statuses={204: "It is gone."}),
    "get /tokens": About("List tokens", {"items": [_TOKEN], "next_cursor": None}),
    "post /tokens": About(
        "Mint a token",
        {**_TOKEN, "token": "ftl_…"},
        {"role": "operator", "name": "Night shift"},
        statuses={
            201: "The new token with its text, this once.",
            200: "This Idempotency-Key came before: the token of that time, without its text.",
        },
        examples={200: _TOKEN},
    ),
    "delete /tokens/{id}": About("Revoke a token", statuses={204: "It is revoked."}),
    "get /audit": About("List who asked to change what", {"items": [_ENTRY], "next_cursor": None}),
    "get /members": About("List members", {"items": [_MEMBER], "next_cursor": None}),
    "put /members": About(
        "Give a person a role",
        _MEMBER,
        {"person": "ann@acme.test", "role": "operator"},
        {409: "conflict"},
    ),
    "post /dead-letters/{topic}/{offset}/redrive": About(
        "Send a dead letter again", _SENT_AGAIN, refusals={409: "conflict"}
    ),
    "post /heartbeats": About(
        "Report heartbeats",
        {"accepted": 1, "refused": [_REFUSED]},
        refusals={504: "outcome_unknown"},
        statuses={202: "Kafka has those that were accepted; each line that was refused is named."},
    ),
    "get /events": About(
        "Follow what happens",
        {"text/event-stream": _STREAM},
        media={"text/event-stream": {"type": "string", "description": "Server-sent events, without an end."}},
    ),
}

_PARAMETERS: Mapping[str, str] = {
    "id": "The token's id.",
    "confirm": "The org's name once more; without it nothing happens.",
    "topic": "The topic that the letter came from, such as `ticket.commands`.",
    "offset": "The letter's place among the dead letters of its topic.",
    "actor": "The id of who asked.",
    "thing": "A path after the org, such as `tickets/42`: what was asked of it and of all below it.",
    "outcome": "What became of it.",
    "since": "Asked then or later.",
    "until": "Asked before then.",
    "last-event-id": "The id of the last event that was heard: the stream goes on behind it.",
}

WORDS = Words(_OPERATIONS, _PARAMETERS)

_TOO_MANY = {"429": refusal(429, "too_many")}
_BEHIND = {**_TOO_MANY, "502": refusal(502, "internal_token_refused")}
REFUSED_BY_THE_FRONT: Mapping[str, Mapping[str, Any]] = {"console": _TOO_MANY, **dict.fromkeys(Owner, _BEHIND)}
"""Answers that the front adds to every operation, by whose it is."""

_UNHEARD = {"504": refusal(504, "outcome_unknown", told="The service behind was not heard: what was asked may be done")}
UNHEARD_BY_THE_FRONT: Mapping[str, Mapping[str, Any]] = dict.fromkeys(Owner, _UNHEARD)
"""Those that it adds to what is not only read."""
