"""Which partition a key belongs in: murmur2, as Kafka's Java client and aiokafka choose by default."""

from functools import lru_cache
from struct import unpack_from

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The 32-bit murmur2 hash of `key`, unsigned.

    Source: `Utils.murmur2` of Apache Kafka's Java client, whose results this must equal.
    """
    length = len(key)
    whole = length // 4
    h = (_SEED ^ length) & _MASK
    for k in unpack_from(f"<{whole}I", key):
        k = k * _M & _MASK
        k = (k ^ k >> 24) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    tail = key[whole * 4 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h = (h ^ h >> 13) * _M & _MASK
    return h ^ h >> 15


@lru_cache(maxsize=65_536)
def partition_for(key: bytes, count: int) -> int:
    """The partition, 0 to `count` - 1, that the standard partitioner gives. Raises ValueError for `count` under 1."""
    if count < 1:
        raise ValueError("a topic has at least one partition")
    return (murmur2(key) & 0x7FFFFFFF) % count
