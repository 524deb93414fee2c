"""One OpenAPI document out of the console's own and those of the services behind it."""

import json
from collections.abc import Mapping
from typing import Any

PUBLIC = "/api/v1/"
SCHEME = {"token": {"type": "http", "scheme": "bearer", "description": "An API token of the org."}}

Document = Mapping[str, Any]


def merged(
    info: Document,
    documents: Mapping[str, Document],
    answers: Mapping[str, Document],
    to_writes: Mapping[str, Document],
) -> dict[str, Any]:
    """Public paths of all documents, with the schemas that they use. `answers` are those that the front adds to every
    operation of a document that does not name them itself, by its name; `to_writes` those to all but `GET`.

    Where two documents mean different things by one schema name, the later one's gets its document's name before it.
    """
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for owner, document in documents.items():
        own = document.get("components", {}).get("schemas", {})
        names = {name: f"{owner.title()}{name}" for name, schema in own.items() if schemas.get(name, schema) != schema}
        renamed = _with_refs(document, names)
        for name, schema in renamed.get("components", {}).get("schemas", {}).items():
            schemas[names.get(name, name)] = schema
        for path, operations in renamed.get("paths", {}).items():
            if path.startswith(PUBLIC):
                paths.setdefault(path, {}).update(
                    _operations(operations, owner, answers[owner], to_writes.get(owner, {}))
                )
    return {
        "openapi": "3.1.0",
        "info": dict(info),
        "security": [{"token": []}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": SCHEME},
    }


def _with_refs(document: Document, names: Mapping[str, str]) -> dict[str, Any]:
    text = json.dumps(document)
    for old, new in names.items():
        text = text.replace(f'"#/components/schemas/{old}"', f'"#/components/schemas/{new}"')
    found: dict[str, Any] = json.loads(text)
    return found


def _operations(operations: Document, owner: str, answers: Document, to_writes: Document) -> dict[str, Any]:
    return {
        method: {
            **{name: part for name, part in operation.items() if name != "security"},
            "responses": {**answers, **({} if method == "get" else to_writes), **operation["responses"]},
            "tags": operation.get("tags") or [owner],
        }
        for method, operation in operations.items()
        if isinstance(operation, Mapping)
    }
