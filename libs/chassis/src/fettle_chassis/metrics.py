"""Metrics are declared once, each with its meaning; `/metrics` shows the process's registry."""

from prometheus_client import Counter, Gauge, Histogram


def counter(name: str, meaning: str, *labels: str) -> Counter:
    """A counter `fettle_<name>` (the client appends `_total`). Declare at module level in the service's `metrics.py`."""
    raise NotImplementedError


def gauge(name: str, meaning: str, *labels: str) -> Gauge:
    """A gauge `fettle_<name>`; the unit stands in the name (`_seconds`, `_bytes`)."""
    raise NotImplementedError


def histogram(name: str, meaning: str, *labels: str, buckets: tuple[float, ...] | None = None) -> Histogram:
    """A histogram `fettle_<name>_seconds` or the like; `buckets` in that unit, default from 1 ms to 60 s."""
    raise NotImplementedError
