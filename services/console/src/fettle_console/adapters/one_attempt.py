"""Appending to Kafka in attempts that leave nothing behind.

A producer's accumulator keeps what it could not send, and its sender goes on after the caller has given up, also while
it is being closed. Here every attempt is one produce request per leader with `acks=all`, outside any queue; when it
has an answer there is nothing of it left in this process, and its fate is known as exactly as Kafka lets it be known.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, NodeNotReadyError, RequestTimedOutError
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from fettle_contracts.partitions import partition_for

BATCH_BYTES = 800_000
"""Uncompressed, under Kafka's default limit for a batch (1 MiB)."""

Record = tuple[bytes, bytes]
Batches = Mapping[int, Sequence[Record]]
"""By partition, at most one batch for each: a produce request cannot carry more."""

_ALL_IN_SYNC = -1
_CERTAINLY_NOT = frozenset({2, 3, 5, 6, 10, 17, 18, 19, 21, 29, 31, 32, 42, 44, 56, 60, 87})
"""Error codes after which nothing was appended, unless the answer names an offset all the same. Absent: 7 (timed out)
and 20 (too few replicas *after* append)."""


class Fate(Enum):
    """What became of a batch."""

    TAKEN = "taken"
    NOT_TAKEN = "not taken"
    UNKNOWN = "unknown"


def batches(records: Iterable[Record], partitions: int) -> list[dict[int, list[Record]]]:
    """The records by partition (murmur2 of the key), in order, in as many rounds as the size of a batch asks for."""
    rounds: list[dict[int, list[Record]]] = []
    place: dict[int, tuple[int, int]] = {}
    for key, value in records:
        partition = partition_for(key, partitions)
        turn, size = place.get(partition, (0, 0))
        size += len(key) + len(value) + 64
        if size > BATCH_BYTES:
            turn, size = turn + 1, len(key) + len(value) + 64
        place[partition] = (turn, size)
        if turn == len(rounds):
            rounds.append({})
        rounds[turn].setdefault(partition, []).append((key, value))
    return rounds


def by_leader(client: AIOKafkaClient, topic: str, batches: Batches) -> dict[int, dict[int, Sequence[Record]]]:
    """The batches by the node that leads their partition, as far as is known. Raises KafkaError if one has none."""
    found: dict[int, dict[int, Sequence[Record]]] = {}
    for partition, records in batches.items():
        leader = client.cluster.leader_for_partition(TopicPartition(topic, partition))
        if leader is None or leader < 0:
            raise NodeNotReadyError(f"partition {partition} has no leader")
        found.setdefault(leader, {})[partition] = records
    return found


async def sign_of_life(client: AIOKafkaClient, node: int, topic: str) -> None:
    """One round trip to the node; also learns who leads the topic's partitions now. Raises KafkaError."""
    answer = await _answer(client, node, MetadataRequest([topic], allow_auto_topic_creation=False))
    client.cluster.update_metadata(answer)


async def produce(
    client: AIOKafkaClient, node: int, topic: str, batches: Batches, timeout_s: float
) -> dict[int, tuple[Fate, int]]:
    """One attempt at one node: the fate of each partition's batch, with Kafka's error code (0 when there is none).

    Never raises KafkaError. The broker waits at most `timeout_s` for replicas; how long a silent broker is waited for
    is the client's `request_timeout_ms`.
    """
    data = [(partition, _encoded(records)) for partition, records in batches.items()]
    request = ProduceRequest(None, _ALL_IN_SYNC, max(1, int(timeout_s * 1000)), [(topic, data)])
    try:
        answer = await _answer(client, node, request)
    except NodeNotReadyError:
        return dict.fromkeys(batches, (Fate.NOT_TAKEN, 0))
    except KafkaError as error:
        return dict.fromkeys(batches, (Fate.UNKNOWN, getattr(error, "errno", 0)))
    told = {partition: (code, offset) for _, parts in answer.topics for partition, code, offset, *_ in parts}
    fates = {partition: (_fate(code, offset), code) for partition, (code, offset) in told.items()}
    return {partition: fates.get(partition, (Fate.UNKNOWN, 0)) for partition in batches}


async def _answer(client: AIOKafkaClient, node: int, request: Any) -> Any:
    """What the node answers. Raises KafkaError.

    When several requests on one connection time out together, the client closes the connection for the first of them
    and looks in vain for it when the next comes to do the same.
    """
    try:
        return await client.send(node, request)
    except KeyError as error:
        raise RequestTimedOutError(f"node {node} did not answer, and its connection is gone") from error


def _fate(code: int, offset: int) -> Fate:
    """By the broker's answer. One that stops leading a partition, as it does when it is stopped, says so (6) also of
    what it has appended and was waiting for replicas of; only the offset tells: no append, no offset (-1)."""
    if code == 0:
        return Fate.TAKEN
    return Fate.NOT_TAKEN if code in _CERTAINLY_NOT and offset < 0 else Fate.UNKNOWN


def _encoded(records: Sequence[Record]) -> bytes:
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=0,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=0,
        batch_size=2 * BATCH_BYTES,
    )
    now = int(time.time() * 1000)
    for offset, (key, value) in enumerate(records):
        builder.append(offset, timestamp=now, key=key, value=value, headers=[])
    return bytes(builder.build())
