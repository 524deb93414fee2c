"""Events that are told by a glance: the same events as the model takes, and no others."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import pytest
from engine_world import record
from pydantic import AfterValidator, field_validator

from fettle_contracts.message import Message, Unreadable
from fettle_contracts.ticket_events import EntryType, TicketEvent
from fettle_contracts.transitions import Transition
from fettle_workflow_engine.adapters.glances import glance_of, reading
from fettle_workflow_engine.adapters.json_text import read_json

AT = "2026-11-23T10:15:30.250Z"
CHECKLIST = {"total": 1, "items": [{"type": "device", "id": "d-1", "recovered_at": AT}]}
OPENED = json.loads(record(EntryType.OPENED).value or b"")
OPENED["ticket"] |= {"checklist": CHECKLIST, "links": [{"label": "a", "url": "b"}], "resolution": "recovered"}
MOVED = {
    "org": "acme", "subject": {"type": "device", "id": "d-1", "integration": "hub"}, "from": "healthy", "to": "firing",
    "condition": "device_offline", "at": AT, "since": AT, "policy_version": 3, "flap_count": 0, "evidence": {"a": 1},
}  # fmt: skip
MODELS: list[tuple[type[Message], Any]] = [(TicketEvent, OPENED), (Transition, MOVED)]
VALUES: list[Any] = [
    None, True, 0, 1, 1.0, 10**30, "", "x", "acme", "open", "healthy", [], {}, ["x"], [[]], "Acme", "acme\n", "device",
    "2026-11-23t10:15:30z", "2026-02-29T00:00:00Z", "2026-02-30T00:00:00Z", "2026-04-31T00:00:00Z", AT, AT + "\n",
    "2026-11-23T24:00:00Z", "2026-11-23T10:15:60Z", "2026-11-23 10:15:30Z", "0001-01-01T00:00:00+23:59",
    "2026-11-23T10:15:30+01:00", "2026-11-23", "2026-11-23T10:15:30.123456789Z", "\u0662026-11-23T10:15:30Z",
    "00000000-0000-0000-0000-00000000000A", "00000000-0000-0000-0000-00000000000a", "0" * 32, "{" + "0" * 32 + "}",
    "x" * 200, "x" * 201, "\U0001f600" * 50, "\U0001f600" * 51, "a\u0085b", "a\x00", "\ud800", float("nan"),
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of all fields, however deep."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield (*path, name)
        yield from places(part, (*path, name))


def altered(whole: Any, path: tuple[Any, ...], name: str | None, value: object, *, gone: bool = False) -> bytes:
    found = json.loads(json.dumps(whole))
    inside = found
    for part in path[:-1]:
        inside = inside[part]
    if gone:
        del inside[path[-1]]
    elif isinstance(inside, dict):
        inside[name or path[-1]] = value
    else:
        inside[path[-1]] = value
    return json.dumps(found).encode()


def outcome(read: Any, raw: bytes) -> Any:
    try:
        return repr(read(raw))
    except Unreadable as refusal:
        return str(refusal)


@pytest.mark.rule("WF-24")
@pytest.mark.parametrize(("model", "whole"), MODELS)
def test_a_glance_and_the_model_take_the_same(model: type[Message], whole: Any) -> None:
    """Every field is left out, has each of these values, or has it beside it under a name that it may have too."""
    read = reading(model)

    def by_model(raw: bytes) -> Any:
        model.from_json(raw)
        return read_json(raw)

    for path in places(whole):
        many = [altered(whole, path, name, value) for name in (None, "from_", "more") for value in VALUES]
        for raw in (altered(whole, path, None, None, gone=True), *many):
            assert outcome(read, raw) == outcome(by_model, raw), raw


@pytest.mark.rule("WF-24")
@pytest.mark.parametrize("raw", [
    b"", b"null", b"[]", b"{", b'{"org": "\xff"}', b'{"a":' * 5_000, json.dumps(OPENED).encode() + b"x",
    json.dumps({**OPENED, "more": json.loads("[" * 300 + "]" * 300)}).encode(), b"\xef\xbb\xbf{}",
], ids=range(9))  # fmt: skip
def test_what_no_glance_takes_the_model_refuses(raw: bytes) -> None:
    with pytest.raises(Unreadable) as by_model:
        TicketEvent.from_json(raw)
    with pytest.raises(Unreadable) as refused:
        reading(TicketEvent)(raw)
    assert str(refused.value) == str(by_model.value)


@pytest.mark.rule("WF-24")
@pytest.mark.parametrize(("model", "whole"), MODELS)
def test_usual_events_are_told_without_a_model(
    model: type[Message], whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model, "from_json", None)
    assert reading(model)(json.dumps(whole).encode()) == whole


def test_a_rule_that_no_glance_knows_is_not_overlooked() -> None:
    class Even(Message):
        number: Annotated[int, AfterValidator(lambda number: number)]

    class Odd(Message):
        number: int

        @field_validator("number")
        @classmethod
        def odd(cls, number: int) -> int:
            return number

    for model in (Even, Odd):
        with pytest.raises(TypeError):
            glance_of(model)
