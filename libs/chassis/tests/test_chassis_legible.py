"""Batches whose header names are not UTF-8 are read to their end."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from fettle_chassis.legible import LegibleRecords

NO_TEXT = b"\xff\xfe"


def batch(*names: str, first: int, compression: int = 0) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for number, name in enumerate(names):
        builder.append(number, timestamp=5, key=b"k%d" % number, value=NO_TEXT, headers=[(name, NO_TEXT), (name, None)])
    made = bytearray(builder.build())
    made[0:8] = first.to_bytes(8, "big")
    return bytes(made)


@pytest.mark.rule("KF-30")
def test_what_is_no_text_is_shown_and_everything_else_is_as_it_was() -> None:
    spoilt = batch("plain", "@@", "ä", first=10).replace(b"@@", NO_TEXT)
    records = LegibleRecords(batch("a", first=9) + spoilt + batch("b", first=13))
    found = []
    while records.has_next():
        found += [(one.offset, one.timestamp, one.key, one.value, one.headers) for one in records.next_batch()]
    names = ["a", "plain", "\\xff\\xfe", "ä", "b"]
    keys = [b"k0", b"k0", b"k1", b"k2", b"k0"]
    assert found == [
        (9 + place, 5, key, NO_TEXT, [(name, NO_TEXT), (name, None)])
        for place, (key, name) in enumerate(zip(keys, names, strict=True))
    ]


@pytest.mark.rule("KF-30")
def test_the_rest_of_a_batch_is_the_clients_own() -> None:
    one = LegibleRecords(batch("a", "b", first=7)).next_batch()
    assert one.validate_crc()
    assert (one.base_offset, one.next_offset, one.is_control_batch, one.is_transactional) == (7, 9, False, False)
