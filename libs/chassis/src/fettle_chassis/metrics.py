"""Metrics are declared once, each with its meaning; `/metrics` shows the process's registry.

Declare at module level in a service's `metrics.py`. The chassis's own stand at the end of this file.
"""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """A counter `fettle_<name>_total`. Raises ValueError when the name is declared twice."""
    return Counter(f"fettle_{name}", meaning, labels)


def gauge(name: str, meaning: str, *labels: str) -> Gauge:
    """A gauge `fettle_<name>`; the unit stands in the name (`_seconds`, `_bytes`)."""
    return Gauge(f"fettle_{name}", meaning, labels)


def histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
    """A histogram `fettle_<name>`; `buckets` in the unit that the name says, by default seconds from 1 ms to 60 s."""
    return Histogram(f"fettle_{name}", meaning, labels, buckets=buckets)


RECORDS = counter(
    "consumer_records",
    "Records taken from Kafka, by what became of them: handled, repeat, passed_over, dead_letter, dropped.",
    "subscription",
    "outcome",
)
BATCH_SECONDS = histogram(
    "consumer_batch_seconds", "From having a batch in hand to being done with it, waits included.", "subscription"
)
LAG = gauge(
    "consumer_lag_records",
    "Records that the broker has and that are not handled yet, the batch in hand included, by partition.",
    "subscription",
    "topic",
    "partition",
)
OLDEST_IN_HAND = gauge(
    "consumer_oldest_in_hand_seconds", "Age of the oldest record of the batch in hand, 0 while none is.", "subscription"
)
HELD = gauge("consumer_held", "1 while a subscription waits for something that passes, else 0.", "subscription")
DEAD_LETTERS = counter("dead_letters", "Dead letters, by the topic that they came from.", "topic", "reason")
SET_ASIDE = counter(
    "set_aside", "Records dead-lettered because they crashed three starts: a bug, look at it now.", "subscription"
)
BUGS = counter("bugs", "Things set aside because handling them raised a bug, by kind: look at it now.", "kind")
FENCED = counter("consumer_fenced", "Batches stopped because another process owns the partition.", "subscription")
RESTARTS = counter("consumer_restarts", "Silently dead consumers that the watchdog started again.", "subscription")
OUTBOX_ROWS = gauge("outbox_rows", "Messages waiting in the outbox, up to 100,000.", "database")
OUTBOX_AGE = gauge("outbox_age_seconds", "Age of the oldest message in the outbox, 0 when it is empty.", "database")
OUTBOX_PUBLISHED = counter("outbox_published", "Messages that Kafka acknowledged, by topic.", "topic")
RELAY_ACTIVE = gauge("relay_active", "1 in the process whose relay is the active one.", "database")
RELAY_REBUILDS = counter("relay_rebuilds", "Producers that the relay threw away and built anew.", "database")
