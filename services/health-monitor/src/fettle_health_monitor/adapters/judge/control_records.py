"""Signed control records: reading those of the log, and writing the judge's own."""

from aiokafka import AIOKafkaProducer

from fettle_chassis.signing import Signer, Verified, Verifier
from fettle_contracts.codes import DeadLetterCode
from fettle_health_monitor.domain.control import (
    CONTROL_HEADER,
    NUMBER_HEADER,
    SIGNATURE_HEADER,
    UNNUMBERED,
    Hello,
    Pulse,
    Skip,
    decode,
    encode,
    kind,
    shard_key,
)
from fettle_health_monitor.domain.judge.refusals import WrongRecord
from fettle_health_monitor.domain.judge.shard import HeartbeatRecord, Numbered, Place, content_checksum


class SignedReader:
    """A `ControlReader` for one partition of `topic` (its name on the broker)."""

    def __init__(self, verifier: Verifier, topic: str, partition: int) -> None:
        self._verifier = verifier
        self._topic = topic
        self._partition = partition

    def __call__(self, record: HeartbeatRecord) -> Numbered | None:
        headers = dict(record.headers)
        control = headers.get(CONTROL_HEADER)
        if control is None:
            return None
        key, body = record.key or b"", record.value or b""
        try:
            number = int(headers.get(NUMBER_HEADER) or b"")
            signature = (headers.get(SIGNATURE_HEADER) or b"").decode()
            verdict = self._verifier.verify_control(
                topic=self._topic, partition=self._partition, key=key, number=number, body=body, signature=signature
            )
            if isinstance(verdict, Verified):
                return Numbered(number, key.decode(), decode(control.decode(), body))
        except ValueError as error:
            raise WrongRecord(DeadLetterCode.CONTROL_FORGED, str(error)) from None
        raise WrongRecord(DeadLetterCode.CONTROL_FORGED, f"{verdict.code}: {verdict.message}")


class SignedWriter:
    """Appends what the judge states to partitions of `topic`, without a number: a repeated one states nothing new."""

    def __init__(self, signer: Signer, topic: str) -> None:
        self._signer = signer
        self._topic = topic

    async def append(self, producer: AIOKafkaProducer, partition: int, statement: Pulse | Hello | Skip) -> Place:
        """Returns where the record stands once it is in the log. Raises what the producer raises."""
        key, body = shard_key(partition).encode(), encode(statement)
        signature = self._signer.sign_control(
            topic=self._topic, partition=partition, key=key, number=UNNUMBERED, body=body
        )
        headers = [
            (CONTROL_HEADER, kind(statement).encode()),
            (NUMBER_HEADER, str(UNNUMBERED).encode()),
            (SIGNATURE_HEADER, signature.encode()),
        ]
        written = await producer.send_and_wait(self._topic, body, key=key, partition=partition, headers=headers)
        return Place(written.offset, written.timestamp, content_checksum(key, body))
