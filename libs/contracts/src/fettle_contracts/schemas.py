"""The JSON Schema of every message type, as `libs/contracts/schemas` holds it."""

from typing import Any

from fettle_contracts.registry import MESSAGES

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(message_type: str) -> dict[str, Any]:
    """The schema of what a reader of this type accepts. Raises KeyError for an unknown type."""
    generated = MESSAGES[message_type].model_json_schema(mode="validation", by_alias=True)
    body = without_titles(generated)
    return {"$schema": DIALECT, "$id": f"urn:fettle:{message_type}", "title": message_type, **body}


def all_schemas() -> dict[str, dict[str, Any]]:
    """Every schema by message type."""
    return {message_type: json_schema(message_type) for message_type in MESSAGES}


def without_titles(node: Any, *, fields: bool = False) -> Any:
    """The schema without the titles that repeat the names of fields and models; `fields`: node maps field names."""
    if isinstance(node, list):
        return [without_titles(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        name: without_titles(value, fields=name in ("properties", "$defs") and not fields)
        for name, value in node.items()
        if fields or name != "title" or not isinstance(value, str)
    }
