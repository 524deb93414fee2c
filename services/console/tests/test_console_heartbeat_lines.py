"""Heartbeats posted as lines: each is judged by itself, as a record on Kafka would be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_console.domain.heartbeat_lines import read_lines
from fettle_contracts.heartbeat import Heartbeat
from fettle_contracts.identity import HeartbeatKey


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.rule("AC-10")
def test_good_lines_become_records_keyed_by_org_type_and_id() -> None:
    body = b"\n".join(
        [line(type="device", id="a/b", status="ok", interval_s=30), b"  ", line(type="integration", id="hue")]
    )
    read = read_lines("acme", body)
    assert read.refused == ()
    assert [(taken.line, taken.key, taken.value) for taken in read.accepted] == [
        (1, b"acme/device/a/b", b'{"status":"ok","interval_s":30}'),
        (3, b"acme/integration/hue", b""),
    ]


BAD = [
    (b"not json", "not_json", None),
    (b"[1]", "field_invalid", None),
    (b"[" * 5000, "field_invalid", None),
    (b'{"x":' + b"[" * 5000, "not_json", None),
    (b'{"type":"device","id":"\\ud800"}', "not_json", None),
    (b"\xff", "not_json", None),
    (line(id="x"), "key_invalid", "type"),
    (line(type="space", id="x"), "key_invalid", "id"),
    (line(type="device"), "key_invalid", "id"),
    (line(type="device", id=""), "key_invalid", "id"),
    (line(type="device", id=7), "key_invalid", "id"),
    (line(type="device", id="x" * 201), "key_invalid", "id"),
    (line(type="device", id="a\nb"), "key_invalid", "id"),
    (line(type="device", id="x", status="unreachable"), "status_invalid", "status"),
    (line(type="integration", id="x", status="offline"), "status_invalid", "status"),
    (line(type="device", id="x", status="fine"), "status_invalid", "status"),
    (line(type="device", id="x", interval_s=0), "interval_out_of_range", "interval_s"),
    (line(type="device", id="x", interval_s=86_401), "interval_out_of_range", "interval_s"),
    (line(type="device", id="x", interval_s="30"), "field_invalid", "interval_s"),
    (line(type="device", id="x", name=5), "field_invalid", "name"),
    (line(type="device", id="x", name="a\x00"), "field_invalid", "name"),
    (line(type="device", id="x", integration="å" * 101), "field_invalid", "integration"),
    (line(type="device", id="x", name="n" * 17_000), "too_large", None),
]


@pytest.mark.rule("AC-10")
@pytest.mark.parametrize(("bad", "code", "field"), BAD)
def test_a_bad_line_is_refused_with_code_and_field_and_the_good_ones_go_on(
    bad: bytes, code: str, field: str | None
) -> None:
    read = read_lines("acme", b"\n".join([line(type="device", id="a"), bad, line(type="device", id="b")]))
    assert [taken.key for taken in read.accepted] == [b"acme/device/a", b"acme/device/b"]
    [refused] = read.refused
    assert (refused.line, refused.code, refused.field) == (2, code, field)
    assert refused.message


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
fields = st.dictionaries(
    st.sampled_from(["type", "id", "status", "integration", "interval_s", "name", "at", "seq", "x"])
    | st.text(max_size=3),
    json_values | st.sampled_from(["device", "integration", "ok", "offline", "2026-11-23T10:15:30Z"]),
)


@pytest.mark.rule("AC-10")
@given(st.lists(st.binary(max_size=30) | fields.map(lambda value: json.dumps(value).encode()), max_size=5))
def test_whatever_is_sent_every_line_has_one_answer_and_what_is_taken_can_be_judged(lines: list[bytes]) -> None:
    body = b"\n".join(lines)
    read = read_lines("acme", body)
    answered = [taken.line for taken in read.accepted] + [refused.line for refused in read.refused]
    assert sorted(answered) == [number for number, text in enumerate(body.split(b"\n"), 1) if text.strip()]
    for taken in read.accepted:
        assert HeartbeatKey.parse(taken.key).org == "acme"
        if taken.value:
            Heartbeat.from_json(taken.value)
