"""The JSON Schema of workflow documents, from the same tables that documents are checked by.

It says what form a document has, so that editors complete and mark it. Triggers and actions carry what references can
name of their event or output as `x-gives`, a word of our own that validators pass over. What names mean (references,
templates, expressions, circles) only a save and `fettle workflows lint` know; no document that they take is refused by
the schema.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fettle_contracts.identity import SubjectType
from fettle_workflow_engine.domain import document
from fettle_workflow_engine.domain.catalogue import ACTIONS, CHANGES, SCHEDULE, TRIGGERS, ActionKind, TriggerKind, Wants
from fettle_workflow_engine.domain.check_values import LINK_PARTS, SUBJECT_PARTS, TICKET_PARTS, WATCH_PARTS
from fettle_workflow_engine.domain.durations import LONGEST_WAIT_S, WRITTEN
from fettle_workflow_engine.domain.http_requests import LONGEST_TIMEOUT_S, METHODS, STATUSES
from fettle_workflow_engine.domain.operations import AGE, CLOCK, DAYS, LENGTHS, MONTHS, OPERATIONS, Operand
from fettle_workflow_engine.domain.read_rows import ROWS_LIMIT
from fettle_workflow_engine.domain.schedules import Missed
from fettle_workflow_engine.domain.shapes import paths
from fettle_workflow_engine.domain.trigger_reading import EVERY, PATTERN_LIMIT

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FORMS: list[Schema] = [{"$ref": "#/$defs/reference"}, {"$ref": "#/$defs/template"}]
_TEXT_VALUE: Schema = {"anyOf": [_TEXT, *_FORMS]}
_TICKET: Schema = {"anyOf": [{"type": ["string", "integer"]}, *_FORMS]}


def document_schema() -> Schema:
    """Draft 2020-12."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:fettle:workflow-document",
        "title": "A Fettle workflow",
        "type": "object",
        "properties": {
            "workflow": _described("Its name, unique in its org.", {**_TEXT, "pattern": _whole(document.NAME.pattern)}),
            "title": {**_TEXT, "maxLength": document.TITLE_LIMIT},
            "description": {**_TEXT, "maxLength": document.TEXT_LIMIT},
            "enabled": _described("Whether events start it; without, it is a draft.", {"type": "boolean"}),
            "allow_cycle": _described("Whether what it does may start it again.", {"type": "boolean"}),
            **{name: _whole_number(*limits) for name, limits in document.NUMBERS.items()},
            "nodes": {
                "type": "object",
                "minProperties": 1,
                "maxProperties": document.NODES_LIMIT,
                "propertyNames": {
                    "pattern": _whole(document.NODE_NAME.pattern),
                    "not": {"enum": sorted(document.RESERVED_NAMES)},
                },
                "additionalProperties": {"$ref": "#/$defs/node"},
            },
        },
        "required": ["workflow", "nodes"],
        "additionalProperties": False,
        "$defs": {
            "node": {
                "type": "object",
                "oneOf": [{"$ref": f"#/$defs/{kind}"} for kind in ("trigger", "if", "action")],
            },
            "trigger": {"oneOf": [_trigger(name, kind) for name, kind in TRIGGERS.items()]},
            "if": _object({"if": {"$ref": "#/$defs/rows"}, "after": {"$ref": "#/$defs/after"}}, ["if", "after"]),
            "action": {"oneOf": [_action(name, kind) for name, kind in ACTIONS.items()]},
            "after": _after(),
            "rows": _described("`all` or `any` with rows, or `cel`.", {"oneOf": _groups()}),
            "row": {"oneOf": [*_groups(), *(_row(name) for name in OPERATIONS)]},
            "reference": _object({"ref": _described("A value by its path: `event.ticket.id`.", _TEXT)}, ["ref"]),
            "template": _object(
                {"template": _described("Text with values: `{{ event.ticket.title }}`.", _TEXT)}, ["template"]
            ),
        },
    }


