"""What a stranger's record can be, and what becomes of it."""

from typing import Any, cast

import pytest
from judge_log import DEVICE, GATEWAY, T0, Judged, Log, LogRecord, announced_shard, judge
from structlog.testing import capture_logs

from fettle_chassis.dead_letters import DeadLetters
from fettle_chassis.records import Record
from fettle_chassis.signing import Signer, SigningKey, Verifier
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.heartbeat import HEARTBEAT_MAX_BYTES
from fettle_health_monitor.adapters.judge.control_records import SignedReader
from fettle_health_monitor.adapters.judge.dead_letters import HeartbeatDeadLetters
from fettle_health_monitor.domain.control import (
    CONTROL_HEADER,
    NUMBER_HEADER,
    SIGNATURE_HEADER,
    Forget,
    Pulse,
    Register,
    encode,
    kind,
)
from fettle_health_monitor.domain.judge import refusals
from fettle_health_monitor.domain.judge.refusals import Refusal, RefusalBudget, WrongRecord
from fettle_health_monitor.domain.judge.shard import Shard
from fettle_health_monitor.judge.setting_aside import SettingAside


@pytest.mark.rule("HM-30", "HM-31", "HM-32")
@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        (DEVICE, b"{", "not_json"),
        (DEVICE, b'{"name":"\xff"}', "not_json"),
        (DEVICE, b'"ok"', "field_invalid"),
        (DEVICE, b"[]", "field_invalid"),
        (DEVICE, b'{"name":7}', "field_invalid"),
        (DEVICE, b'{"status":7}', "field_invalid"),
        (DEVICE, b'{"name":"%s"}' % (b"x" * 201), "field_invalid"),
        (DEVICE, b'{"integration":"a\\u0007"}', "field_invalid"),
        (DEVICE, b'{"name":"a\\u0000b"}', "field_invalid"),
        (DEVICE, b'{"model":"a\\u009fb"}', "field_invalid"),
        (DEVICE, b'{"space":"a\\nb"}', "field_invalid"),
        (DEVICE, b'{"name":"\\ud800"}', "not_json"),
        (DEVICE, b'{"x":' + b"[" * 5_000 + b"]" * 5_000 + b"}", "not_json"),
        (DEVICE, b'{"seq":NaN}', "not_json"),
        (DEVICE, b'{"interval_s":0}', "interval_out_of_range"),
        (DEVICE, b'{"interval_s":86401}', "interval_out_of_range"),
        (DEVICE, b'{"status":"unreachable"}', "status_invalid"),
        (GATEWAY, b'{"status":"offline"}', "status_invalid"),
        (DEVICE, b'{"status":"gone"}', "status_invalid"),
        (DEVICE, b'{"name":"' + b"x" * 16_400 + b'"}', "too_large"),
        (DEVICE, b'{"integration":"%s"}' % ("\u00f8" * 101).encode(), "field_invalid"),
        ("acme/device/new", b'{"integration":"%s"}' % ("\u00f8" * 101).encode(), "field_invalid"),
        ("acme/space/hall", b"{}", "key_invalid"),
        ("acme/device", b"{}", "key_invalid"),
        ("Acme/device/a", b"{}", "key_invalid"),
        ("acme/device/" + "x" * 201, b"{}", "key_invalid"),
        ("fettle/shard/0", b"{}", "key_invalid"),
    ],
)
def test_a_bad_record_is_refused_and_is_no_sign_of_life(key: str, value: bytes, code: str) -> None:
    log = Log().policy(timeout_s=10).beat(DEVICE).beat(GATEWAY).pulsed(5).raw(key.encode(), value)
    judged = judge(log)

    assert [refusal.code for refusal in judged.folded.refusals] == [code]
    assert judged.fold(log.pulsed(11)).steps()[-1] == (10.0, "healthy", "pending_open", "silent")


@pytest.mark.rule("HM-30")
def test_an_interval_whose_hash_is_that_of_a_good_one_is_refused_all_the_same() -> None:
    log = Log().policy().beat(interval_s=30).beat(interval_s=30, seq=1).beat(interval_s=30 * 2**61)
    assert [refusal.code for refusal in judge(log).folded.refusals] == ["interval_out_of_range"]


@pytest.mark.rule("HM-30")
@pytest.mark.parametrize("interval_s", [1, 86_400])
def test_the_shortest_and_the_longest_interval_are_good(interval_s: int) -> None:
    judged = judge(Log().policy().beat(interval_s=interval_s).beat(interval_s=interval_s, seq=1))
    assert (judged.folded.refusals, len(judged.changes)) == ([], 1)


