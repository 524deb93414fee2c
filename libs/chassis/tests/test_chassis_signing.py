"""What counts as Fettle's own counts only with a signature over all that matters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_chassis.signing import Refused, Signer, SigningKey, Verified, Verifier
from fettle_contracts.cloudevents import CloudEvent, from_record, to_binary

OLD, NEW = SigningKey("old", b"o" * 32), SigningKey("new", b"n" * 32)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
EVENT = CloudEvent(id="1", source="fettle/x", type="t.v1", time=NOW, data=b'{"a":1}', key="org")
CONTROL = {"topic": "fettle.device.heartbeats", "partition": 3, "key": b"org", "number": 7, "body": b"{}"}


def code(verdict: Verified | Refused) -> str:
    return verdict.code if isinstance(verdict, Refused) else "verified"


@pytest.mark.rule("KF-44")
def test_an_event_keeps_its_signature_on_its_way_through_kafka() -> None:
    headers, value = to_binary(Signer([NEW]).sign_event(EVENT))
    arrived = from_record(headers, b"org", value)
    assert Verifier([NEW]).verify_event(arrived, NOW) == Verified("new")


@pytest.mark.rule("KF-44")
@pytest.mark.parametrize(
    "change",
    [
        {"id": "2"},
        {"source": "fettle/y"},
        {"type": "t.v2"},
        {"time": NOW + timedelta(milliseconds=1)},
        {"key": "other"},
        {"key": None},
        {"data": b'{"a":2}'},
    ],
)
def test_no_part_of_an_event_can_be_changed(change: dict[str, Any]) -> None:
    signed = Signer([NEW]).sign_event(EVENT)
    assert code(Verifier([NEW]).verify_event(replace(signed, **change), NOW)) == "bad_signature"


@pytest.mark.rule("KF-44")
@given(st.tuples(*[st.text(max_size=4)] * 3), st.tuples(*[st.text(max_size=4)] * 3))
def test_two_events_never_have_one_signature(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Not even when the end of one field moves to the beginning of the next."""
    signatures = [
        Signer([NEW]).sign_event(replace(EVENT, id=id, source=source, type=type)).signature
        for id, source, type in (one, other)
    ]
    assert (signatures[0] == signatures[1]) == (one == other)


@pytest.mark.rule("KF-44")
@pytest.mark.parametrize("field", list(CONTROL))
def test_a_control_record_holds_only_where_and_as_it_was_written(field: str) -> None:
    signature = Signer([NEW]).sign_control(**CONTROL)  # type: ignore[arg-type]
    verifier = Verifier([NEW])
    assert verifier.verify_control(**CONTROL, signature=signature) == Verified("new")  # type: ignore[arg-type]
    other = {"topic": "x", "partition": 4, "key": b"x", "number": 8, "body": b"x"}[field]
    changed = CONTROL | {field: other}
    assert code(verifier.verify_control(**changed, signature=signature)) == "bad_signature"  # type: ignore[arg-type]


@pytest.mark.rule("KF-44")
@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        (None, "unsigned"),
        ("", "unsigned"),
        ("nonsense", "unknown_key"),
        ("who:abc", "unknown_key"),
        ("new:", "bad_signature"),
        ("new:not base64", "bad_signature"),
        ("new:æ", "bad_signature"),
    ],
)
def test_what_is_no_signature_is_refused_with_its_reason(signature: str | None, expected: str) -> None:
    assert code(Verifier([NEW]).verify_event(replace(EVENT, signature=signature), NOW)) == expected


@pytest.mark.rule("KF-45")
def test_keys_can_be_rotated() -> None:
    before = Signer([OLD]).sign_event(EVENT)
    after = Signer([NEW, OLD]).sign_event(EVENT)
    both, later = Verifier([NEW, OLD]), Verifier([NEW])
    assert both.verify_event(before, NOW) == Verified("old")
    assert both.verify_event(after, NOW) == Verified("new")
    assert code(later.verify_event(before, NOW)) == "unknown_key"


@pytest.mark.rule("KF-45")
def test_a_signature_over_an_event_is_stale_after_seven_days() -> None:
    signed = Signer([NEW]).sign_event(EVENT)
    verifier = Verifier([NEW])
    assert code(verifier.verify_event(signed, NOW + timedelta(days=7))) == "verified"
    assert code(verifier.verify_event(signed, NOW + timedelta(days=7, milliseconds=1))) == "stale"
    forged = replace(signed, data=b"{}")
    assert code(verifier.verify_event(forged, NOW + timedelta(days=30))) == "bad_signature"


def test_secrets_do_not_show() -> None:
    assert "nnnn" not in repr(NEW)