def _trigger(name: str, kind: TriggerKind) -> Schema:
    where = _described("A CEL expression over `event`.", _TEXT)
    own = {field: TRIGGER_FIELDS[field] for field in kind.fields}
    trigger = {
        **_object({"trigger": {"const": name}, "where": where, **own}, ["trigger"]),
        "x-gives": list(paths(kind.event)),
    }
    return {**trigger, "oneOf": [{"required": ["every"]}, {"required": ["cron"]}]} if name == SCHEDULE else trigger


def _action(name: str, kind: ActionKind) -> Schema:
    required = [field for field, about in kind.fields.items() if about.required]
    fields = {field: WANTED[about.wants] for field, about in kind.fields.items()}
    given = {"action": {"const": name}, "after": {"$ref": "#/$defs/after"}, "with": _object(fields, required)}
    needed = ["action", "after", *(["with"] if required else [])]
    return {**_object(given, needed), "x-gives": list(paths(kind.output))}


def _after() -> Schema:
    ways = "|".join(way.value for way in document.WAYS)
    name = {**_TEXT, "pattern": rf"^{document.NODE_NAME.pattern}(\.({ways}))?$"}
    return _described(
        "The nodes, or ways out of them, that it follows.", {"type": "array", "minItems": 1, "items": name}
    )


def _groups() -> list[Schema]:
    rows = {"type": "array", "minItems": 1, "maxItems": ROWS_LIMIT, "items": {"$ref": "#/$defs/row"}}
    cel = _described("A CEL expression over `event` and earlier outputs.", _TEXT)
    return [_object({"all": rows}, ["all"]), _object({"any": rows}, ["any"]), _object({"cel": cel}, ["cel"])]


def _row(name: str) -> Schema:
    operation = OPERATIONS[name]
    plain = {"type": ["string", "number", "boolean", "null", "array"]}
    value = _described(" or ".join(operation.fits), {"anyOf": [plain, *_FORMS]})
    zone = {"zone": _described("An IANA time zone; UTC without.", _TEXT)} if operation.zone else {}
    return _object({"value": value, name: _operand(operation.operand), **zone}, ["value", name])


def _operand(operand: Operand) -> Schema:
    return _described(operand.value, _OPERANDS[operand])