@pytest.mark.rule("HM-35")
def test_a_refusal_names_no_org_that_has_no_policy() -> None:
    """Or strangers' names would make a budget each, and a metric."""
    log = Log().policy().raw(b"ghost/lift/a", b"").raw(b"acme/lift/a", b"")
    assert [refusal.org for refusal in judge(log).folded.refusals] == ["", "acme"]


@pytest.mark.rule("HM-32")
@pytest.mark.parametrize("key", [None, b"", b"\xff\xfe/device/a", b"acme/device/a\x00b"])
def test_a_key_that_is_no_text_is_refused(key: bytes | None) -> None:
    assert judge(Log().policy().raw(key, b"")).folded.refusals[0].code == "key_invalid"


@pytest.mark.rule("HM-30")
@pytest.mark.parametrize(
    "value", [b"", None, b"{}", b'{"status":null,"interval_s":null,"name":null}', b'{"seq":"x","at":[],"more":{}}']
)
def test_all_fields_are_optional_and_a_senders_own_notes_are_its_own(value: bytes | None) -> None:
    judged = judge(Log().policy().raw(DEVICE.encode(), value))

    assert judged.folded.refusals == []
    assert judged.steps() == [(0.0, None, "healthy", "first_heard")]


@pytest.mark.rule("HM-33")
def test_a_key_of_another_partition_is_refused_and_never_watched() -> None:
    log = Log().policy().beat("acme/device/a").beat("acme/device/b").beat("acme/device/c").beat("acme/device/d")

    of_two = Judged(Shard(0, 2, 1)).fold(log)

    refused = {refusal.record.key for refusal in of_two.folded.refusals}
    watched = {f"acme/{change.subject}".encode() for change in of_two.changes}
    assert {refusal.code for refusal in of_two.folded.refusals} == {"wrong_partition"}
    assert refused
    assert watched
    assert refused.isdisjoint(watched)


KEY = SigningKey("k", b"x" * 32)


def signed(
    statement: Register | Forget | Pulse, *, partition: int = 0, number: int = 1, key: bytes = b"a/device/x"
) -> LogRecord:
    body = encode(statement)
    signature = Signer([KEY]).sign_control(topic="t", partition=partition, key=key, number=number, body=body)
    headers = [
        (CONTROL_HEADER, kind(statement).encode()),
        (NUMBER_HEADER, str(number).encode()),
        (SIGNATURE_HEADER, signature.encode()),
    ]
    return LogRecord(0, T0, key, body, headers)


def with_header(record: LogRecord, name: str, value: bytes | None) -> LogRecord:
    return record._replace(headers=[*((n, v) for n, v in record.headers if n != name), (name, value)])


@pytest.mark.rule("HM-34")
def test_a_control_record_counts_only_as_it_was_signed() -> None:
    read = SignedReader(Verifier([KEY]), "t", 0)
    right = signed(Register(name="x"))
    forged = [
        signed(Register(name="x"), partition=1),
        with_header(right, NUMBER_HEADER, b"2"),
        with_header(right, NUMBER_HEADER, b"many"),
        with_header(right, NUMBER_HEADER, None),
        right._replace(headers=[header for header in right.headers if header[0] != NUMBER_HEADER]),
        with_header(right, CONTROL_HEADER, b"forget"),
        with_header(right, CONTROL_HEADER, b"\xff"),
        with_header(right, SIGNATURE_HEADER, b"k:AAAA"),
        with_header(right, SIGNATURE_HEADER, b"other:AAAA"),
        with_header(right, SIGNATURE_HEADER, None),
        right._replace(key=b"a/device/y"),
        right._replace(value=encode(Register(name="y"))),
        right._replace(value=b"{"),
    ]

    counted = read(right)

    assert counted is not None
    assert (counted.number, counted.key, counted.statement) == (1, "a/device/x", Register(name="x"))
    assert read(right._replace(headers=[("traceparent", b"00-1")])) is None
    for record in forged:
        with pytest.raises(WrongRecord) as refused:
            read(record)
        assert refused.value.code is DeadLetterCode.CONTROL_FORGED


@pytest.mark.rule("HM-34")
def test_a_control_record_counts_in_the_partition_that_it_was_signed_for() -> None:
    record = signed(Register(name="x"), partition=1)
    assert SignedReader(Verifier([KEY]), "t", 1)(record) == (1, "a/device/x", Register(name="x"))


