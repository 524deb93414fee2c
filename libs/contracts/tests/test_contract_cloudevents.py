"""CloudEvents over Kafka: what comes out goes in again, and an outside reader and writer agrees."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cloudevents.core.bindings import kafka as sdk
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given
from hypothesis import strategies as st

from fettle_contracts.cloudevents import (
    SIGNATURE_HEADER,
    STRUCTURED_TYPE,
    CloudEvent,
    Headers,
    from_record,
    to_binary,
    to_structured,
)
from fettle_contracts.message import Unreadable

TIME = datetime(2026, 11, 23, 10, 15, 30, 250_000, tzinfo=UTC)
EVENT = CloudEvent(
    id="0198c2f0-1b5e-7c01-8000-000000000001",
    source="fettle/ticket-service",
    type="fettle.ticket.opened.v1",
    time=TIME,
    data='{"org":"acme","entry":{"body":"Årstad – ☎"}}'.encode(),
    subject="acme/42",
    key="acme/0198",
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    causation_id="a6f1",
    causation_depth=3,
    signature="k1:abc",
)
NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=30)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=10,
)
EVENTS = st.builds(
    CloudEvent,
    id=NAMES,
    source=NAMES,
    type=NAMES,
    time=st.integers(0, 10**12).map(lambda ms: datetime(2000, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)),
    data=st.dictionaries(NAMES, JSON, max_size=4).map(
        lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    ),
    subject=st.none() | NAMES,
    key=st.none() | NAMES,
    traceparent=st.none() | NAMES,
    causation_id=st.none() | NAMES,
    causation_depth=st.integers(0, 20),
    signature=st.none() | NAMES,
)


def _key(event: CloudEvent) -> bytes | None:
    return None if event.key is None else event.key.encode()


@pytest.mark.rule("KF-4")
@given(EVENTS)
def test_both_modes_read_back_as_written(event: CloudEvent) -> None:
    for write in (to_binary, to_structured):
        headers, value = write(event)
        assert from_record(headers, _key(event), value) == event


@pytest.mark.rule("KF-4")
def test_binary_headers_are_the_ones_promised() -> None:
    headers, value = to_binary(EVENT)
    assert dict(headers) == {
        "ce_specversion": b"1.0",
        "ce_id": EVENT.id.encode(),
        "ce_type": b"fettle.ticket.opened.v1",
        "ce_source": b"fettle/ticket-service",
        "ce_time": b"2026-11-23T10:15:30.250Z",
        "ce_subject": b"acme/42",
        "traceparent": EVENT.traceparent.encode() if EVENT.traceparent else b"",
        "ce_causationid": b"a6f1",
        "ce_causationdepth": b"3",
        "content-type": b"application/json",
        "fettle-signature": b"k1:abc",
    }
    assert value == EVENT.data


@pytest.mark.rule("KF-4")
def test_the_sdk_reads_what_we_write_in_both_modes() -> None:
    for write in (to_binary, to_structured):
        headers, value = write(EVENT)
        read = sdk.from_kafka(sdk.KafkaMessage(dict(headers), b"acme/0198", value), JSONFormat())
        assert (read.get_id(), read.get_source(), read.get_type()) == (EVENT.id, EVENT.source, EVENT.type)
        assert read.get_time() == EVENT.time
        assert read.get_subject() == "acme/42"
        assert read.get_data() == {"org": "acme", "entry": {"body": "Årstad – ☎"}}
        assert read.get_extension("causationid") == "a6f1"
        assert read.get_extension("causationdepth") == "3"


@pytest.mark.rule("KF-4")
@pytest.mark.parametrize("write", [sdk.to_binary, sdk.to_structured])
@pytest.mark.parametrize("content_type", ["application/json", None])
def test_we_read_what_the_sdk_writes_in_both_modes(write: Any, content_type: str | None) -> None:
    attributes: dict[str, Any] = {
        "id": "1",
        "source": "crm",
        "type": "fettle.ticket.command.comment.v1",
        "time": datetime(2026, 11, 23, 10, 15, 30, 250_999, tzinfo=UTC),
        "subject": "acme",
        "causationdepth": "2",
    }
    if content_type is not None:
        attributes["datacontenttype"] = content_type
    message = write(SdkEvent(attributes, {"org": "acme", "comment": "Ringt ☎"}), JSONFormat(), lambda event: b"acme")
    event = from_record(list(message.headers.items()), b"acme", message.value)
    assert json.loads(event.data) == {"org": "acme", "comment": "Ringt ☎"}
    assert (event.id, event.source, event.key, event.subject) == ("1", "crm", "acme", "acme")
    assert (event.time, event.causation_depth, event.signature) == (TIME, 2, None)


@pytest.mark.rule("KF-4")
def test_a_missing_time_is_the_time_of_arrival() -> None:
    headers = [(name, value) for name, value in to_binary(EVENT)[0] if name != "ce_time"]
    assert from_record(headers, b"acme", EVENT.data, received_at=TIME).time == TIME
    with pytest.raises(Unreadable, match="no time"):
        from_record(headers, b"acme", EVENT.data)


def _binary(**changes: bytes | None) -> Headers:
    named: dict[str, bytes] = {**dict(to_binary(EVENT)[0])}
    for name, value in changes.items():
        if value is None:
            del named[name.replace("__", "-")]
        else:
            named[name.replace("__", "-")] = value
    return list(named.items())


STRUCTURED: Headers = [("content-type", STRUCTURED_TYPE.encode())]


def _structured(**fields: object) -> bytes:
    minimal = {"specversion": "1.0", "id": "1", "source": "crm", "type": "t", "time": "2026-11-23T10:15:30Z"}
    return json.dumps(minimal | fields).encode()


@pytest.mark.rule("KF-5")
@pytest.mark.parametrize(
    ("headers", "key", "code", "reason"),
    [
        ([], b"acme", "unreadable", "specversion"),
        (_binary(ce_specversion=b"0.3"), b"acme", "unreadable", "specversion"),
        (_binary(ce_id=None), b"acme", "unreadable", "id is missing"),
        (_binary(ce_source=b""), b"acme", "unreadable", "source is missing"),
        (_binary(ce_time=b"noon"), b"acme", "unreadable", "time must be"),
        (_binary(ce_time=b"9999-12-31T23:59:59-23:00"), b"acme", "unreadable", "years 1 to 9999"),
        (_binary(ce_time=b"0001-01-01T00:00:00+14:00"), b"acme", "unreadable", "years 1 to 9999"),
        (_binary(ce_causationdepth=b"-1"), b"acme", "unreadable", "causationdepth"),
        (_binary(ce_id=b"\xff"), b"acme", "unreadable", "ce_id is not UTF-8"),
        (_binary(), b"\xff", "unreadable", "key is not UTF-8"),
        ([*_binary(), ("CE_id", b"2")], b"acme", "unreadable", "twice"),
        (_binary(content__type=b"text/xml"), b"acme", "content_type", "text/xml"),
        ([("content-type", b"application/cloudevents+avro")], b"acme", "content_type", "avro"),
    ],
)
def test_what_is_no_cloudevent_says_why(headers: Headers, key: bytes, code: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as refused:
        from_record(headers, key, b"{}")
    assert refused.value.code == code


@pytest.mark.rule("KF-5")
@pytest.mark.parametrize(
    ("value", "code", "reason"),
    [
        (b"{", "unreadable", "not JSON"),
        (b"[1]", "unreadable", "object"),
        (_structured(datacontenttype="text/plain"), "content_type", "text/plain"),
        (_structured(data_base64="%"), "unreadable", "base64"),
        (_structured(data_base64="\ud800"), "unreadable", "base64"),
        (_structured(data={}, data_base64="e30="), "unreadable", "both"),
        (_structured(data={"a": float("nan")}), "unreadable", "NaN"),
        (_structured(data={"a": "\ud800"}), "unreadable", "Unicode"),
        (_structured(subject="\ud800"), "unreadable", "Unicode"),
        (b'{"data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "unreadable", "too deeply"),
    ],
)
def test_what_is_no_structured_cloudevent_says_why(value: bytes, code: str, reason: str) -> None:
    with pytest.raises(Unreadable, match=reason) as refused:
        from_record(STRUCTURED, b"acme", value)
    assert refused.value.code == code


@pytest.mark.rule("KF-5")
@pytest.mark.parametrize("name", ["data", "subject", "x"])
def test_an_event_of_whatever_depth_is_read_or_refused(name: str) -> None:
    """Reading and writing JSON give up at different depths, which depend on how deep the caller is."""
    for depth in range(700, 1_100):
        value = _structured(**{name: 0}).replace(b": 0", b": " + b"[" * depth + b"]" * depth)
        with suppress(Unreadable):
            from_record(STRUCTURED, b"acme", value)


@pytest.mark.rule("KF-4")
def test_base64_data_and_null_attributes_are_read() -> None:
    value = _structured(data_base64="eyJhIjoxfQ==", subject=None, causationdepth=4)
    event = from_record(STRUCTURED, None, value)
    assert (event.data, event.subject, event.causation_depth) == (b'{"a":1}', None, 4)


@pytest.mark.rule("KF-5")
def test_strangers_headers_do_not_disturb() -> None:
    headers = [*to_binary(EVENT)[0], ("x", None), ("x", b"\xff"), ("ce-id", b"http")]
    assert from_record(headers, b"acme/0198", EVENT.data) == EVENT


def test_the_signature_travels_beside_the_attributes() -> None:
    for write in (to_binary, to_structured):
        assert (SIGNATURE_HEADER, b"k1:abc") in write(EVENT)[0]
