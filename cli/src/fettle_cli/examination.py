"""What `fettle doctor` looks at: servers, topics, dead letters, services; each finding with its way out."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from aiokafka.errors import KafkaError

from fettle_chassis.stored_records import StoredRecord, newest_records
from fettle_cli import kafka
from fettle_cli.installation import Installation
from fettle_cli.topic_check import reports
from fettle_cli.up.readiness import is_ready
from fettle_cli.up.state import is_up
from fettle_contracts.codes import DeadLetterCode
from fettle_contracts.dead_letters import DLQ_REASON
from fettle_contracts.topics import TOPICS

LETTERS_LOOKED_AT = 500
KEYS_NAMED = 5
CONNECT_WITHIN_S = 3.0
POSTGRES_PORT = "15432"

_LETTER_TOPICS = [topic.dlq for topic in TOPICS.values() if topic.dlq]

State = Literal["ok", "look", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. `look`: nothing is broken, but somebody should know."""

    what: str
    state: State
    text: str


async def examine(installation: Installation) -> list[Finding]:
    """Everything, in an order in which causes come before their effects. Raises UsageError for a wrong setting."""
    return [
        *await _kafka(installation),
        await _postgres(installation),
        *await _services(installation),
    ]


async def _kafka(installation: Installation) -> list[Finding]:
    settings = kafka.kafka_settings(installation)
    where = f"Kafka at {settings.kafka_bootstrap_servers}"
    try:
        topics = await kafka.topics_as_they_are(settings)
        letters = await newest_records(
            settings, [one.dlq for one in TOPICS.values() if one.dlq], LETTERS_LOOKED_AT, kafka.CLIENT
        )
    except (KafkaError, TimeoutError, OSError) as error:
        text = f"{where} does not answer ({type(error).__name__}); start it, or set FETTLE_KAFKA_BOOTSTRAP_SERVERS"
        return [Finding("kafka", "wrong", text)]
    wrong = [
        Finding("topics", "wrong", f"{settings.topic(report.name)}: {'; '.join(report.faults)}")
        for report in reports(topics)
        if report.faults
    ]
    right = [Finding("topics", "ok", f"{len(topics)} topics are as they should be")]
    return [Finding("kafka", "ok", f"{where} answers"), *(wrong or right), *_letters(letters)]


def _letters(letters: Iterable[StoredRecord]) -> Iterator[Finding]:
    """Dead letters by topic and reason; those of a wrong partitioner with the keys and the setting that cures them."""
    counts: Counter[tuple[str, str]] = Counter()
    misplaced: dict[str, None] = {}
    for letter in letters:
        reason = letter.header(DLQ_REASON) or "unknown"
        counts[letter.topic, reason] += 1
        if reason == DeadLetterCode.WRONG_PARTITION:
            misplaced[(letter.key or b"").decode(errors="replace")] = None
    if not counts:
        yield Finding("dead letters", "ok", "there are none")
    for (topic, reason), count in sorted(counts.items()):
        if reason != DeadLetterCode.WRONG_PARTITION:
            yield Finding("dead letters", "look", f"{count} in {topic}: {reason}; see `fettle dlq list`")
    if misplaced:
        named = ", ".join(list(misplaced)[:KEYS_NAMED])
        more = f" and {len(misplaced) - KEYS_NAMED} more" if len(misplaced) > KEYS_NAMED else ""
        yield Finding(
            "dead letters",
            "wrong",
            f"heartbeats in the wrong partition, from {named}{more}: their producer must partition as Java does "
            "(librdkafka and kcat: partitioner=murmur2_random)",
        )


async def _postgres(installation: Installation) -> Finding:
    known = {**installation.state().get("environment", {}), **installation.environ}
    url = (
        known.get("FETTLE_DATABASE_URL")
        or f"postgresql://127.0.0.1:{known.get('FETTLE_POSTGRES_PORT') or POSTGRES_PORT}"
    )
    address = urlsplit(url)
    host, port = address.hostname or "127.0.0.1", address.port or 5432
    try:
        async with asyncio.timeout(CONNECT_WITHIN_S):
            _, writer = await asyncio.open_connection(host, port)
        writer.close()
    except (OSError, TimeoutError):
        return Finding("postgres", "wrong", f"nothing listens at {host}:{port}; start it, or set FETTLE_DATABASE_URL")
    return Finding("postgres", "ok", f"Postgres at {host}:{port} listens")


async def _services(installation: Installation) -> list[Finding]:
    state = installation.state() if is_up(installation.home) else {}
    named = [(one["name"], one["url"]) for one in state.get("processes", ()) if one["url"]]
    addresses = named or [("console", installation.url)]
    ready = await asyncio.gather(*(is_ready(url) for _, url in addresses))
    return [
        Finding(f"service {name}", "ok", f"is ready at {url}")
        if fine
        else Finding(
            f"service {name}", "wrong", f"is not ready: {url}/readyz says why, `fettle status` where its log is"
        )
        for (name, url), fine in zip(addresses, ready, strict=True)
    ]