def _whole_number(default: int, least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


def _object(properties: Mapping[str, Schema], required: Sequence[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _pair(of: Schema) -> Schema:
    return {"type": "array", "minItems": 2, "maxItems": 2, "items": of}


def _some(of: Sequence[str]) -> Schema:
    return {"type": "array", "minItems": 1, "items": {"enum": list(of)}}


def _described(description: str, schema: Schema) -> Schema:
    return {"description": description, **schema}


def _matching(pattern: str) -> Schema:
    return {**_TEXT, "pattern": rf"^\s*({pattern})\s*$"}


def _any_case(word: str) -> str:
    return "".join(f"[{letter}{letter.lower()}]" for letter in word)


def _whole(pattern: str) -> str:
    return f"^{pattern}$"


_NUMBER: Schema = {"type": "number"}
_NUMBER_VALUE: Schema = {"anyOf": [_NUMBER, {"$ref": "#/$defs/reference"}]}
_OPERANDS: Mapping[Operand, Schema] = {
    Operand.PLAIN: {"anyOf": [{"type": ["string", "number", "boolean"]}, *_FORMS]},
    Operand.TEXT: {"anyOf": [{**_TEXT, "minLength": 1}, *_FORMS]},
    Operand.NUMBER: _NUMBER_VALUE,
    Operand.NUMBERS: _pair(_NUMBER_VALUE),
    Operand.TIME: _TEXT_VALUE,
    Operand.TIMES: _pair(_TEXT_VALUE),
    Operand.PATTERN: _TEXT,
    Operand.FLAG: {"type": "boolean"},
    Operand.CLOCK: _pair({**_TEXT, "pattern": _whole(CLOCK.pattern)}),
    Operand.DAYS: _some(DAYS),
    Operand.MONTHS: _some(MONTHS),
    Operand.AGE: {**_TEXT, "pattern": _whole(AGE.pattern)},
    Operand.LENGTH: {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            *(_object({how: _pair(_NUMBER) if how == "in_range" else _NUMBER}, [how]) for how in LENGTHS),
        ]
    },
}

_PATTERN: Schema = {**_TEXT, "minLength": 1, "maxLength": PATTERN_LIMIT, "pattern": r"^[^*]*\*?$"}

TRIGGER_FIELDS: Mapping[str, Schema] = {
    "every": _described(
        "From one minute to 366 days: a number with m, h, d or w. Whole days are due at midnight in the zone, all else "
        "evenly.",
        {**_TEXT, "pattern": _whole(EVERY.pattern)},
    ),
    "cron": _described(
        "Minute, hour, day, month and day of the week.", {**_TEXT, "pattern": _whole(r"\s*\S+(\s+\S+){4}\s*")}
    ),
    "zone": _described("An IANA time zone; UTC without.", _TEXT),
    "missed": _described("What becomes of moments for which nobody was there.", {"enum": list(Missed)}),
    "type": _described("Of the CloudEvent; a * at its end is whatever follows.", _PATTERN),
    "source": _described("Of the CloudEvent; a * at its end is whatever follows.", _PATTERN),
}
"""What a trigger's own field may hold."""

WANTED: Mapping[Wants, Schema] = {
    Wants.TEXT: _TEXT_VALUE,
    Wants.TICKET: {
        "anyOf": [*_TICKET["anyOf"], _object(dict.fromkeys(TICKET_PARTS, _TEXT_VALUE), TICKET_PARTS)],
    },
    Wants.SUBJECT: {
        "anyOf": [
            _object(
                {
                    part: {"anyOf": [{"enum": list(SubjectType)}, *_FORMS]} if part == "type" else _TEXT_VALUE
                    for part in SUBJECT_PARTS
                },
                ["type", "id"],
            ),
            {"$ref": "#/$defs/reference"},
        ]
    },
    Wants.LINKS: {
        "anyOf": [
            {"type": "array", "items": _object(dict.fromkeys(LINK_PARTS, _TEXT_VALUE), LINK_PARTS)},
            {"$ref": "#/$defs/reference"},
        ]
    },
    Wants.DURATION: {
        "anyOf": [{"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT_S}, _matching(WRITTEN.pattern), *_FORMS]
    },
    Wants.METHOD: {"anyOf": [{"enum": list(METHODS)}, _matching("|".join(map(_any_case, METHODS))), *_FORMS]},
    Wants.TEXTS: {"anyOf": [{"type": "object", "additionalProperties": _TEXT_VALUE}, {"$ref": "#/$defs/reference"}]},
    Wants.JSON: {},
    Wants.SECONDS: {
        "anyOf": [
            {"type": "number", "exclusiveMinimum": 0, "maximum": LONGEST_TIMEOUT_S},
            {"type": ["string", "null"]},
            *_FORMS,
        ]
    },
    Wants.STATUSES: {
        "anyOf": [
            {"type": "integer", "minimum": 100, "maximum": 599},
            _matching(rf"{STATUSES.pattern}(\s*,\s*{STATUSES.pattern})*"),
            {"type": "null"},
            *_FORMS,
        ]
    },
    Wants.ADDRESSES: {"anyOf": [_TEXT, {"type": "array", "items": _TEXT_VALUE}, *_FORMS]},
    Wants.WATCH: {
        "anyOf": [
            _object({"ticket": _TICKET, "change": {"anyOf": [{"enum": list(CHANGES)}, *_FORMS]}}, WATCH_PARTS),
            {"$ref": "#/$defs/reference"},
        ]
    },
}
"""What a field may hold, by what it wants."""
