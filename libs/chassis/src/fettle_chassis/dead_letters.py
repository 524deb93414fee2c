"""Dead letters: a record that cannot be handled goes to `<topic>.dlq` as it came, with the reason in headers."""

from datetime import UTC, datetime

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from fettle_chassis import metrics
from fettle_chassis.failures import TransientError
from fettle_chassis.kafka import build_producer
from fettle_chassis.records import Record
from fettle_chassis.settings import ServiceSettings
from fettle_contracts.dead_letters import (
    DLQ_AT,
    DLQ_HEADERS,
    DLQ_MESSAGE,
    DLQ_OFFSET,
    DLQ_PARTITION,
    DLQ_REASON,
    DLQ_SERVICE,
    DLQ_TOPIC,
    without_value,
)
from fettle_contracts.times import rfc3339
from fettle_contracts.topics import dead_letters_of

log = structlog.get_logger(__name__)

MAX_BYTES = 2_097_152
"""Dead-letter topics take more than others: a record of the largest size, and the reason beside it."""

_MESSAGE_LIMIT = 1_000


class DeadLetters:
    """Writes dead letters, each acknowledged by all replicas before `put` returns."""

    def __init__(self, settings: ServiceSettings, service: str) -> None:
        self._settings = settings
        self._service = service
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """Raises KafkaError when the broker does not answer; it may be called again then."""
        self._producer = build_producer(
            self._settings, client_id=f"{self._service}-dead-letters", idempotent=False, max_request_size=MAX_BYTES
        )
        try:
            await self._producer.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def put(self, record: Record, code: str, message: str) -> None:
        """Publishes the record with its reason.

        Raises `TransientError` when the broker has not taken it within 5 s or does not let us write; doing it again is
        right, a dead letter may be there twice.
        """
        headers = [(name, value) for name, value in record.headers if name not in DLQ_HEADERS]
        reason = self._reason(record, code, message[:_MESSAGE_LIMIT])
        try:
            await self._send(record, record.value, [*headers, *reason])
        except MessageSizeTooLargeError:
            size = len(record.value or b"")
            reason = self._reason(record, code, without_value(message[:_MESSAGE_LIMIT], size))
            await self._send(record, None, reason)
        except KafkaError as error:
            raise TransientError(f"dead letter not taken: {error!r}") from error
        metrics.DEAD_LETTERS.labels(record.topic, code).inc()
        log.warning("dead_letter.put", record=str(record), code=code, reason=message[:_MESSAGE_LIMIT])

    async def _send(self, record: Record, value: bytes | None, headers: list[tuple[str, bytes | None]]) -> None:
        if self._producer is None:
            raise RuntimeError("not started")
        if value is None and record.key is None:
            value = b""  # the client sends no record without both, though others do
        await self._producer.send_and_wait(
            self._settings.topic(dead_letters_of(record.topic)), value, key=record.key, headers=headers
        )

    def _reason(self, record: Record, code: str, message: str) -> list[tuple[str, bytes | None]]:
        texts = {
            DLQ_TOPIC: self._settings.topic(record.topic),
            DLQ_PARTITION: str(record.partition),
            DLQ_OFFSET: str(record.offset),
            DLQ_REASON: code,
            DLQ_MESSAGE: message,
            DLQ_AT: rfc3339(datetime.now(UTC)),
            DLQ_SERVICE: self._service,
        }
        return [(name, text.encode()) for name, text in texts.items()]
