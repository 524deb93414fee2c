"""The AsyncAPI 3 document: the topics as the outside meets them, made from the table of topics.

Source: AsyncAPI 3.0.0 and its Kafka bindings 0.5.0.
"""

from typing import Any

from pydantic.json_schema import models_json_schema

from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.dead_letters import DLQ_HEADERS, DLQ_REASON
from fettle_contracts.registry import HEARTBEAT, MESSAGES
from fettle_contracts.schemas import without_titles
from fettle_contracts.topics import HEARTBEATS, SIGNALS, TOPICS, Topic, dead_letters_of

PREFIX = "fettle."
BINDING_VERSION = "0.5.0"
DEAD_LETTER = "dead-letter"
ANY_EVENT = "any-cloudevent"

_REQUIRED = ("ce_specversion", "ce_id", "ce_type", "ce_source", "ce_time", "content-type")
_OPTIONAL = ("ce_subject", "traceparent", "ce_causationid", "ce_causationdepth")


def document() -> dict[str, Any]:
    """The whole document, public topics only, with the default topic prefix."""
    public = [topic for topic in TOPICS.values() if not topic.internal]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Fettle",
            "version": "1.0.0",
            "description": f"Topics of an installation with the default prefix `{PREFIX}`. Everything but heartbeats "
            "is a CloudEvent 1.0: written in binary mode, accepted in binary and structured mode. Delivery is at "
            "least once, with the same `ce_id` on every repeat.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic) for topic in public},
        "operations": {f"{_action(topic)}.{topic.name}": _operation(topic) for topic in public},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _names(topic: Topic) -> tuple[str, ...]:
    if topic.name == HEARTBEATS:
        return (HEARTBEAT,)
    if topic.name == SIGNALS:
        return (ANY_EVENT,)
    return topic.messages or (DEAD_LETTER,)


def _channel(topic: Topic) -> dict[str, Any]:
    config = {
        "cleanup.policy": [topic.cleanup],
        **({"retention.ms": int(topic.config()["retention.ms"])} if topic.cleanup == "delete" else {}),
    }
    return {
        "address": PREFIX + topic.name,
        "summary": topic.summary,
        "description": f"Key: {topic.key}. Written by {', '.join(topic.writers)}; owned by {topic.owner}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(topic)},
        "bindings": {
            "kafka": {
                "topic": PREFIX + topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": config,
                "bindingVersion": BINDING_VERSION,
            }
        },
    }


def _action(topic: Topic) -> str:
    """What Fettle does with the topic, seen from Fettle: others write to those that it receives from."""
    ours = {"ticket-service", "health-monitor", "workflow-engine", "console"}
    return "send" if set(topic.writers) <= ours else "receive"


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": _action(topic),
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "summary": topic.summary,
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in _names(topic)],
    }


def _messages() -> dict[str, Any]:
    public = {name for topic in TOPICS.values() if not topic.internal for name in _names(topic)}
    events = {name: _event(name) for name in MESSAGES if name in public and name != HEARTBEAT}
    return {
        HEARTBEAT: _heartbeat(),
        **events,
        ANY_EVENT: {
            "name": ANY_EVENT,
            "summary": "Any CloudEvent whose data is a JSON object; the first part of the key is the org.",
            "contentType": "application/json",
            "headers": _event_headers(None),
            "payload": {"type": "object"},
            "bindings": _key("org/anything"),
        },
        DEAD_LETTER: {
            "name": DEAD_LETTER,
            "summary": "A record as it came, with these headers added; its value need not be JSON.",
            "headers": {
                "type": "object",
                "required": list(DLQ_HEADERS),
                "properties": {name: {"type": "string"} for name in DLQ_HEADERS}
                | {DLQ_REASON: {"type": "string", "description": ", ".join(DeadLetterCode)}},
            },
        },
    }


def _heartbeat() -> dict[str, Any]:
    return {
        "name": HEARTBEAT,
        "summary": "One report. An empty value means alive and well. At most 16 KiB. Records with the header "
        f"`fettle-control` are Fettle's own. What cannot be read goes to `{dead_letters_of(HEARTBEATS)}`.",
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{MESSAGES[HEARTBEAT].__name__}"},
        "bindings": _key("org/type/id, partitioned by murmur2"),
    }


def _event(name: str) -> dict[str, Any]:
    model = MESSAGES[name]
    return {
        "name": name,
        "summary": (model.__doc__ or "").strip().splitlines()[0],
        "contentType": "application/json",
        "headers": _event_headers(name),
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def _event_headers(name: str | None) -> dict[str, Any]:
    properties: dict[str, Any] = {header: {"type": "string"} for header in (*_REQUIRED, *_OPTIONAL)}
    properties["ce_specversion"]["const"] = "1.0"
    properties["ce_time"]["format"] = "date-time"
    if name is not None:
        properties["ce_type"]["const"] = name
    return {"type": "object", "required": list(_REQUIRED), "properties": properties}


def _key(description: str) -> dict[str, Any]:
    return {
        "kafka": {"key": {"type": "string", "description": description}, "bindingVersion": BINDING_VERSION},
    }


def _schemas() -> dict[str, Any]:
    models = dict.fromkeys(MESSAGES[name] for name in _messages_used())
    _, generated = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    schemas: dict[str, Any] = without_titles(generated["$defs"], fields=True)
    return schemas


def _messages_used() -> list[str]:
    public = {name for topic in TOPICS.values() if not topic.internal for name in _names(topic)}
    return [name for name in MESSAGES if name in public]
