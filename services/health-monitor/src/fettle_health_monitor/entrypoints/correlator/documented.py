"""What the OpenAPI document says of the health monitor's operations and their parameters. One without words here fails
a test."""

from collections.abc import Mapping
from typing import Any

from fettle_chassis.documented import About, Words
from fettle_health_monitor.entrypoints.correlator import examples as eg

_LINES: Mapping[str, Any] = {
    "application/x-ndjson": {"type": "string", "description": "JSON Lines: one object a line."}
}
_LATE = "It will hold, but Kafka does not have it within five seconds."

_OPERATIONS: Mapping[str, About] = {
    "get /overview": About("Show the whole fleet at a glance", eg.OVERVIEW),
    "get /subjects": About("List subjects", eg.SUBJECTS),
    "get /subjects/{type}/{id}": About("Show a subject", eg.SUBJECT),
    "put /subjects/{type}/{id}": About(
        "Register a subject",
        eg.SUBJECT,
        eg.REGISTRATION,
        statuses={200: "The entry that was there, replaced.", 201: "The new entry.", 202: _LATE},
    ),
    "delete /subjects/{type}/{id}": About("Forget a subject", statuses={204: "It is gone.", 202: _LATE}),
    "post /subjects/import": About(
        "Import subjects into the registry",
        eg.IMPORTED,
        media=_LINES,
        statuses={200: "An object a line as the file is gone through, and one with `summary` at the very end."},
    ),
    "get /transitions": About("List transitions", eg.TRANSITIONS),
    "get /why": About("Say why there is or is not a ticket", eg.WHY),
    "get /heard": About("List a subject's heartbeats of an hour", eg.HEARD),
    "get /verify": About("Replay a shard's log and compare", eg.VERIFIED, refusals={409: "conflict"}, media=_LINES),
    "get /health-policy": About("Show the health policy", eg.SHOWN_POLICY),
    "put /health-policy": About(
        "Replace the health policy",
        eg.SHOWN_POLICY,
        eg.POLICY,
        {412: "stale"},
        statuses={200: "Every shard's log has it.", 202: _LATE},
    ),
    "get /silences": About("List silences", eg.SILENCES),
    "post /silences": About(
        "Silence a subject, or all that a filter selects",
        eg.SILENCE,
        statuses={201: "The new silence, or how many a filter made.", 200: "A dry run: how many it would be."},
        examples={200: eg.DRY_RUN},
    ),
    "delete /silences/{id}": About(
        "End a silence",
        statuses={204: "It has ended."},
        parameters={"id": "The silence, or a selection: all that one filter made."},
    ),
}

_PARAMETERS: Mapping[str, str] = {
    "type": "`device` or `integration`.",
    "id": "The subject's id: 1 to 200 bytes, which may hold `/`.",
    "state": "Only those in this state, or in one of these.",
    "integration": "Only subjects behind this integration.",
    "space": "Only subjects in this space or under it: `oslo/hq`.",
    "q": "Part of the name or the id, in any case.",
    "sort": "`subject`: by type and id. `-since`: who changed last first; `since`: who has been as it is for longest.",
    "subject": "Only what is about this subject, as `type/id`: `device/t17`.",
    "selection": "Only what one filter has silenced together.",
    "together": "Whether what one filter has silenced together is one item, with the number of its `subjects`.",
    "at": "The instant that is asked about; left out, up to which heartbeats have been judged.",
    "since": "From which instant on to compare at least; left out, from the oldest state that is kept.",
    "partition": "The partition of `device.heartbeats`: 0, 1, 2 …",
    "day": "Whether what has changed in the last day is counted: how many were unhealthy when, and the last hour.",
    "heard": "Whether each says when it was last heard, as far as the owners of their shards answer within a moment.",
    "dry_run": "Whether to say only what would be, and do nothing.",
    "if-match": '`"<version>"` that the caller saw, or `*` to replace any.',
}

WORDS = Words(_OPERATIONS, _PARAMETERS)
