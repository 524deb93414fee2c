"""The only place where Kafka clients are made, with the values that are safe."""

from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from faststream.kafka import KafkaBroker

from fettle_chassis.settings import ServiceSettings


def client_options(settings: ServiceSettings) -> Mapping[str, object]:
    """Servers and security, for any aiokafka client."""
    raise NotImplementedError


def build_broker(settings: ServiceSettings, *, client_id: str) -> KafkaBroker:
    """A FastStream broker: idempotent, acks=all, no auto-created topics, quiet. Not started."""
    raise NotImplementedError


def build_producer(settings: ServiceSettings, *, client_id: str, idempotent: bool = True) -> AIOKafkaProducer:
    """A producer with acks=all, lz4, linger 5 ms. Not started. Call inside a running loop.

    Idempotent ones never expire a send while the broker is away: bound every wait by `asyncio.timeout`. With
    `idempotent=False` a send fails for good after 5 s (heartbeats posted by HTTP).
    """
    raise NotImplementedError


def build_consumer(
    settings: ServiceSettings,
    *topics: str,
    client_id: str,
    group: str | None = None,
    instance_id: str | None = None,
    offset_reset: str = "earliest",
    **options: object,
) -> AIOKafkaConsumer:
    """A bare consumer without auto-commit. `topics` and `group` are full names on the broker. Not started.

    `options` go to aiokafka as they are and win over the safe values.
    """
    raise NotImplementedError


def build_admin(settings: ServiceSettings) -> AIOKafkaAdminClient:
    """An admin client. Not started."""
    raise NotImplementedError


def partition_of(key: bytes, partitions: int) -> int:
    """Kafka's standard partition of a key: murmur2, as Java and aiokafka do it. Cached and fast."""
    raise NotImplementedError
