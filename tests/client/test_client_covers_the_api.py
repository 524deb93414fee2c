"""The client against the real OpenAPI document: whatever the API gets, here it is missed."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin, is_typeddict

import pytest

from fettle_client import AsyncFettle, Fettle
from fettle_client.shapes import tickets
from fettle_client.shapes.pages import Page
from fettle_client.synchronous.pages import Pages
from fettle_contracts.ticket import ChecklistItem, Ticket
from fettle_contracts.ticket_events import Entry
from tests.client.api_document import Operation, Schema, document, operations, resolved
from tests.client.spoken import Method, fields_of, methods, without_none

MISSING: frozenset[str] = frozenset()
"""Operations that the client does not have yet."""

PASSED_OVER = {"PUT /orgs/{org}/health-policy": {"version", "in_force", "as_of"}}
"""Fields of an answer that may be sent back with it and mean nothing."""


@pytest.fixture(scope="module")
def api() -> dict[str, Any]:
    return document()


@pytest.fixture(scope="module")
def spoken(api: Schema) -> dict[Operation, list[Method]]:
    """The client's methods by the operation that each asks for. AssertionError for one that asks for none."""
    known = list(operations(api))
    found = defaultdict[Operation, list[Method]](list)
    for method in methods():
        asked = [one for one in known if one.method == method.asked.method and _fits(one.path, method.asked.path)]
        assert asked, f"{method.name} asks for {method.asked.method} {method.asked.path}, which is no operation"
        found[min(asked, key=lambda one: one.path.count("{"))].append(method)
    return found


@pytest.mark.rule("CL-1")
def test_every_operation_has_a_method(api: Schema, spoken: Mapping[Operation, list[Method]]) -> None:
    missing = {one.name for one in operations(api)} - {one.name for one in spoken}
    assert missing == MISSING, "write a method for it in libs/client/…/asynchronous, and `make schemas`"


@pytest.mark.rule("CL-1")
def test_methods_take_what_operations_take(spoken: Mapping[Operation, list[Method]]) -> None:
    for operation, callers in spoken.items():
        said = {name for method in callers for name in method.asked.query}
        assert said == set(operation.query), f"the query of {operation.name}"
        assert {name for method in callers for name in method.headers} == operation.headers, operation.name
        named = {name for method in callers for name in method.body}
        assert named | PASSED_OVER.get(operation.name, set()) == set(operation.body), f"the body of {operation.name}"


@pytest.mark.rule("CL-1")
def test_choices_are_those_of_the_document(api: Schema, spoken: Mapping[Operation, list[Method]]) -> None:
    looked_at = 0
    for operation, callers in spoken.items():
        for name, schema in {**operation.query, **operation.body}.items():
            for method in callers:
                if name in method.hints and (choices := _choices(api, schema)):
                    assert set(_literals(method.hints[name])) == choices, f"{name} of {method.name}"
                    looked_at += 1
    assert looked_at > 5


@pytest.mark.rule("CL-2")
def test_shapes_have_the_fields_of_the_answers(api: Schema, spoken: Mapping[Operation, list[Method]]) -> None:
    compared = 0
    for operation, callers in spoken.items():
        shapes = [_answer(method.hints["return"]) for method in callers]
        for schema in operation.answers:
            different = [list(_differences(api, shape, schema, operation.name)) for shape in shapes]
            assert [] in different, f"{operation.name}: {different}"
            compared += 1
    assert compared > 20


@pytest.mark.rule("CL-2")
def test_tickets_and_entries_have_the_fields_of_the_contract() -> None:
    for shape, model in ((tickets.Ticket, Ticket), (tickets.Entry, Entry), (tickets.Member, ChecklistItem)):
        fields = set(fields_of(shape)) - {"children", "more_children"}
        assert fields == set(model.model_fields), shape.__name__


@pytest.mark.rule("CL-9")
def test_both_clients_have_the_same_methods() -> None:
    names = [{name for name in dir(kind) if not name.startswith("_")} for kind in (Fettle, AsyncFettle)]
    assert names[0] - {"close"} == names[1] - {"aclose"}


def _fits(template: str, path: str) -> bool:
    return re.fullmatch(re.sub(r"\{[a-z_]+\}", "[^/]+", template), path) is not None


def _answer(hint: Any) -> Any:
    """What a method answers with: of a list, its page."""
    if get_origin(hint) is Pages:
        return Page[get_args(hint)[0]]  # type: ignore[misc]
    return hint


def _differences(api: Schema, hint: Any, schema: Schema, where: str) -> Iterator[str]:
    """Fields and choices that one has and the other has not."""
    hint, schema = without_none(hint), resolved(api, schema)
    origin = get_origin(hint)
    item = get_args(hint)[0] if origin is Page else None
    kind = Page if origin is Page else hint
    if is_typeddict(kind) and "properties" in schema:
        fields, described = fields_of(kind), set(schema["properties"])
        if different := (described - set(fields)) | (set(fields) - described - kind.__optional_keys__):
            yield f"{where}: {sorted(different)}"
        for name in set(fields) & described:
            inner = list[item] if name == "items" and item else fields[name]  # type: ignore[valid-type]
            yield from _differences(api, inner, schema["properties"][name], f"{where}.{name}")
    elif origin is list and set(schema.get("properties", ())) == {"items"}:
        yield from _differences(api, hint, schema["properties"]["items"], where)
    elif origin in (list, Sequence) and "items" in schema:
        yield from _differences(api, get_args(hint)[0], schema["items"], f"{where}[]")
    elif origin is dict and "properties" in schema:
        if (names := set(_literals(get_args(hint)[0]))) != set(schema["properties"]):
            yield f"{where}: {sorted(names ^ set(schema['properties']))}"
    elif choices := _choices(api, schema):
        if set(_literals(hint)) != choices:
            yield f"{where}: {sorted(choices)}"
    elif "properties" in schema:
        yield f"{where}: {hint} is not {dict(schema)}"


def _choices(api: Schema, schema: Schema) -> set[str]:
    found = resolved(api, schema)
    return set(resolved(api, found.get("items", found)).get("enum", []))


def _literals(hint: Any) -> tuple[Any, ...]:
    hint = without_none(hint)
    if get_origin(hint) is Literal:
        return get_args(hint)
    inner = [one for one in get_args(hint) if not isinstance(one, TypeVar)]
    return _literals(inner[0]) if inner else ()
