"""Kafka's own ids of topics, which aiokafka does not ask for: a topic that is deleted and created again has another.

Speaks version 10 of Kafka's Metadata request (KIP-516), the first with ids, on aiokafka's connections.
"""

from collections.abc import Collection
from io import BytesIO
from typing import Any, ClassVar

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.abstract import AbstractType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

from fettle_chassis.kafka import REQUEST_TIMEOUT_MS, client_options
from fettle_chassis.settings import ServiceSettings


class TopicIds:
    """Asks for the ids of topics. Start and stop as any client."""

    def __init__(self, settings: ServiceSettings, client_id: str) -> None:
        self._client = AIOKafkaClient(
            **client_options(settings), client_id=client_id, request_timeout_ms=REQUEST_TIMEOUT_MS
        )

    async def start(self) -> None:
        await self._client.bootstrap()

    async def stop(self) -> None:
        await self._client.close()

    async def of(self, topics: Collection[str]) -> dict[str, str]:
        """The present id of each topic (full names) as hexadecimal text; topics that are not there are left out.

        Raises what Kafka clients raise when the broker is away.
        """
        node = self._client.get_random_node()
        if node is None:
            raise NodeNotReadyError("no broker is known")
        answer = await self._client.send(node, _MetadataRequest(topics))
        return {name: id.hex() for error, name, id, *_ in answer.topics if error == 0}


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]  # aiokafka has no types
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


class _MetadataResponse_v10(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition_index", Int32),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("replica_nodes", CompactArray(Int32)),
                        ("isr_nodes", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequest_v10(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse_v10
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("topic_id", _Uuid), ("name", CompactString("utf-8")), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequest_v10]):  # type: ignore[misc]
    API_KEY: ClassVar[int] = 3
    _NO_ID = bytes(16)

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: Any) -> Any:
        topics: list[Any] = [(self._NO_ID, name, {}) for name in self._topics]
        return request_struct_class(topics, False, False, False, {})
