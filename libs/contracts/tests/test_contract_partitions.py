"""The standard partitioner, against the one that aiokafka ships."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from fettle_contracts.partitions import murmur2, partition_for


@pytest.mark.rule("KF-3")
@given(st.binary(max_size=300))
def test_the_hash_is_kafkas(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key) & 0xFFFFFFFF


@pytest.mark.rule("KF-3")
@given(st.binary(min_size=1, max_size=300), st.integers(1, 200))
def test_the_partition_is_the_one_that_aiokafka_chooses(key: bytes, count: int) -> None:
    partitions = list(range(count))
    assert partition_for(key, count) == DefaultPartitioner()(key, partitions, partitions)


@pytest.mark.rule("KF-3")
def test_known_places() -> None:
    """Values of the Java client's own tests, so that a shared mistake shows."""
    known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536, b"abc": 479470107}
    for key, signed in known.items():
        assert murmur2(key) == signed & 0xFFFFFFFF


def test_a_topic_without_partitions_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one partition"):
        partition_for(b"key", 0)
