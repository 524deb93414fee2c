"""What the console takes and refuses is what the judge would: both read the same lines here."""

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fettle_console.domain.heartbeat_lines import read_lines
from fettle_health_monitor.domain.judge.heartbeats import Heartbeat, read
from fettle_health_monitor.domain.judge.refusals import WrongRecord

LONG = 16 * 1024


def by_the_judge(kind: str, value: bytes) -> Heartbeat | str:
    """What it hears, or the code of the dead letter."""
    try:
        said, _ = read(value, f"acme/{kind}/x".encode())
    except WrongRecord as refused:
        return refused.code
    return said


def by_the_console(line: bytes) -> bytes | str:
    """The value that it would send, or the code of the refusal."""
    found = read_lines("acme", line)
    return found.accepted[0].value if found.accepted else found.refused[0].code


def agree(kind: str, fields: bytes) -> None:
    """`fields` are the inside of an object: `"seq":1`."""
    line = b'{"type":"%s","id":"x"' % kind.encode() + (b"," + fields if fields else b"") + b"}"
    heard, taken = by_the_judge(kind, line), by_the_console(line)
    if isinstance(heard, str):
        assert taken == heard
    else:
        assert isinstance(taken, bytes), taken
        assert by_the_judge(kind, taken) == heard


@pytest.mark.rule("AC-70")
@pytest.mark.parametrize("kind", ["device", "integration"])
@pytest.mark.parametrize(
    "fields",
    [
        b"",
        b'"status":null,"integration":null,"interval_s":null,"name":null,"model":null,"space":null',
        b'"status":"","integration":"","name":"","space":""',
        b'"status":"ok"',
        b'"status":"offline"',
        b'"status":"unreachable"',
        b'"status":"credentials_invalid"',
        b'"status":"fine"',
        b'"status":7',
        b'"interval_s":30.5',
        b'"interval_s":1e3',
        b'"interval_s":0.999',
        b'"interval_s":86400.5',
        b'"interval_s":true',
        b'"interval_s":"30"',
        b'"interval_s":1e999',
        b'"interval_s":1' + b"0" * 400,
        b'"interval_s":NaN',
        b'"seq":NaN',
        b'"seq":-Infinity',
        b'"seq":1e999,"at":1' + b"0" * 5_000,
        b'"seq":{"a":[1,null]},"at":"yesterday","reason":7',
        b'"reason":"a\\u0000b"',
        b'"reason":"a\x00b"',
        b'"reason":"\\ud800"',
        b'"unknown":{"a":1e999}',
        b'"reason":' + b"[" * 8_000 + b"]" * 8_000,
        b'"name":"%s"' % (b"n" * 200),
        b'"name":"%s"' % (b"n" * 201),
        '"name":"{}"'.format("å" * 200).encode(),
        b'"space":"%s"' % (b"s" * 500),
        b'"space":"%s"' % (b"s" * 501),
        b'"integration":"%s"' % (b"i" * 201),
        '"integration":"{}"'.format("å" * 101).encode(),
        '"integration":"{}","status":"fine"'.format("å" * 101).encode(),
        *(b'"%s":"a\\u%04xb"' % (name, code) for name in (b"name", b"space") for code in (0, 10, 31, 127, 128, 159)),
        b'"integration":"a\\u0000"',
        b'"model":"a\\u0007"',
        b'"name":5,"interval_s":0,"status":"fine"',
        b'"interval_s":0,"status":"fine"',
        b'"reason":"%s"' % (b"r" * LONG),
        b'"name":"\xff"',
        b'"seq":01',
        b'"seq":1,',
    ],
)
def test_console_and_judge_take_and_refuse_the_same(kind: str, fields: bytes) -> None:
    agree(kind, fields)


texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ["", "ok", "offline", "unreachable", "credentials_invalid", "x" * 200, "x" * 201, "å" * 101, "x" * 500, "x" * 501]
)
numbers = st.integers() | st.floats() | st.integers(0, 86_402) | st.floats(0, 86_402)
anything = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
heartbeats = st.fixed_dictionaries(
    {},
    optional={
        "status": texts | anything,
        "interval_s": numbers | anything,
        **dict.fromkeys(("integration", "name", "model", "space"), texts | anything),
        **dict.fromkeys(("reason", "at", "seq", "battery"), anything),
    },
)


def is_json(said: dict[str, Any]) -> bool:
    """Whether JSON can say it: numbers that are none it cannot, words about them it can."""
    try:
        json.dumps(said, allow_nan=False)
    except ValueError:
        return False
    return True


@pytest.mark.rule("AC-70")
@given(st.sampled_from(["device", "integration"]), heartbeats)
@example("device", {"interval_s": 1.0, "at": 17})
@example("device", {"name": "Infinity"})
def test_console_and_judge_agree_on_whatever_a_device_says(kind: str, said: dict[str, Any]) -> None:
    line = json.dumps(said)
    if not is_json(said):
        whole = f'{{"type":"{kind}","id":"x",{line[1:]}'.encode()
        assert by_the_console(whole) == "not_json"
        assert isinstance(by_the_judge(kind, whole), str)
    else:
        agree(kind, line[1:-1].encode())


@pytest.mark.rule("AC-70")
def test_the_senders_notes_are_passed_on_as_they_were_written() -> None:
    line = b'{"type":"device", "id":"x", "seq":1e999, "at":[1, 2], "reason":"\\u00e5"}'
    assert by_the_console(line) == b'{"seq":1e999,"at":[1, 2],"reason":"\\u00e5"}'


@pytest.mark.rule("AC-70")
@pytest.mark.parametrize("note", [b"NaN", b"Infinity", b"-Infinity", b'"\xff"', b'"\x01"'])
def test_what_is_no_json_never_comes_into_the_topic(note: bytes) -> None:
    assert by_the_console(b'{"type":"device","id":"x","seq":%s}' % note) == "not_json"
