"""Names of orgs and subjects, keys of heartbeats, instants on the wire."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fettle_contracts.identity import HeartbeatKey, SubjectRef, SubjectType, check_org
from fettle_contracts.times import from_ms, parse_time, rfc3339, to_milliseconds, to_ms

INSTANTS = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9000, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=45)), timezone(timedelta(hours=-8))]),
)
IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=50)


@pytest.mark.rule("KF-1")
@pytest.mark.parametrize("name", ["a", "acme", "9-lives", "a" * 63])
def test_an_org_name(name: str) -> None:
    assert check_org(name) == name


@pytest.mark.rule("KF-1")
@pytest.mark.parametrize("name", ["", "-acme", "Acme", "acme.test", "a" * 64, "acme\n", "ac me"])
def test_no_org_name(name: str) -> None:
    with pytest.raises(ValueError, match="an org is 1 to 63"):
        check_org(name)


@pytest.mark.rule("KF-1")
@given(kind=st.sampled_from(["device", "integration"]), name=IDS)
def test_a_heartbeat_key_reads_back_as_written(kind: str, name: str) -> None:
    key = HeartbeatKey("acme", SubjectRef(SubjectType(kind), name))
    assert HeartbeatKey.parse(key.encode()) == key


@pytest.mark.rule("KF-1")
def test_the_id_may_hold_slashes() -> None:
    key = HeartbeatKey.parse(b"acme/device/gw/7/port/2")
    assert (key.org, key.subject) == ("acme", SubjectRef(SubjectType.DEVICE, "gw/7/port/2"))


@pytest.mark.rule("KF-1")
@pytest.mark.parametrize(
    ("key", "reason"),
    [
        (None, "needs a key"),
        (b"", "org/type/id"),
        (b"acme", "org/type/id"),
        (b"acme/device", "type/id"),
        (b"acme/device/", "1 to 200 bytes"),
        (b"acme/sensor/t17", "type device"),
        (b"acme/space/oslo", "only devices and integrations"),
        (b"Acme/device/t17", "an org is"),
        (b"acme/device/t\x0017", "no control characters"),
        (b"acme/device/" + b"x" * 201, "1 to 200 bytes"),
        ("acme/device/" + "ø" * 101, "1 to 200 bytes"),
        (b"acme/device/\xff", "UTF-8"),
    ],
)
def test_no_heartbeat_key(key: bytes | str | None, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        HeartbeatKey.parse(key)


@pytest.mark.rule("KF-2")
@given(INSTANTS)
def test_an_instant_survives_the_wire_to_the_millisecond(moment: datetime) -> None:
    text = rfc3339(moment)
    assert text.endswith("Z")
    assert parse_time(text) == to_milliseconds(moment)
    assert from_ms(to_ms(moment)) == to_milliseconds(moment)


@pytest.mark.rule("KF-2")
def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    assert rfc3339(parse_time("2026-11-23T12:15:30.2509+02:00")) == "2026-11-23T10:15:30.250Z"
    assert rfc3339(parse_time("2026-11-23t10:15:30z")) == "2026-11-23T10:15:30.000Z"
    assert rfc3339(parse_time(f"2026-11-23T10:15:30.25{'0' * 90}Z")) == "2026-11-23T10:15:30.250Z"


@pytest.mark.rule("KF-2")
@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-23", "2026-11-23T10:15:30", "20261123T101530Z", "2026-13-23T10:15:30Z"]
)
def test_no_instant(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)


def test_a_time_without_a_zone_is_never_written() -> None:
    with pytest.raises(ValueError, match="time zone"):
        rfc3339(datetime(2026, 11, 23))  # noqa: DTZ001 - the point of the test