@pytest.mark.rule("HM-34")
@pytest.mark.parametrize(("says", "body"), [("register", b"{"), ("wave", b'{"control":"wave"}'), ("forget", None)])
def test_what_is_signed_and_cannot_be_read_is_refused(says: str, body: bytes | None) -> None:
    """As it is with a statement that only a newer release knows."""
    key, body = b"a/device/x", body or encode(Register())
    signature = Signer([KEY]).sign_control(topic="t", partition=0, key=key, number=1, body=body)
    headers = [(CONTROL_HEADER, says.encode()), (NUMBER_HEADER, b"1"), (SIGNATURE_HEADER, signature.encode())]
    with pytest.raises(WrongRecord) as refused:
        SignedReader(Verifier([KEY]), "t", 0)(LogRecord(0, T0, key, body, headers))
    assert refused.value.code is DeadLetterCode.CONTROL_FORGED


@pytest.mark.rule("HM-34")
def test_a_forged_control_record_moves_time_and_nothing_else() -> None:
    log = Log().policy(timeout_s=10).beat().pulsed(5).raw(DEVICE.encode(), b"", [(CONTROL_HEADER, b"forged")])
    judged = judge(log)

    assert [(refusal.org, refusal.code) for refusal in judged.folded.refusals] == [("acme", "control_forged")]
    assert judged.steps() == [(0.0, None, "healthy", "first_heard")]


@pytest.mark.rule("HM-35")
def test_dead_letters_have_a_budget_by_org_and_reason_and_minute() -> None:
    budget = RefusalBudget(per_minute=2)
    bad = Refusal(LogRecord(1, T0, b"", b""), "acme", DeadLetterCode.NOT_JSON, "")
    other_org, other_code = bad._replace(org="beta"), bad._replace(code=DeadLetterCode.TOO_LARGE)

    assert [budget.allows(bad, T0) for _ in range(3)] == [True, True, False]
    assert budget.allows(other_org, T0)
    assert budget.allows(other_code, T0)
    assert budget.allows(bad, T0 + 60_000)
    assert not budget.allows(bad, T0), "partitions that catch up are at different minutes"


@pytest.mark.rule("HM-35")
def test_what_was_spent_is_known_for_as_many_minutes_as_heartbeats_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "_MINUTES", 2)
    budget = RefusalBudget(per_minute=1)
    bad = Refusal(LogRecord(1, T0, b"", b""), "acme", DeadLetterCode.NOT_JSON, "")

    assert [budget.allows(bad, T0 + minute * 60_000) for minute in range(3)] == [True] * 3
    assert [budget.allows(bad, T0 + minute * 60_000) for minute in (2, 1)] == [False] * 2
    assert budget.allows(bad, T0), "the minute that was let go"


class Letters(DeadLetters):
    """A topic of dead letters."""

    def __init__(self) -> None:
        self.written: list[tuple[int, bytes, str]] = []

    async def put(self, record: Record, code: str, message: str) -> None:
        self.written.append((record.offset, record.value or b"", code))


@pytest.mark.rule("HM-23", "HM-35")
async def test_what_was_held_for_its_policy_is_dead_lettered_when_that_comes() -> None:
    log = Log().hello("n1").raw(DEVICE.encode(), b"no json").raw(b"acme/device/huge", bytes(1024 * 1024))
    judged = announced_shard().fold(log)
    assert judged.folded.refusals == [], "it may be of no org that is known"
    judged.fold(log.policy().announced("n1"))
    letters = Letters()
    await HeartbeatDeadLetters(letters).bury(0, judged.folded.refusals)
    assert letters.written == [
        (1, b"no json", "not_json"),
        (2, bytes(HEARTBEAT_MAX_BYTES + 1), "too_large"),
    ], "and of one that is too long what shows that"


@pytest.mark.rule("HM-52")
async def test_a_control_record_that_ends_judges_is_never_set_aside() -> None:
    """It is not even counted: where it is missing in one shard, that is judged by something else than the others."""
    log = Log().policy().beat()
    shard = Shard(0, 1, 1)
    shard.stumbled_over = log.records[0].offset
    out_of_reach = cast("Any", None)
    with capture_logs() as said:
        await SettingAside(out_of_reach, out_of_reach, out_of_reach).crashed(shard, log.records, ZeroDivisionError())
    assert [(line["event"], line["offset"]) for line in said] == [("judge.crashed", 0)]
